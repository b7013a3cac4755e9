package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"

	"klamm/cmd/cli/printable"
	"klamm/server/config"
	"klamm/server/loggers"
)

// logging is the log of the process. It is text until a configuration asks for JSON: the process logs before it has read one.
type logging struct {
	json   atomic.Bool
	levels *loggers.Levels
	all    *slog.Logger // for a broker, which holds its lines to levels itself
	own    *slog.Logger // for the process' own lines, held to the level of the logger klamm
}

// newLogging makes a log that writes to out.
func newLogging(out func(l *logging) io.Writer) *logging {
	l := &logging{levels: loggers.New()}
	handler := l.handler(out(l))
	l.all = slog.New(handler)
	l.own = slog.New(l.levels.Handler(handler)).With(loggers.Key, "klamm")
	return l
}

// configure takes the format and the levels from a configuration.
func (l *logging) configure(cfg *config.Broker) {
	l.json.Store(cfg.LogAsJSON())
	cfg.SetLogLevels(l.levels)
}

// handler makes a handler that writes everything to out, as text or JSON.
func (l *logging) handler(out io.Writer) slog.Handler {
	o := &slog.HandlerOptions{Level: loggers.Trace, ReplaceAttr: loggers.LevelAttr}
	return &formatHandler{json: &l.json, asText: slog.NewTextHandler(out, o), asJSON: slog.NewJSONHandler(out, o)}
}

// dropped gives a line that reports how many lines of the log were dropped.
func (l *logging) dropped(lines int) []byte {
	var line bytes.Buffer
	slog.New(l.handler(&line)).Warn("lines of this log were dropped: their reader was gone or too slow, or there was no room for them", "lines", lines)
	return line.Bytes()
}

// end writes the error that ends the process, a line for each of its lines.
func (l *logging) end(out io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if l.json.Load() {
			l.all.With(loggers.Key, "klamm").Error("the process ends", "error", line)
		} else {
			fmt.Fprintln(out, "klamm: "+printable.Text(line))
		}
	}
}

// formatHandler is a slog.Handler that writes text or JSON.
type formatHandler struct {
	json           *atomic.Bool
	asText, asJSON slog.Handler
}

// of gives the handler of the format that counts now.
func (h *formatHandler) of() slog.Handler {
	if h.json.Load() {
		return h.asJSON
	}
	return h.asText
}

// Enabled implements slog.Handler.
func (h *formatHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.of().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *formatHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.of().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *formatHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &formatHandler{h.json, h.asText.WithAttrs(attrs), h.asJSON.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *formatHandler) WithGroup(name string) slog.Handler {
	return &formatHandler{h.json, h.asText.WithGroup(name), h.asJSON.WithGroup(name)}
}
