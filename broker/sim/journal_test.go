package sim

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// journal has what happened in a run, in order, and what must not have.
type journal struct {
	began time.Time

	mu     sync.Mutex
	lines  []string // guarded by mu
	faults []string // guarded by mu
}

func newJournal() *journal { return &journal{began: time.Now()} }

// note adds an event.
func (h *journal) note(who, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%10.3f %-6s %s", time.Since(h.began).Seconds(), who, fmt.Sprintf(format, args...)))
}

// wrong adds something that must not happen.
func (h *journal) wrong(format string, args ...any) {
	h.note("WRONG", format, args...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// all adds a list of things that must not happen; of many the first.
func (h *journal) all(what string, list []string) {
	for i, f := range list {
		if i == 5 {
			h.wrong("%s: and %d more", what, len(list)-i)
			return
		}
		h.wrong("%s: %s", what, f)
	}
}

// found gives what must not have happened.
func (h *journal) found() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.faults
}

// String gives all events.
func (h *journal) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, "\n")
}

// logger gives a log whose lines become events.
func (h *journal) logger(who string) *slog.Logger {
	level := slog.LevelInfo
	if *debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(lines{h, who}, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

type lines struct {
	h   *journal
	who string
}

func (l lines) Write(p []byte) (int, error) {
	l.h.note(l.who, "%s", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
