package main

import (
	"errors"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"klamm/cmd/cli"
)

// cli gives the commands that ask a cluster what they need of the process.
func (p process) cli() cli.Process {
	terminal := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	return cli.Process{
		In: os.Stdin, Out: p.report, Err: p.stderr,
		InTerminal: terminal(os.Stdin), OutTerminal: terminal(os.Stdout), ErrTerminal: terminal(os.Stderr),
		Begins: func() { p.quiet.Store(true) },
		Build:  cli.Build{Version: p.build.version, Commit: p.build.commit, Time: p.build.committed, Go: p.build.goes, System: runtime.GOOS + "/" + runtime.GOARCH},
	}
}

// completionCommand describes klamm completion.
func completionCommand(p process) *cobra.Command {
	write := map[string]func(*cobra.Command) error{
		"bash": func(root *cobra.Command) error { return root.GenBashCompletionV2(p.report, true) },
		"zsh":  func(root *cobra.Command) error { return root.GenZshCompletion(p.report) },
		"fish": func(root *cobra.Command) error { return root.GenFishCompletion(p.report, true) },
	}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print what makes a shell complete klamm's commands",
		Long: `Prints a script for a shell. Then the shell completes klamm's commands and flags, and the names of topics, groups and brokers of the
cluster that the profile in use, or --bootstrap-server before the name, says.`,
		Example: `  source <(klamm completion bash)
  klamm completion zsh > "${fpath[1]}/_klamm"
  klamm completion fish > ~/.config/fish/completions/klamm.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || write[args[0]] == nil {
				return misused(cmd, errors.New("completion wants the name of a shell: bash, zsh or fish"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return write[args[0]](cmd.Root()) },
	}
}
