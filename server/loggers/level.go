package loggers

import (
	"log/slog"
	"slices"
	"strings"
)

// The levels that log/slog does not have.
const (
	Trace = slog.LevelDebug - 4
	Fatal = slog.LevelError + 4
)

// levels has the levels by their names in Apache Kafka (LogLevelConfig), the least important first.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"TRACE", Trace}, {"DEBUG", slog.LevelDebug}, {"INFO", slog.LevelInfo}, {"WARN", slog.LevelWarn}, {"ERROR", slog.LevelError}, {"FATAL", Fatal},
}

// Parse finds a level by its name, in capitals. ok is false for every other name.
func Parse(name string) (level slog.Level, ok bool) {
	for _, l := range levels {
		if l.name == name {
			return l.level, true
		}
	}
	return 0, false
}

// Name gives a level's name: that of the most important level which is not above it.
func Name(level slog.Level) string {
	at := slices.IndexFunc(levels, func(l struct {
		name  string
		level slog.Level
	}) bool {
		return l.level > level
	})
	switch at {
	case -1:
		return levels[len(levels)-1].name
	case 0:
		return levels[0].name
	}
	return levels[at-1].name
}

// LevelNames lists the names of all levels, separated by commas.
func LevelNames() string {
	var all []string
	for _, l := range levels {
		all = append(all, l.name)
	}
	return strings.Join(all, ", ")
}

// LevelAttr is a slog.HandlerOptions.ReplaceAttr that writes levels by their names here, as TRACE in place of DEBUG-4.
func LevelAttr(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && len(groups) == 0 {
		a.Value = slog.StringValue(Name(level))
	}
	return a
}
