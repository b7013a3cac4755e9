package migrate

import (
	"fmt"
	"io"
	"strings"
)

// mostPlaces is how many places of one finding are written as text. JSON has all.
const mostPlaces = 10

// WriteText writes the report for people: what was looked at, and what was found, the worst first.
func (r *Report) WriteText(out io.Writer) error {
	var b strings.Builder
	if r.Broker >= 0 {
		fmt.Fprintf(&b, "broker %d", r.Broker)
	} else {
		b.WriteString("a broker without an id")
	}
	if r.Cluster != "" {
		fmt.Fprintf(&b, " of cluster %s", r.Cluster)
	}
	b.WriteString("\n\n")
	for _, l := range r.Looked {
		at := l.At
		if l.Skipped != "" {
			at = "not looked at: " + l.Skipped
		}
		fmt.Fprintf(&b, "%-14s %s\n", l.Area, at)
		if l.Failed != "" {
			fmt.Fprintf(&b, "%14s could not be looked at: %s\n", "", l.Failed)
		}
	}
	for _, s := range severities {
		if r.Count(s) > 0 {
			fmt.Fprintf(&b, "\n%s (%d)\n", headings[s], r.Count(s))
		}
		area := Area("")
		for _, f := range r.Findings {
			if f.Severity != s {
				continue
			}
			if f.Area != area {
				fmt.Fprintf(&b, "\n  %s\n", f.Area)
				area = f.Area
			}
			f.write(&b)
		}
	}
	if r.ExitCode() == 0 {
		b.WriteString("\nNothing that was looked at stands in the way.\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// write writes one finding: its places, what was found, and what to do.
func (f *Finding) write(b *strings.Builder) {
	for i, where := range f.Where {
		if i == mostPlaces {
			fmt.Fprintf(b, "    and %d more\n", len(f.Where)-i)
			break
		}
		fmt.Fprintf(b, "    %s\n", where)
	}
	fmt.Fprintf(b, "      %s\n", strings.ReplaceAll(f.Found, "\n", "\n      "))
	if f.Do != "" {
		fmt.Fprintf(b, "      -> %s\n", f.Do)
	}
}
