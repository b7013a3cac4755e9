package boundedlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lineBurst is how many lines with the same message a lineLimit writes in a second at
// most. One request can name 10,000 partitions and cause a line for each, and a client
// can send it again and again.
const lineBurst = 10

// lineLimit is a slog.Handler for the packages below the server, which log what clients
// ask for. It writes at most lineBurst lines of each message in a second. The next line of
// that message gives the number of lines that it left out.
type lineLimit struct {
	slog.Handler
	seen *linesSeen
}

type linesSeen struct {
	mu       sync.Mutex
	messages map[string]*lineCount // guarded by mu; by message: the messages stand in the code, so they are few
}

type lineCount struct {
	second     time.Time // the second in which the lines of written were written
	written    int       // the lines of that second
	suppressed int       // the lines left out since the last line that was written
}

// LimitLines returns a logger that writes to l at a bounded rate.
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

// count counts one line. It returns whether the line is to be written, and how many lines
// with the same message were left out before it.
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
