package cli

import (
	"fmt"
	"time"
)

// progressPause is how long a line of progress stands.
const progressPause = 500 * time.Millisecond

// progress is a line on a terminal that says how far a command is. It is written over again and again, and gone at the end.
type progress struct {
	stop, stopped chan struct{}
}

// progress begins to show what text gives, where a person looks at stderr and wanted says that nothing else is written there.
func (p Process) progress(wanted bool, text func() string) *progress {
	if !wanted || !p.ErrTerminal {
		return nil
	}
	pr := &progress{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(pr.stopped)
		tick := time.NewTicker(progressPause)
		defer tick.Stop()
		for {
			select {
			case <-pr.stop:
				fmt.Fprintf(p.Err, "\r\x1b[K%s\n", text())
				return
			case <-tick.C:
				fmt.Fprintf(p.Err, "\r\x1b[K%s", text())
			}
		}
	}()
	return pr
}

// end shows the last state, and ends the line.
func (p *progress) end() {
	if p == nil {
		return
	}
	close(p.stop)
	<-p.stopped
}
