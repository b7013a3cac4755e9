package boundedlog

import (
	"log/slog"
	"sync"
	"time"
)

// limitLogEvery is how often a line is written about one limit at most.
const limitLogEvery = time.Minute

// LimitLog tells the operator that a limit holds clients back: at once, and then
// once a minute with how often it was since.
type LimitLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	limits map[string]*limitHits // guarded by mu; by the limit's name
}

type limitHits struct {
	logged time.Time // the last line
	since  int       // hits without a line
}

// NewLimitLog makes a log of the limits that hold clients back. now is the wall clock.
func NewLimitLog(logger *slog.Logger, now func() time.Time) *LimitLog {
	return &LimitLog{logger: logger, now: now, limits: make(map[string]*limitHits)}
}

// Hit counts that a limit, named as its property is, held a client back, and logs
// that with msg and args if it is time to. Nothing in args is a client's text.
func (l *LimitLog) Hit(limit, msg string, args ...any) {
	now := l.now()
	l.mu.Lock()
	b := l.limits[limit]
	if b == nil {
		b = new(limitHits)
		l.limits[limit] = b
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
	l.logger.Warn(msg, args...)
}
