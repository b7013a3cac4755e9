package observe

import (
	"context"
	"log/slog"
	"sync"
)

// Event is something rare that a person who runs the broker wants to know. The log has a line of it, and metrics count it by kind and reason.
type Event interface {
	// Kind is a short name of the type, for metrics.
	Kind() string
	// Reason is why it happened, one of a few for each kind, or "".
	Reason() string
	// Line is the event in the log: the level, the message and the attributes.
	Line() (level slog.Level, message string, attrs []any)
}

// EventCount is how often events of a kind happened for a reason.
type EventCount struct {
	Kind, Reason string
	Count        int64
}

// maxEventCounts bounds the kinds and reasons that are told apart. There are fewer in the code.
const maxEventCounts = 200

// events are the counts of events.
type events struct {
	mu     sync.Mutex
	counts map[[2]string]int64 // guarded by mu; by kind and reason
}

// Tell writes an event to the log, and counts it. A nil Observer leaves it at the log.
func (o *Observer) Tell(logger *slog.Logger, e Event) {
	level, message, attrs := e.Line()
	logger.Log(context.Background(), level, message, attrs...)
	o.Note(e)
}

// Note counts an event of which the log has no line of its own.
func (o *Observer) Note(e Event) {
	if o == nil {
		return
	}
	o.events.mu.Lock()
	defer o.events.mu.Unlock()
	if o.events.counts == nil {
		o.events.counts = map[[2]string]int64{}
	}
	key := [2]string{e.Kind(), e.Reason()}
	if _, known := o.events.counts[key]; known || len(o.events.counts) < maxEventCounts {
		o.events.counts[key]++
	}
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
