package boundedlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lineBurst is how many lines that say the same, of different topics and partitions, are
// written in a second at most. A request names 10,000 of them, and may come again and
// again.
const lineBurst = 10

// lineLimit is a slog.Handler for the rooms below the server, whose lines come of what
// clients ask for: of each message it writes lineBurst lines in a second, and says with
// the next one after that how many it left out.
type lineLimit struct {
	slog.Handler
	seen *linesSeen
}

type linesSeen struct {
	mu       sync.Mutex
	messages map[string]*lineCount // guarded by mu; by what the line says, which is the code's own text
}

type lineCount struct {
	second     time.Time // that written counts in
	written    int
	suppressed int // since the last line
}

// LimitLines gives a logger that writes to another at a bounded rate.
func LimitLines(l *slog.Logger) *slog.Logger {
	return slog.New(&lineLimit{l.Handler(), &linesSeen{messages: map[string]*lineCount{}}})
}

// Handle implements slog.Handler.
func (h *lineLimit) Handle(ctx context.Context, r slog.Record) error {
	write, suppressed := h.seen.count(r.Message, r.Time)
	if !write {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return h.Handler.Handle(ctx, r)
}

// count says whether a line is written, and how many like it were not before.
func (s *linesSeen) count(message string, at time.Time) (write bool, suppressed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.messages[message]
	if c == nil {
		c = new(lineCount)
		s.messages[message] = c
	}
	if second := at.Truncate(time.Second); !second.Equal(c.second) {
		c.second, c.written = second, 0
	}
	if c.written >= lineBurst {
		c.suppressed++
		return false, 0
	}
	c.written++
	suppressed, c.suppressed = c.suppressed, 0
	return true, suppressed
}

// WithAttrs implements slog.Handler.
func (h *lineLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lineLimit{h.Handler.WithAttrs(attrs), h.seen}
}

// WithGroup implements slog.Handler.
func (h *lineLimit) WithGroup(name string) slog.Handler {
	return &lineLimit{h.Handler.WithGroup(name), h.seen}
}
