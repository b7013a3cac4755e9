package doctor

import (
	"fmt"
	"io"
)

// Status is the outcome of a check.
type Status string

// The outcomes. Unknown says that there was nothing to find it out by.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Trouble Status = "problem"
	Unknown Status = "unknown"
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"check"`
	Status Status `json:"status"`
	What   string `json:"what"`            // what was found
	Do     string `json:"do,omitempty"`    // what to do about it; "" for nothing
	About  string `json:"about,omitempty"` // the broker, address or directory, where there are several
}

// Report is all that was looked at.
type Report struct {
	Checks []Check `json:"checks"`
}

// add adds a check.
func (r *Report) add(c Check) { r.Checks = append(r.Checks, c) }

func (r *Report) ok(name, about, format string, args ...any) {
	r.add(Check{Name: name, Status: OK, About: about, What: fmt.Sprintf(format, args...)})
}

func (r *Report) unknown(name, about, format string, args ...any) {
	r.add(Check{Name: name, Status: Unknown, About: about, What: fmt.Sprintf(format, args...)})
}

func (r *Report) warn(name, about, do, format string, args ...any) {
	r.add(Check{Name: name, Status: Warning, About: about, Do: do, What: fmt.Sprintf(format, args...)})
}

func (r *Report) trouble(name, about, do, format string, args ...any) {
	r.add(Check{Name: name, Status: Trouble, About: about, Do: do, What: fmt.Sprintf(format, args...)})
}

// WriteText writes one line for each check.
func (r *Report) WriteText(out io.Writer) error {
	for _, c := range r.Checks {
		line := fmt.Sprintf("%-8s %-20s ", c.Status, c.Name)
		if c.About != "" {
			line += c.About + ": "
		}
		line += c.What
		if c.Do != "" {
			line += "; " + c.Do
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// ExitCode gives 1 if there is a problem. Warnings are none.
func (r *Report) ExitCode() int {
	for _, c := range r.Checks {
		if c.Status == Trouble {
			return 1
		}
	}
	return 0
}
