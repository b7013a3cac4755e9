package server

import (
	"strings"
	"sync"
	"time"
	"unicode"
)

// clientLogBurst is how many lines about clients' errors are written in a
// second at most. The rest are counted and reported with the next line, so that
// a client that errs a million times fills no disk.
const clientLogBurst = 10

// clientLog writes what clients did wrong, at a bounded rate. The zero value is
// ready.
type clientLog struct {
	mu         sync.Mutex
	second     time.Time // guarded by mu; the second that written counts in
	written    int       // guarded by mu
	suppressed int       // guarded by mu; lines not written since the last one
}

// warn logs one line about the connection's client, or counts it.
func (l *clientLog) warn(c *conn, msg string, err error) {
	now := c.server.now()
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
	args := []any{"client", c.nc.RemoteAddr().String(), "listener", c.listener.Name, "error", printable(err.Error())}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	c.server.logger.Warn(msg, args...)
}

// maxClientText is the most of an error's text that is logged: it may quote
// what a client sent.
const maxClientText = 300

// printable cuts a text and replaces what is not printable in it.
func printable(s string) string {
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
