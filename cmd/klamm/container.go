package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"klamm/cmd/container"
	"klamm/server/config"
)

// containerOptions are the flags of klamm container.
type containerOptions struct {
	mounted, secrets string
	print            bool
}

// containerCommand describes klamm container.
func containerCommand(p process) *cobra.Command {
	var o containerOptions
	cmd := &cobra.Command{
		Use:   "container [NAME=VALUE ...]",
		Short: "Start a broker with the variables of the images of Kafka, KAFKA_* and KAFKA_CFG_*",
		Long: `Starts a broker as the entry points of the images apache/kafka and bitnami/kafka do: KAFKA_LOG_DIRS, or
KAFKA_CFG_LOG_DIRS, sets log.dirs. A dot of the property's name is an underscore, an underscore is two, and a dash
three. The variables go over the file server.properties in the directory of --mounted-configs-dir, if there is one.
Arguments NAME=VALUE go over the variables.

A configuration for KRaft is taken if it is for one process, broker and controller: the broker keeps its metadata
itself, and opens no listener for a controller. One for several processes is refused.

When it takes clients, it prints the lines that tools wait for which start such images.`,
		Example: `  KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092 KAFKA_LOG_DIRS=./data klamm container
  KAFKA_CFG_LISTENERS=PLAINTEXT://:9092 klamm container --print`,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, a := range args {
				if name, _, ok := strings.Cut(a, "="); !ok || name == "" {
					return misused(cmd, fmt.Errorf("%q is not of the form NAME=VALUE", a))
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.container(cmd.Context(), o, args) },
	}
	cmd.SetFlagErrorFunc(misused)
	cmd.Flags().StringVar(&o.mounted, "mounted-configs-dir", "/mnt/shared/config", "`directory` that may have a server.properties")
	cmd.Flags().StringVar(&o.secrets, "secrets-dir", "/etc/kafka/secrets", "`directory` with the files that KAFKA_SSL_KEYSTORE_FILENAME and the like name")
	cmd.Flags().BoolVar(&o.print, "print", false, "print the properties, without secrets, and start nothing")
	return cmd
}

// container starts a broker, or prints its configuration.
func (p process) container(ctx context.Context, o containerOptions, args []string) error {
	in := container.Input{Env: append(os.Environ(), args...), SecretsDir: o.secrets, ReadFile: os.ReadFile}
	file := filepath.Join(o.mounted, "server.properties")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		mounted, warnings, errs := config.FileSettings(file)
		if len(errs) > 0 {
			return errs
		}
		p.warn(warnings)
		in.Mounted = mounted
	}
	for _, name := range []string{"log4j.properties", "tools-log4j.properties"} {
		if _, err := os.Stat(filepath.Join(o.mounted, name)); err == nil {
			p.log.own.Warn("this file is for the log of a Java virtual machine and has no effect", "path", filepath.Join(o.mounted, name))
		}
	}
	setup, err := container.Configure(in)
	if err != nil {
		return err
	}
	if o.print {
		_, err := io.WriteString(p.report, config.FormatProperties(withoutSecrets(setup.Properties())))
		return err
	}
	options := config.Options{Layers: setup.Layers, Env: brokerEnv()}
	cfg, _, _ := config.Read(options)
	p.log.configure(cfg)
	if len(setup.Ignored) > 0 {
		p.log.own.Warn("these variables are for a Java virtual machine and have no effect", "variables", setup.Ignored)
	}
	if len(setup.Dropped) > 0 {
		p.log.own.Info("this broker stands alone and keeps its metadata itself, as broker and controller in one; these properties of KRaft have no effect", "properties", setup.Dropped)
	}
	return p.run(ctx, options, start{clusterID: setup.ClusterID, started: func(brokerID int32) {
		// Testcontainers and other programs that start containers wait for one of these lines, each for that of the image it knows.
		fmt.Fprintf(p.stdout, "[KafkaServer id=%[1]d] Transitioning from RECOVERY to RUNNING\n[KafkaServer id=%[1]d] started\nKafka Server started\n", brokerID)
	}})
}

// withoutSecrets hides the values of properties that are secret.
func withoutSecrets(properties map[string]string) map[string]string {
	for name := range properties {
		if all, err := config.Explain(name); err == nil && all[0].Sensitive {
			properties[name] = "[hidden]"
		}
	}
	return properties
}
