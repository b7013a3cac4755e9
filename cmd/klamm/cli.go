package main

import (
	"errors"
	"io"
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

// bashAlone takes the place of what cobra's script wants of the package bash-completion, where that is not there: it splits the line into words.
const bashAlone = `# Without the package bash-completion this takes its place.
if ! declare -F _init_completion >/dev/null 2>&1 && ! declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
_get_comp_words_by_ref() {
    local line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    prev=${words[cword - 1]}
}
fi

`

// completionCommand describes klamm completion.
func completionCommand(p process) *cobra.Command {
	write := map[string]func(*cobra.Command) error{
		"bash": func(root *cobra.Command) error {
			if _, err := io.WriteString(p.report, bashAlone); err != nil {
				return err
			}
			return root.GenBashCompletionV2(p.report, true)
		},
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
