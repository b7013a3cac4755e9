package main

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// maxWaiting is how many bytes of lines may wait for a slow reader. A lineWriter drops and counts further lines.
const maxWaiting = 1 << 20

// flushTimeout is how long the process waits at its end until its last lines are written.
const flushTimeout = time.Second

// lineWriter writes lines to stdout or stderr, and its callers never wait: the reader of a pipe may read nothing, or be gone,
// and the disk behind a file may be full. Many goroutines may use it. A goroutine of its own writes the lines; while
// that goroutine waits, the lineWriter collects up to maxWaiting bytes. It counts the lines that it cannot write, and
// writes a line with their number as soon as it can write again.
type lineWriter struct {
	out     io.Writer
	dropped func(lines int) []byte // the line that tells how many were dropped

	mu      sync.Mutex
	changed sync.Cond
	waiting []byte // guarded by mu; the whole lines that are not written yet
	lost    int    // guarded by mu; how many lines were dropped and not reported yet
	writing bool   // guarded by mu; run is writing
}

// newLineWriter begins to write to out. dropped gives the line that reports dropped lines; with nil they are not reported.
func newLineWriter(out io.Writer, dropped func(lines int) []byte) *lineWriter {
	w := &lineWriter{out: out, dropped: dropped}
	w.changed.L = &w.mu
	go w.run()
	return w
}

// Write takes or drops whole lines. It never fails and never waits for a reader.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 && len(w.waiting)+len(p) > maxWaiting {
		w.lost += lines(p)
		return len(p), nil
	}
	w.waiting = append(w.waiting, p...)
	w.changed.Broadcast()
	return len(p), nil
}

// run writes the waiting lines, for the life of the process.
func (w *lineWriter) run() {
	cut := false // the last write ended within a line
	var spare []byte
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.waiting) == 0 {
			w.changed.Wait()
		}
		batch, lost := w.waiting, w.lost
		w.waiting, w.lost, w.writing = spare[:0], 0, true
		w.mu.Unlock()
		told := 0 // how many bytes at the start of the batch report the lines that were dropped
		if lost > 0 && w.dropped != nil {
			line := w.dropped(lost)
			told, batch = len(line), append(line, batch...)
		}
		if cut {
			batch, told = append([]byte{'\n'}, batch...), told+1
		}
		n, err := w.out.Write(batch)
		if n > 0 {
			cut = batch[n-1] != '\n'
		}
		if spare = batch; cap(spare) > maxWaiting {
			spare = nil
		}
		w.mu.Lock()
		if n < told {
			w.lost += lost
		}
		if err != nil {
			w.lost += lines(batch[max(n, told):])
		}
		w.writing = false
		w.changed.Broadcast()
	}
}

// flush waits until all lines are written or dropped, but not longer than timeout.
func (w *lineWriter) flush(timeout time.Duration) {
	var late bool
	timer := time.AfterFunc(timeout, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.changed.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for !late && (w.writing || len(w.waiting) > 0) {
		w.changed.Wait()
	}
}

func lines(p []byte) int { return bytes.Count(p, []byte{'\n'}) }
