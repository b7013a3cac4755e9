package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Build says of which sources the binary was built.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // "" where it is not known
	Time    string `json:"time"`   // when the commit was made; "" where it is not known
	Go      string `json:"go"`
	System  string `json:"system"` // operating system and architecture
}

func versionCommand(p Process) *cobra.Command {
	f := asTable
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print of what klamm was built",
		Long: `Prints the version, the commit with its time, the version of Go and the system that klamm was built for. There is no time of the
build itself: the same sources give the same binary at any time.`,
		Example: "  klamm version\n  klamm version -o json",
		Args:    arguments("", 0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return coded(cmd.Context(), p.show(f, p.Build, func(out io.Writer) error {
				t := table{}
				t.row("klamm", p.Build.Version)
				t.row("commit", dash(p.Build.Commit))
				t.row("of", dash(p.Build.Time))
				t.row("go", fmt.Sprintf("%s, %s", p.Build.Go, p.Build.System))
				return t.write(out)
			}))
		},
	}
	f.add(cmd)
	return cmd
}
