package groupcoord

import (
	"context"
	"log/slog"
	"strings"

	"klamm/observe"
)

// effects are the consequences of an event: the records to write, then the answers to requests.
type effects struct {
	nowMs   int64    // the time, as it stands in records
	tickMs  int64    // the time for timers, which no clock that is set changes; above 0
	answers []func() // called when the group is unlocked
	writes  []write  // appended, in order, before the group is unlocked
	pays    bool     // the writes pay the tombstones that the group owes
	logs    []logLine
	events  []observe.Event
}

// logLine is a line for the broker's log.
type logLine struct {
	warns   bool
	message string
	args    []any
}

// write is some records that a group wants written to its partition.
type write struct {
	records []record
	// pending is called when the records are in the log and not committed yet. It may be nil.
	pending func()
	// done is called when the records are committed, with the offset of the first, or when they cannot be. It adds its consequences to
	// the effects. It may be nil: then a failure is only logged.
	done func(base int64, err error, out *effects)
	// part is set for records that do not depend on each other, as tombstones: they are written in several batches where one would be
	// too large. It is called after each batch with the number of its records, or once with an error when the rest is not written. It
	// does not wait until a batch is committed. With part, pending and done are nil.
	part func(n int, err error, out *effects)
	// committed is called for each of these batches when it is committed or cannot be, on any goroutine. It may be nil.
	committed func(error)
}

// record is a record of __consumer_offsets. One with a nil value is a tombstone.
type record struct{ key, value []byte }

func (out *effects) answerJoin(to func(JoinAnswer), a JoinAnswer) {
	out.answers = append(out.answers, func() { to(a) })
}

func (out *effects) answerSync(to func(SyncAnswer), a SyncAnswer) {
	out.answers = append(out.answers, func() { to(a) })
}

func (l *logLine) write(to *slog.Logger) {
	level := slog.LevelInfo
	if l.warns {
		level = slog.LevelWarn
	}
	to.Log(context.Background(), level, l.message, l.args...)
}

// shorten cuts a name that a client chose to what a line of the log has room for.
func shorten(name string) string {
	const most = 200
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "..."
}
