package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"klamm/cmd/cli"
)

// configCommand describes klamm config, the parent of what is about configurations: of a file here, and of topics and brokers
// over the wire.
func configCommand(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Read and change configurations, check a configuration file, and say what a property means",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("config has no command %q; klamm config --help lists them", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.SetFlagErrorFunc(misused)
	cmd.AddCommand(configCheckCommand(p), configExplainCommand(p))
	cmd.AddCommand(cli.ConfigCommands(p.cli())...)
	return cmd
}

// output is the flag -o of a command that writes a report.
type output string

func (o *output) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP((*string)(o), "output", "o", "text", "write `text or json`")
}

// check refuses a form that a report does not have.
func (o *output) check() error {
	if *o != "text" && *o != "json" {
		return errors.New("--output may be text or json")
	}
	return nil
}

// asJSON says whether JSON is wanted.
func (o *output) asJSON() bool { return *o == "json" }
