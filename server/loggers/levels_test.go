package loggers

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// logging makes levels and a logger that writes what they let through.
func logging() (*Levels, *slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	l := New()
	return l, slog.New(l.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: Trace, ReplaceAttr: LevelAttr}))), &out
}

func TestLoggersHaveTheLevelOfTheOneAbove(t *testing.T) {
	l, _, _ := logging()
	at := func(want string) {
		t.Helper()
		var got []string
		for _, name := range []string{Root, "cluster", "cluster.replica", "cluster.replica.fetcher", "logstore"} {
			level, _ := l.Level(name)
			got = append(got, Name(level))
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("levels %s, want %s", g, want)
		}
	}
	at("INFO INFO INFO INFO INFO")
	l.Set("cluster", slog.LevelDebug)
	at("INFO DEBUG DEBUG DEBUG INFO")
	l.Set("cluster.replica", slog.LevelError)
	at("INFO DEBUG ERROR ERROR INFO")
	l.Set(Root, Fatal)
	at("FATAL DEBUG ERROR ERROR FATAL")
	l.Unset("cluster")
	at("FATAL FATAL ERROR ERROR FATAL")
	l.Unset("cluster.replica")
	at("FATAL FATAL FATAL FATAL FATAL")
	l.Unset(Root)
	at("FATAL FATAL FATAL FATAL FATAL")
	l.Set("nobody", Trace)
	l.Unset("nobody")
	if _, ok := l.Level("nobody"); ok {
		t.Error("a logger that does not exist has a level")
	}
}

// TestALineNamesItsLoggerOnce: that which stands nearest to the line, wherever it was set.
func TestALineNamesItsLoggerOnce(t *testing.T) {
	l, root, out := logging()
	cluster := root.With(Key, "cluster", "broker_id", 7)
	fetcher := cluster.With("partition", "t-0").With("a", 1, Key, "cluster.replica.fetcher")
	cases := []struct {
		log  *slog.Logger
		want string
	}{
		{root, "level=DEBUG msg=m\n"}, {cluster, "level=DEBUG msg=m broker_id=7 logger=cluster\n"},
		{fetcher, "level=DEBUG msg=m broker_id=7 partition=t-0 a=1 logger=cluster.replica.fetcher\n"},
		{cluster.With(Key, "cluster.nowhere"), "level=DEBUG msg=m broker_id=7 logger=cluster.nowhere\n"},
	}
	for _, c := range cases {
		out.Reset()
		c.log.Debug("m")
		if out.Len() > 0 {
			t.Errorf("at INFO a line at DEBUG is written: %s", out)
		}
	}
	l.Set(Root, slog.LevelDebug)
	for _, c := range cases {
		out.Reset()
		c.log.Debug("m")
		if _, line, _ := strings.Cut(out.String(), " "); line != c.want {
			t.Errorf("%q, want %q", line, c.want)
		}
	}
	l.Set("cluster", slog.LevelInfo)
	for i, c := range cases {
		if enabled := c.log.Enabled(context.Background(), slog.LevelDebug); enabled != (i == 0) {
			t.Errorf("case %d: enabled %v", i, enabled)
		}
	}
}

func TestLevelsHaveTheirNamesInLines(t *testing.T) {
	l, log, out := logging()
	l.Set(Root, Trace)
	for _, level := range levels {
		out.Reset()
		log.Log(context.Background(), level.level, "m")
		if !strings.Contains(out.String(), " level="+level.name+" ") {
			t.Errorf("%s: %s", level.name, out)
		}
		if got, ok := Parse(level.name); !ok || got != level.level {
			t.Errorf("%s is parsed as %v, %v", level.name, got, ok)
		}
	}
	for _, name := range []string{"", "info", "OFF", "ALL", "INFO "} {
		if _, ok := Parse(name); ok {
			t.Errorf("%q counts as a level", name)
		}
	}
	if a, b := Name(Trace-1), Name(Fatal+1); a != "TRACE" || b != "FATAL" {
		t.Errorf("beyond the ends: %s and %s", a, b)
	}
}

func TestEnabledAllocatesNothing(t *testing.T) {
	_, root, _ := logging()
	log := root.With(Key, "server.requests").With("listener", "PLAINTEXT")
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { log.Enabled(ctx, slog.LevelDebug) }); n != 0 {
		t.Errorf("%v allocations to find out that a level is disabled", n)
	}
}

// TestLevelsChangeWhileLinesAreWritten is for the race detector.
func TestLevelsChangeWhileLinesAreWritten(t *testing.T) {
	l, root, _ := logging()
	log := root.With(Key, "cluster")
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for range 200 {
				log.Debug("m")
				l.Set(names[i+1], slog.LevelError)
				l.Unset(names[i+1])
			}
		})
	}
	wait.Wait()
}
