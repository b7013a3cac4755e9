package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"klamm/cmd/connect"
)

//go:generate go test -count=1 -run TestThePageIsTheCommands . -args -write

var write = flag.Bool("write", false, "write docs/cli.md from the commands")

// TestThePageIsTheCommands holds docs/cli.md to the commands.
func TestThePageIsTheCommands(t *testing.T) {
	const path = "../../docs/cli.md"
	page := commandPage()
	if *write {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page {
		t.Errorf("docs/cli.md is not what the commands say: run `go generate ./cmd/klamm`")
	}
}

// TestEveryCommandSaysWhatItDoes holds the help of each command: what it is for, and an example where it takes anything.
func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	eachCommand(pageRoot(), func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help is %q, want words without a full stop", cmd.CommandPath(), cmd.Short)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: the flag --%s has no help", cmd.CommandPath(), f.Name)
			}
		})
	})
}

// pageRoot is the root of the commands, without a process.
func pageRoot() *cobra.Command {
	root := command(process{stdout: newLineWriter(io.Discard, nil), report: io.Discard, stderr: io.Discard})
	root.InitDefaultHelpFlag()
	return root
}

// eachCommand visits the commands that a person sees, each before those below it.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() && below.Name() != "help" {
			eachCommand(below, visit)
		}
	}
}

// toCluster are the flags of each command that asks a cluster; the page has them once.
var toCluster = []string{"bootstrap-server", "command-config", "profile", "output"}

func commandPage() string {
	var out strings.Builder
	out.WriteString(pageHead)
	shared := pflag.NewFlagSet("", pflag.ContinueOnError)
	eachCommand(pageRoot(), func(cmd *cobra.Command) {
		if cmd.CommandPath() == "klamm topic list" {
			for _, name := range toCluster {
				shared.AddFlag(cmd.Flags().Lookup(name))
			}
		}
	})
	fmt.Fprintf(&out, "\n```\n%s```\n\n## The commands\n\n| command | what for |\n|-|-|\n", shared.FlagUsages())
	eachCommand(pageRoot(), func(cmd *cobra.Command) {
		if !cmd.HasParent() || !cmd.HasAvailableSubCommands() {
			fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), cmd.Short)
		}
	})
	eachCommand(pageRoot(), func(cmd *cobra.Command) { writeCommand(&out, cmd, shared) })
	return out.String()
}

// writeCommand writes the section of one command.
func writeCommand(out *strings.Builder, cmd *cobra.Command, shared *pflag.FlagSet) {
	fmt.Fprintf(out, "\n### %s\n\n%s.\n\n```\n%s\n```\n", cmd.CommandPath(), cmd.Short, cmd.UseLine())
	if cmd.Long != "" {
		fmt.Fprintf(out, "\n```text\n%s\n```\n", strings.TrimSpace(cmd.Long))
	}
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	asks := cmd.Flags().Lookup("command-config") != nil && cmd.Flags().Lookup("profile") != nil
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		same := shared.Lookup(f.Name)
		if !f.Hidden && f.Name != "help" && (!asks || same == nil || same.Usage != f.Usage) {
			own.AddFlag(f)
		}
	})
	if own.HasFlags() {
		fmt.Fprintf(out, "\n```\n%s```\n", own.FlagUsages())
	}
	if asks {
		out.WriteString("\nIt takes the [flags of commands that ask a cluster](#flags-of-commands-that-ask-a-cluster)")
		if cmd.Flags().Lookup("output") == nil {
			out.WriteString(", except `--output`")
		}
		out.WriteString(".\n")
	}
	if cmd.Example != "" {
		fmt.Fprintf(out, "\n```sh\n%s\n```\n", cmd.Example)
	}
}

// pageHead is what stands before the commands.
const pageHead = "# The command line\n\nWritten by `go generate ./cmd/klamm` from the commands themselves.\n" + `
` + "`klamm`" + ` without a command is the broker. The commands below talk to any Kafka cluster by the protocol, of klamm or of Apache Kafka, except for those that look
at files of this machine and say so. The names and options of Kafka's own scripts are served too: [scripts.md](scripts.md).

    klamm topic create greetings
    echo hello | klamm produce greetings
    klamm consume greetings

## Which cluster

The addresses of the cluster are those of the first of these that names any:

1. ` + "`--bootstrap-server`" + `
2. ` + "`bootstrap.servers`" + ` in the file of ` + "`--command-config`" + `
3. the profile: ` + "`--profile`" + `, or ` + "`" + connect.ProfileVariable + "`" + ` in the environment, or what ` + "`klamm profile use`" + ` has chosen
4. ` + "`" + connect.ServerVariable + "`" + ` in the environment
5. ` + connect.DefaultServer + `; commands that move a whole cluster (` + "`klamm cluster rebalance`, `drain`, `reassign` and `cancel`" + `) refuse to guess

` + "`--command-config`" + ` reads a properties file of a Java client: security.protocol (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL), ssl.* with JKS, PKCS12 and PEM,
sasl.mechanism and sasl.jaas.config for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, client.id, client.rack, request.timeout.ms, default.api.timeout.ms and
socket.connection.setup.timeout.ms. A property that would change whom the client trusts, and is not served, is an error; what a connection has no use for is
passed over.

## Exit codes

| code | meaning |
|-|-|
| 0 | all is as asked for; also when the reader of a pipe, such as ` + "`head`" + `, has gone |
| 1 | the cluster refused something, or a part failed; ` + "`klamm cluster health`" + `: the cluster is not healthy |
| 2 | the command line is wrong, and nothing was asked of a cluster; some commands have further meanings, which their help tells |
| 3 | no broker answers |
| 130 | Ctrl-C or a signal ended the command before its end |

What a command prints goes to stdout, in one of three formats: a table for people, JSON or YAML (` + "`-o`" + `). Names in JSON and YAML stay as they are from release to
release; tables may change. Errors and progress go to stderr, progress only where that is a terminal. On a terminal, and in tables anywhere, control characters of
names and values are escaped.

## Completion

` + "`source <(klamm completion bash)`" + ` completes commands, flags, and the names of topics, groups and brokers of the cluster; zsh and fish have it too.

## Flags of commands that ask a cluster
`
