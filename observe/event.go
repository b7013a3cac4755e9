package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Event is something rare that a person who runs the broker wants to know. The log has a line of it, metrics count it by kind and reason, and
// the page shows the newest.
type Event interface {
	// Kind is a short name of the type, for metrics.
	Kind() string
	// Reason is why it happened, one of a few for each kind, or "".
	Reason() string
	// Line is the event in the log: the level, the message and the attributes.
	Line() (level slog.Level, message string, attrs []any)
}

// Told is an event and when it happened.
type Told struct {
	At time.Time
	Event
}

// EventCount is how often events of a kind happened for a reason.
type EventCount struct {
	Kind, Reason string
	Count        int64
}

const (
	// keptEvents is how many of the newest events are kept.
	keptEvents = 500
	// maxEventCounts bounds the kinds and reasons that are told apart. There are fewer in the code.
	maxEventCounts = 200
)

// events are the newest events, and counts of all.
type events struct {
	mu     sync.Mutex
	kept   []Told              // guarded by mu; a ring
	next   int                 // guarded by mu; where the next one goes
	counts map[[2]string]int64 // guarded by mu; by kind and reason
}

// Tell writes an event to the log, and hands it to the observer. A nil Observer leaves it at the log.
func (o *Observer) Tell(logger *slog.Logger, e Event) {
	level, message, attrs := e.Line()
	logger.Log(context.Background(), level, message, attrs...)
	if o == nil {
		return
	}
	told := Told{At: o.now(), Event: e}
	o.events.mu.Lock()
	defer o.events.mu.Unlock()
	if len(o.events.kept) < keptEvents {
		o.events.kept = append(o.events.kept, told)
	} else {
		o.events.kept[o.events.next] = told
		o.events.next = (o.events.next + 1) % keptEvents
	}
	o.events.countLocked(e)
}

// Note counts an event of which neither the log nor the page shows another one.
func (o *Observer) Note(e Event) {
	if o == nil {
		return
	}
	o.events.mu.Lock()
	defer o.events.mu.Unlock()
	o.events.countLocked(e)
}

func (es *events) countLocked(e Event) {
	if es.counts == nil {
		es.counts = map[[2]string]int64{}
	}
	key := [2]string{e.Kind(), e.Reason()}
	if _, known := es.counts[key]; known || len(es.counts) < maxEventCounts {
		es.counts[key]++
	}
}

// Newest gives the newest events, at most so many, the newest first.
func (o *Observer) Newest(most int) (list []Told) {
	if o == nil {
		return nil
	}
	o.events.mu.Lock()
	defer o.events.mu.Unlock()
	n := len(o.events.kept)
	for i := range min(most, n) {
		list = append(list, o.events.kept[(o.events.next+n-1-i+n)%n])
	}
	return list
}

// EventCounts gives how often events happened, in no order.
func (o *Observer) EventCounts() (list []EventCount) {
	if o == nil {
		return nil
	}
	o.events.mu.Lock()
	defer o.events.mu.Unlock()
	for key, n := range o.events.counts {
		list = append(list, EventCount{Kind: key[0], Reason: key[1], Count: n})
	}
	return list
}
