package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"klamm/server/config"
)

// configExplainCommand describes klamm config explain.
func configExplainCommand(p process) *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "explain PROPERTY",
		Short: "Say what a property means: type, default, when it changes, and whether klamm serves it",
		Example: `  klamm config explain log.retention.ms
  klamm config explain listener.name.external.max.connections
  klamm config explain compression.type -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused(cmd, errors.New("klamm config explain needs one argument, the name of a property"))
			}
			return misusedIf(cmd, form.check())
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return config.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			found, err := config.Explain(args[0])
			if err != nil {
				return err
			}
			return p.write(explanations(found), form.asJSON())
		},
	}
	form.add(cmd)
	return cmd
}

// explanations is the report of klamm config explain.
type explanations []config.Explanation

// MarshalJSON gives a list, also for a single property.
func (es explanations) MarshalJSON() ([]byte, error) { return json.Marshal([]config.Explanation(es)) }

// ExitCode implements report.
func (explanations) ExitCode() int { return 0 }

// WriteText writes a block for each property.
func (es explanations) WriteText(out io.Writer) error {
	for i, e := range es {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := writeExplanation(out, e); err != nil {
			return err
		}
	}
	return nil
}

// writeExplanation writes one property.
func writeExplanation(out io.Writer, e config.Explanation) error {
	served := "yes"
	if !e.Served {
		served = "no: " + e.Effect
	}
	standard := "null"
	if e.Default != nil {
		standard = *e.Default
		if standard == "" {
			standard = "empty"
		}
	}
	changes := map[string]string{"read-only": "at a start", "per-broker": "while it runs, for one broker", "cluster-wide": "while it runs, for one broker or all",
		"any time": "at any time"}[e.Changes]
	fmt.Fprintf(out, "%s (%s)\n  %s\n\n", e.Name, e.Of, e.Doc)
	for _, row := range [][2]string{
		{"type", e.Type}, {"allowed", e.Allowed}, {"default", standard}, {"changes", changes}, {"served", served}, {"importance", e.Importance},
		{"if not set", strings.Join(e.Fallback, ", then ")}, {"same as", strings.Join(e.Same, ", ")}, {"variable", e.Variable},
	} {
		if row[1] != "" {
			fmt.Fprintf(out, "  %-11s %s\n", row[0], row[1])
		}
	}
	if e.Sensitive {
		fmt.Fprintf(out, "  %-11s yes: answers and errors hide its value\n", "secret")
	}
	return nil
}
