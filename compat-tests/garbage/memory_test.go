package garbage

import (
	"fmt"
	"os"
	"strings"
	"time"

	"klamm/compat-tests/harness"
)

// status reads a number of kB from /proc/PID/status, in bytes; 0 if it is not there.
func (w *world) status(name string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.broker.PID()))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			var kb int64
			_, _ = fmt.Sscanf(rest, "%d", &kb) // 0 then
			return kb << 10
		}
	}
	return 0
}

// rss is the memory that the broker has now, peak the most that it ever had.
func (w *world) rss() int64  { return w.status("VmRSS") }
func (w *world) peak() int64 { return w.status("VmHWM") }

// settled waits until the broker's memory is below a bound, or for ten minutes:
// Go collects what is idle every two minutes, keeps pools over one collection, and
// gives the memory back bit by bit.
func (w *world) settled(below int64) int64 {
	for end := time.Now().Add(10 * time.Minute); w.rss() > below && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	return w.rss()
}

// raced raises a bound on memory under the race detector, which takes a multiple.
func raced(bytes int64) int64 {
	if harness.Small() {
		return 10 * bytes
	}
	return bytes
}
