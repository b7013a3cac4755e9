package loggers

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// Levels are the levels of one broker's loggers. Many goroutines may use it.
type Levels struct {
	loggers map[string]*logger // fixed when it is made

	mu sync.Mutex // held by Set and Unset
}

// logger is one logger.
type logger struct {
	parent *logger      // nil for Root
	level  atomic.Int64 // what its lines are held to
	own    bool         // guarded by Levels.mu; whether the level is its own or its parent's
}

// New makes levels: Root has INFO, and no other logger has one of its own.
func New() *Levels {
	l := &Levels{loggers: make(map[string]*logger, len(names))}
	root := &logger{own: true}
	root.level.Store(int64(slog.LevelInfo))
	l.loggers[Root] = root
	for _, name := range Names() { // sorted, so that the one above comes first
		if name != Root {
			l.loggers[name] = &logger{parent: l.nearest(above(name))}
			l.loggers[name].level.Store(int64(slog.LevelInfo))
		}
	}
	return l
}

// above gives the name without its last part, Root for one that has only one.
func above(name string) string {
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		return name[:at]
	}
	return Root
}

// nearest finds a logger by its name, or else the nearest one above it.
func (l *Levels) nearest(name string) *logger {
	for {
		if found := l.loggers[name]; found != nil {
			return found
		}
		name = above(name)
	}
}

// Level gives the level that a logger has, its own or that of the one above it. ok is false if there is no such logger.
func (l *Levels) Level(name string) (level slog.Level, ok bool) {
	found := l.loggers[name]
	if found == nil {
		return 0, false
	}
	return slog.Level(found.level.Load()), true
}

// Set gives a logger a level of its own. It changes nothing if there is no such logger.
func (l *Levels) Set(name string, level slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.loggers[name]; found != nil {
		found.own = true
		found.level.Store(int64(level))
		l.inheritLocked()
	}
}

// Unset removes a logger's own level, so that it has the level of the one above it. Root keeps its level.
func (l *Levels) Unset(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.loggers[name]; found != nil && found.parent != nil {
		found.own = false
		l.inheritLocked()
	}
}

// inheritLocked gives every logger without a level of its own the level of the one above it.
func (l *Levels) inheritLocked() {
	for _, name := range Names() { // the one above comes first
		if found := l.loggers[name]; !found.own {
			found.level.Store(found.parent.level.Load())
		}
	}
}

// Handler makes a handler that passes those lines on to next that the level of their logger allows. Lines without the
// attribute Key are Root's.
func (l *Levels) Handler(next slog.Handler) slog.Handler {
	return &handler{levels: l, logger: l.loggers[Root], next: next, named: next}
}

// handler is the handler of one logger.
type handler struct {
	levels *Levels
	logger *logger
	next   slog.Handler // without the attribute Key
	named  slog.Handler // with it
	group  bool         // within a group Key is an attribute like any other
}

// Enabled implements slog.Handler. It allocates nothing: it is called for each request.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return int64(level) >= h.logger.level.Load() && h.named.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error { return h.named.Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	to := *h
	rest := make([]slog.Attr, 0, len(attrs))
	var name slog.Attr
	for _, a := range attrs {
		if a.Key == Key && !h.group {
			name = a
		} else {
			rest = append(rest, a)
		}
	}
	if name.Key == "" {
		to.next, to.named = h.next.WithAttrs(rest), h.named.WithAttrs(rest)
		return &to
	}
	to.logger = h.levels.nearest(name.Value.String())
	if len(rest) > 0 {
		to.next = h.next.WithAttrs(rest)
	}
	to.named = to.next.WithAttrs([]slog.Attr{name})
	return &to
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	to := *h
	to.next, to.named, to.group = h.next.WithGroup(name), h.named.WithGroup(name), true
	return &to
}
