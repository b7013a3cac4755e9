package boundedlog

import (
	"log/slog"
	"sync"
	"time"

	"klamm/observe"
)

// limitLogEvery is the least time between two lines about the same limit.
const limitLogEvery = time.Minute

// LimitLog tells the operator that a limit holds clients back. It writes the first line
// at once, and later lines once a minute at most, each with the number of hits since the
// line before.
type LimitLog struct {
	logger *slog.Logger
	now    func() time.Time
	events *observe.Observer // gets an event for each line; nil: nobody observes

	mu     sync.Mutex
	limits map[string]*limitHits // guarded by mu; by the limit's name
}

type limitHits struct {
	logged time.Time // when the last line was written
	since  int       // the hits since then
}

// NewLimitLog makes a log of the limits that hold clients back. now is the wall clock, and events may be
// nil.
func NewLimitLog(logger *slog.Logger, now func() time.Time, events *observe.Observer) *LimitLog {
	return &LimitLog{logger: logger, now: now, events: events, limits: make(map[string]*limitHits)}
}

// Hit counts that a limit held a client back, and logs msg and args unless it logged a
// line about this limit less than limitLogEvery ago. limit is the name of the limit's
// property, or of the process's resource. A client's text must go through Printable before it is put into args.
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
		l.events.Note(observe.LimitReached{Limit: limit})
		return
	}
	since := b.since
	b.logged, b.since = now, 0
	l.mu.Unlock()
	args = append([]any{"limit", limit}, args...)
	if since > 0 {
		args = append(args, "suppressed", since)
	}
	l.events.Tell(l.logger, observe.LimitReached{Limit: limit, Message: msg, Attrs: args})
}
