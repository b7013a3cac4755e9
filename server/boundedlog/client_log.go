package boundedlog

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"
)

// clientLogBurst is how many lines about clients' errors are written in a
// second at most. The rest are counted and reported with the next line, so that
// a client that errs a million times fills no disk.
const clientLogBurst = 10

// ClientLog writes what clients did wrong, at a bounded rate.
type ClientLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu         sync.Mutex
	second     time.Time // guarded by mu; the second that written counts in
	written    int       // guarded by mu
	suppressed int       // guarded by mu; lines not written since the last one
}

// NewClientLog makes a log of clients' errors. now is the wall clock.
func NewClientLog(logger *slog.Logger, now func() time.Time) *ClientLog {
	return &ClientLog{logger: logger, now: now}
}

// Warn logs one line about a client that came in on a listener, or counts it.
func (l *ClientLog) Warn(client net.Addr, listener, msg string, err error) {
	now := l.now()
	l.mu.Lock()
	if second := now.Truncate(time.Second); !second.Equal(l.second) {
		l.second, l.written = second, 0
	}
	if l.written >= clientLogBurst {
		l.suppressed++
		l.mu.Unlock()
		return
	}
	l.written++
	suppressed := l.suppressed
	l.suppressed = 0
	l.mu.Unlock()
	args := []any{"client", client.String(), "listener", listener, "error", Printable(err.Error())}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.logger.Warn(msg, args...)
}

// maxClientText is the most of an error's text that is logged: it may quote
// what a client sent.
const maxClientText = 300

// Printable cuts a text and replaces what is not printable in it: what a client sent is
// logged in no other form.
func Printable(s string) string {
	cut := len(s) > maxClientText
	if cut {
		s = s[:maxClientText]
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if cut {
		s += "..."
	}
	return s
}
