// Command klamm is a Kafka broker.
//
// It reads its configuration, starts a broker, runs until a signal tells it to stop, and
// stops the broker cleanly. Package broker does the rest.
//
// Begin reading at run.go; config.go, migrate.go, verify.go, cluster.go and join.go have the subcommands that start no broker. container.go starts one as an image for containers does,
// and scripts.go runs Kafka's scripts. signals.go says what each signal does, and line_writer.go why a
// reader of the log cannot hold the broker up.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"

	"klamm/cmd/cli"
	"klamm/cmd/connect"
	"klamm/server/config"
)

func main() {
	if code, called := runScript(os.Args); called {
		os.Exit(code)
	}
	stdout := newLineWriter(os.Stdout, nil)
	var stderr *lineWriter
	log := newLogging(func(l *logging) io.Writer { stderr = newLineWriter(os.Stderr, l.dropped); return stderr })
	p := process{stdout: stdout, report: os.Stdout, stderr: stderr, log: log, build: thisBuild(), quiet: new(atomic.Bool)}
	code, err := exitCode(command(p).ExecuteContext(watchSignals(log.own, os.Stderr, p.quiet)))
	if err != nil {
		log.end(stderr, err)
	}
	stdout.flush(flushTimeout)
	stderr.flush(flushTimeout)
	if code != 0 {
		os.Exit(code)
	}
}

// exitCode gives the code that an error ends the process with, and the error to print, nil for none.
func exitCode(err error) (int, error) {
	var coded interface {
		ExitCode() int
		Unwrap() error
	}
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &coded):
		return coded.ExitCode(), coded.Unwrap()
	}
	return 1, err
}

// command describes the command line.
func command(p process) *cobra.Command {
	var options config.Options
	cmd := &cobra.Command{
		Use:   "klamm",
		Short: "A Kafka broker",
		Long: `klamm is a Kafka broker: point existing Kafka clients at it.

Without arguments it listens on 127.0.0.1:9092 and keeps its data in ./klamm-data.
A configuration file may be Kafka's server.properties as it is, or YAML or TOML
with the same names. Environment variables (KLAMM_LOG_DIRS for log.dirs) go over
the file, and --set over both.

With zookeeper.connect it is one of a cluster, without it a broker alone.

The commands below talk to any Kafka cluster, of klamm or of Apache Kafka, or look
at files of this machine; without one of them klamm is the broker.

SIGTERM, SIGINT (Ctrl-C) and SIGHUP stop it cleanly; a second Ctrl-C ends it at
once. SIGQUIT writes the stacks of all goroutines to stderr.`,
		Example: `  klamm
  klamm --config server.properties
  klamm --set listeners=PLAINTEXT://:9092 --set log.dirs=/var/lib/klamm
  klamm --config broker-1.properties --set zookeeper.connect=zk-1:2181,zk-2:2181/kafka`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("unexpected argument %q: there is no such command, klamm --help has them; --config names a configuration file", args[0]))
			}
			return nil
		},
		Version:       p.build.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Env = brokerEnv()
			return p.run(cmd.Context(), options, start{})
		},
	}
	cmd.SetFlagErrorFunc(misused)
	cmd.SetVersionTemplate("klamm {{.Version}}\n")
	cmd.SetOut(p.stdout)
	cmd.Flags().StringVarP(&options.File, "config", "c", "", "configuration `file`: .properties, .yaml or .toml")
	cmd.Flags().StringArrayVar(&options.Sets, "set", nil, "set one property, `name=value`; may be repeated")
	cmd.Flags().Bool("version", false, "print the version, the commit and the version of Go, and end")
	cmd.AddCommand(migrateCommand(p), clusterCommand(p), configCommand(p), containerCommand(p), completionCommand(p), dumpLogCommand(p), dirsCommand(p), doctorCommand(p))
	cmd.AddCommand(cli.Commands(p.cli())...)
	cmd.CompletionOptions.DisableDefaultCmd = true
	group(cmd)
	return cmd
}

// group sorts the commands in the help.
func group(root *cobra.Command) {
	ask, local := &cobra.Group{ID: "ask", Title: "Talk to any Kafka cluster:"}, &cobra.Group{ID: "local", Title: "On this machine:"}
	root.AddGroup(ask, local)
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "topic", "produce", "consume", "group", "config", "cluster", "broker", "logdirs":
			cmd.GroupID = ask.ID
		default:
			cmd.GroupID = local.ID
		}
	}
	root.SetHelpCommandGroupID(local.ID)
}

// brokerEnv is the environment for a broker's configuration.
func brokerEnv() []string { return connect.ForBroker(os.Environ()) }
