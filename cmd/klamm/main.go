// Command klamm is a Kafka broker.
//
// It reads its configuration, puts the rooms of the broker together, runs until
// it is told to stop, and stops cleanly. It decides nothing else.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"klamm/server/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command(stop).ExecuteContext(ctx)
	stop()
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(os.Stderr, "klamm: "+line)
		}
		os.Exit(1)
	}
}

// command describes the command line. restore gives signals back their usual meaning.
func command(restore func()) *cobra.Command {
	var options config.Options
	cmd := &cobra.Command{
		Use:   "klamm",
		Short: "A Kafka broker",
		Long: `klamm is a Kafka broker: point existing Kafka clients at it.

Without arguments it listens on 127.0.0.1:9092 and keeps its data in ./klamm-data.
A configuration file may be Kafka's server.properties as it is, or YAML or TOML
with the same names. Environment variables (KLAMM_LOG_DIRS for log.dirs) go over
the file, and --set over both.`,
		Example: `  klamm
  klamm --config server.properties
  klamm --set listeners=PLAINTEXT://:9092 --set log.dirs=/var/lib/klamm`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unexpected argument %q; --config names a configuration file", args[0])
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Env = os.Environ()
			return run(cmd.Context(), restore, options, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&options.File, "config", "c", "", "configuration `file`: .properties, .yaml or .toml")
	cmd.Flags().StringArrayVar(&options.Sets, "set", nil, "set one property, `name=value`; may be repeated")
	cmd.CompletionOptions.DisableDefaultCmd = true
	return cmd
}
