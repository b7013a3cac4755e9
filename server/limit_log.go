package server

import (
	"sync"
	"time"
)

// limitLogEvery is how often a line is written about one limit at most.
const limitLogEvery = time.Minute

// limitLog tells the operator that a limit holds clients back: at once, and then
// once a minute with how often it was since. The zero value is ready.
type limitLog struct {
	mu   sync.Mutex
	bits map[string]*limitBites // guarded by mu; by the limit's name
}

type limitBites struct {
	logged time.Time // the last line
	since  int       // bites without a line
}

// bite counts that a limit, named as its property is, made itself felt, and logs
// that with msg and args if it is time to. Nothing in args is a client's text.
func (l *limitLog) bite(s *Server, limit, msg string, args ...any) {
	now := s.now()
	l.mu.Lock()
	b := l.bits[limit]
	if b == nil {
		b = new(limitBites)
		if l.bits == nil {
			l.bits = make(map[string]*limitBites)
		}
		l.bits[limit] = b
	}
	if passed := now.Sub(b.logged); passed >= 0 && passed < limitLogEvery {
		b.since++
		l.mu.Unlock()
		return
	}
	since := b.since
	b.logged, b.since = now, 0
	l.mu.Unlock()
	args = append([]any{"limit", limit}, args...)
	if since > 0 {
		args = append(args, "suppressed", since)
	}
	s.logger.Warn(msg, args...)
}
