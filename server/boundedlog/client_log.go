package boundedlog

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"
)

// clientLogBurst is how many lines about clients' errors a ClientLog writes in a
// second at most. It counts the rest and reports their number with the next line, so
// that a client that makes a million errors does not fill the disk.
const clientLogBurst = 10

// ClientLog writes what clients did wrong, at a bounded rate.
type ClientLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu         sync.Mutex
	second     time.Time // guarded by mu; the second in which the lines of written were written
	written    int       // guarded by mu; the lines of that second
	suppressed int       // guarded by mu; the lines left out since the last line that was written
}

// NewClientLog makes a log of clients' errors. now is the wall clock.
func NewClientLog(logger *slog.Logger, now func() time.Time) *ClientLog {
	return &ClientLog{logger: logger, now: now}
}

// Warn logs one line about a client that came in on a listener, or counts it. clientID is the name that the
// client gave itself, empty where it is not known.
func (l *ClientLog) Warn(client net.Addr, clientID, listener, msg string, err error) {
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
	if clientID != "" {
		args = append(args, "client_id", Printable(clientID))
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.logger.Warn(msg, args...)
}

// maxClientText is how many bytes of a text Printable keeps. The text may quote a
// client, and a client may send any length.
const maxClientText = 300

// Printable cuts a text to maxClientText bytes and replaces the characters that are not
// printable. Every text that a client sent goes through it before it is logged.
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
