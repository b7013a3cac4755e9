package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// reader is the double of what reads a lineWriter's lines: it takes lines, fails, or stands still.
type reader struct {
	mu    sync.Mutex
	got   bytes.Buffer
	fails error
	room  int           // how many bytes the reader takes before it fails; -1 for any number
	still chan struct{} // not nil while the reader stands still
	began chan struct{} // gets an element when a write finds the reader standing still
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	still := r.still
	r.mu.Unlock()
	if still != nil {
		r.began <- struct{}{}
		<-still
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails != nil {
		n := min(len(p), r.room)
		r.got.Write(p[:n])
		r.room -= n
		return n, r.fails
	}
	return r.got.Write(p)
}

func (r *reader) set(fails error, room int, still chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.still != nil && still == nil {
		close(r.still)
	}
	r.fails, r.room, r.still = fails, room, still
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func told(lines int) []byte { return fmt.Appendf(nil, "dropped %d\n", lines) }

// Lines come out whole and in their order, and flush waits for them.
func TestLinesAreWritten(t *testing.T) {
	var r reader
	w := newLineWriter(&r, told)
	var want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(w, "line %d\n", i)
		fmt.Fprintf(&want, "line %d\n", i)
	}
	w.flush(time.Minute)
	if r.String() != want.String() {
		t.Errorf("%d bytes were written of %d", len(r.String()), want.Len())
	}
}

// No writer of lines waits for a reader that stands still, and the end of the process does not wait for ever. The lineWriter
// drops the lines that it has no room for, and reports their number when the reader goes on.
func TestReaderThatStandsStill(t *testing.T) {
	r := &reader{still: make(chan struct{}), began: make(chan struct{}, 1)}
	w := newLineWriter(r, told)
	line := strings.Repeat("x", 1023) + "\n"
	fmt.Fprint(w, line)
	<-r.began
	const most = maxWaiting / 1024
	for range most + 5 {
		fmt.Fprint(w, line)
	}
	w.flush(time.Millisecond)
	r.set(nil, 0, nil)
	w.flush(time.Minute)
	if got, want := r.String(), line+"dropped 5\n"+strings.Repeat(line, most); got != want {
		t.Errorf("%d bytes came, want %d", len(got), len(want))
	}
}

// The lineWriter counts the lines that it cannot write because the reader is gone or the disk is full. Before the first line
// that it can write again, it writes their number.
func TestReaderThatFails(t *testing.T) {
	r := &reader{}
	w := newLineWriter(r, told)
	r.set(errors.New("broken pipe"), 0, nil)
	for range 3 {
		fmt.Fprint(w, "lost\n")
		w.flush(time.Minute)
	}
	r.set(errors.New("no space left on device"), 3, nil)
	fmt.Fprint(w, "cut off\n")
	w.flush(time.Minute)
	r.set(nil, 0, nil)
	fmt.Fprint(w, "read\n")
	w.flush(time.Minute)
	if got, want := r.String(), "dro\ndropped 4\nread\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
