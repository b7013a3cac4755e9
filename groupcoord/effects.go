package groupcoord

import (
	"context"
	"log/slog"
	"strings"
)

// effects gathers what comes of an event: who is answered what, and what is written before.
type effects struct {
	nowMs   int64    // the time, as it stands in records
	tickMs  int64    // the time for timers, which no clock that is set changes; above 0
	answers []func() // called when the group is unlocked
	writes  []write  // appended, in order, before it is
	logs    []logLine
}

// logLine is a line for the broker's log.
type logLine struct {
	warns   bool
	message string
	args    []any
}

// write is records that a group wants in its partition.
type write struct {
	records []record
	// pending is called when the records are in the log and not committed yet; nil for nothing.
	pending func()
	// done is told when they are committed, with the offset of the first, or why they are not. What comes of
	// that goes to the effects. nil for nothing: then nobody waits for it.
	done func(base int64, err error, out *effects)
}

// record is a record of __consumer_offsets. A nil value removes what the key stands for.
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
