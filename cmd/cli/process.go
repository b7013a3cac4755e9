package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/connect"
)

// Process is what the commands need of the process.
type Process struct {
	In  io.Reader
	Out io.Writer // what was asked for
	Err io.Writer // what happens meanwhile

	InTerminal, OutTerminal, ErrTerminal bool // whether a person is there

	Begins func() // is called when a command of this package begins; nil for nothing
	Build  Build
}

// The exit codes of the commands. docs/cli.md lists them.
const (
	CodeFailed      = 1   // something is not as asked for
	CodeMisuse      = 2   // the command line is wrong
	CodeUnreachable = 3   // no broker answers
	CodeInterrupted = 130 // a signal ended the command before its end
)

// Exit ends the process with a code. Err is printed; nil prints nothing.
type Exit struct {
	Code int
	Err  error
}

// Error gives the text of the error, or the code where there is none.
func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprint("exit code ", e.Code)
	}
	return e.Err.Error()
}

// Unwrap gives the error that is printed.
func (e *Exit) Unwrap() error { return e.Err }

// ExitCode gives the code.
func (e *Exit) ExitCode() int { return e.Code }

// misuse is an error about the command line.
func misuse(format string, args ...any) error {
	return &Exit{CodeMisuse, fmt.Errorf(format, args...)}
}

// Commands gives the commands for klamm's root.
func Commands(p Process) []*cobra.Command {
	all := []*cobra.Command{
		topicCommand(p), produceCommand(p), consumeCommand(p), groupCommand(p), brokerCommand(p), logdirsCommand(p), profileCommand(p), versionCommand(p),
	}
	for _, cmd := range all {
		cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &Exit{CodeMisuse, err} })
	}
	return all
}

// Parent makes a command that only has others below it.
func Parent(name, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		return misuse("%s has no command %q; there are %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
	}
	cmd.AddCommand(below...)
	return cmd
}

// arguments checks how many arguments there are: from least to most, or without end where most is negative. what names them, as ID or NAME.
func arguments(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case most == 0 && len(args) > 0:
			return misuse("unexpected argument %q; %s takes none", args[0], cmd.CommandPath())
		case len(args) < least:
			return misuse("%s wants %s", cmd.CommandPath(), what)
		case most >= 0 && len(args) > most:
			return misuse("unexpected argument %q; %s takes %s", args[most], cmd.CommandPath(), what)
		}
		return nil
	}
}

// session is a command that runs: its cluster, and where it writes.
type session struct {
	Process
	*connect.Cluster
	config connect.Config
	format format
}

// ask describes a command that asks a cluster.
type ask struct {
	to     connect.Flags
	format format
	check  func(args []string) error // refuses a command line before the cluster is asked; nil takes all

	options  func(connect.Properties) ([]kgo.Opt, error) // further options of the client; nil for none
	noFormat bool                                        // the command has no --output
}

// add adds the flags that each such command has, and what it runs.
func (a *ask) add(cmd *cobra.Command, p Process, run func(ctx context.Context, s *session, args []string) error) {
	a.to.Add(cmd.Flags())
	if !a.noFormat {
		a.format.add(cmd)
	}
	_ = cmd.RegisterFlagCompletionFunc("profile", completeProfiles) // it fails only where there is no such flag
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.check != nil {
			if err := a.check(args); err != nil {
				return err
			}
		}
		return a.with(cmd.Context(), p, func(s *session) error { return run(cmd.Context(), s, args) })
	}
}

// with opens the cluster for a function, and gives what it returns its exit code.
func (a *ask) with(ctx context.Context, p Process, run func(*session) error) error {
	if p.Begins != nil {
		p.Begins()
	}
	config, err := a.to.Config()
	if err != nil {
		return &Exit{CodeMisuse, err}
	}
	var opts []kgo.Opt
	if a.options != nil {
		if opts, err = a.options(config.Properties); err != nil {
			return err
		}
	}
	cluster, err := config.Open(ctx, opts...)
	if err == nil {
		defer cluster.Close()
		err = cluster.Explain(run(&session{p, cluster, config, a.format}))
	}
	return coded(ctx, err)
}

// coded gives an error its exit code.
func coded(ctx context.Context, err error) error {
	switch {
	case err == nil || errors.As(err, new(*Exit)):
		return err
	case errors.Is(err, syscall.EPIPE): // the reader, such as head, has what it wanted
		return nil
	case ctx.Err() != nil:
		return &Exit{CodeInterrupted, errors.New("interrupted")}
	case errors.As(err, new(*connect.Error)):
		return &Exit{CodeUnreachable, err}
	}
	return &Exit{CodeFailed, err}
}
