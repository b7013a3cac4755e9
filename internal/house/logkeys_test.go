package house

import (
	"os"
	"regexp"
	"testing"

	"klamm/server/loggers"
)

// TestLogLines holds the log to its table of keys, and the table to the log.
func TestLogLines(t *testing.T) {
	page, err := os.ReadFile("../../" + keysPage)
	if err != nil {
		t.Fatal(err)
	}
	files, err := sources(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	keys, used := logKeys(string(page)), map[string]bool{}
	for _, problem := range lines(files, keys, used) {
		t.Error(problem)
	}
	for _, key := range keys {
		if !used[key] && key != "time" && key != "level" && key != "msg" && key != "logger" {
			t.Errorf("%s: no line has the key %q; take it out", keysPage, key)
		}
	}
}

// named finds the loggers that rooms take.
var named = regexp.MustCompile(`With\((?:"logger"|loggers\.Key), "([^"]*)"`)

// TestEachLoggerIsTaken: no logger in the list is without a room, and no room takes one that is not in the list.
func TestEachLoggerIsTaken(t *testing.T) {
	files, err := sources(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{loggers.Root: true}
	for _, f := range files {
		if f.test() || outer(f.dir()) == "internal" {
			continue
		}
		for _, m := range named.FindAllStringSubmatch(f.text, -1) {
			taken[m[1]] = true
			if !loggers.Exists(m[1]) {
				t.Errorf("%s: there is no logger %q; add it to server/loggers/names.go and to %s", f.path, m[1], keysPage)
			}
		}
	}
	for _, name := range loggers.Names() {
		if !taken[name] {
			t.Errorf("no room takes the logger %q", name)
		}
	}
}

// TestLinesFindsABadSnippet shows the rule what it has to find and what it has to leave alone.
func TestLinesFindsABadSnippet(t *testing.T) {
	for _, c := range []struct {
		call string
		bad  bool
	}{
		{`s.logger.Info("m", "topic", t)`, false}, {`s.logger.Info("m", "t", t)`, true}, {`s.logger.Info("m "+t, "topic", t)`, true},
		{`s.logger.Info("m "+"n", "topic", "t", "error", err)`, false}, {`s.logger.Info("m", "topic", t, "err", err)`, true},
		{`s.o.Logger.With("topic", t).Warn("m", "t", t)`, true}, {`s.log.Log(ctx, level, "m", "t", t)`, true}, {`s.log.Log(ctx, level, msg, "topic", t)`, false},
		{`s.limits.Hit("x", "m", "t", t)`, true}, {`attrs = append(attrs, "t", t)`, true}, {`attrs = append(attrs, "topic", t)`, false},
		{`of := []any{"t", t}; s.log.Info("m", of...)`, true}, {`s.log.Info("m", slog.Any("t", t))`, true}, {`s.log.Info("m", slog.Any("error", t))`, false},
		{`s.name.Info("m "+t, "t", t)`, false}, {`d.log(level, "m", "t", t)`, true}, {`s.clientLog.Warn(addr, id, l, msg, err)`, false},
	} {
		files := source(t, "cluster/controller/a.go", "package controller; import \"log/slog\"; func f() { "+c.call+"; _ = slog.Any }")
		if found := lines(files, []string{"topic", "error"}, nil); c.bad != (len(found) > 0) {
			t.Errorf("%s: %v", c.call, found)
		}
	}
}
