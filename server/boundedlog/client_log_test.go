package boundedlog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// logs write to a buffer and go by a clock of the test's.
func logs(out *bytes.Buffer, now *time.Time) (*ClientLog, *LimitLog) {
	logger, clock := slog.New(slog.NewTextHandler(out, nil)), func() time.Time { return *now }
	return NewClientLog(logger, clock), NewLimitLog(logger, clock, nil)
}

var client = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}

// clean fails if a line of a log has anything in it that a terminal would act on.
func clean(t testing.TB, log string) {
	t.Helper()
	if i := strings.IndexFunc(log, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) && r != unicode.ReplacementChar }); i >= 0 {
		t.Fatalf("byte %d of the log is raw: %q", i, log)
	}
	if !utf8.ValidString(log) {
		t.Fatalf("the log is no text: %q", log)
	}
}

// Whatever a client made an error say, it is one line of a bounded length with
// nothing raw in it.
func FuzzClientLog(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nlevel=ERROR msg=forged", "\x1b[2J\x1b]0;title\a", "\u202egnp.exe", "\xff\xfe", "\u0085\u2028\u2029",
		strings.Repeat("ä", 1000), strings.Repeat("\x00", 5000), `" error="other`} {
		f.Add(s)
	}
	var out bytes.Buffer
	now := time.Unix(1, 0)
	clients, limits := logs(&out, &now)
	f.Fuzz(func(t *testing.T, text string) {
		out.Reset()
		now = now.Add(time.Hour)
		clients.Warn(client, text, "PLAINTEXT", "a request was refused", fmt.Errorf("Produce v3: %w", errors.New(text)))
		limits.Hit("max.message.bytes", "refused", "topic", Printable(text))
		clean(t, out.String())
		if n := strings.Count(out.String(), "\n"); n != 2 || out.Len() > 3*(4*maxClientText+300) {
			t.Fatalf("%d lines of %d bytes: %q", n, out.Len(), out.String())
		}
	})
}

// A client that errs a million times in a minute costs the disk little.
func TestAMillionErrorsFillNoDisk(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_000_000_000, 0)
	clients, limits := logs(&out, &now)
	const errs, took = 1_000_000, time.Minute
	err := errors.New(strings.Repeat("\x1b[31m", 10_000))
	for range errs {
		now = now.Add(took / errs)
		clients.Warn(client, "local", "PLAINTEXT", "a request was refused, closing the connection", err)
		limits.Hit("max.connections", "a connection waits to be accepted")
	}
	lines := strings.Count(out.String(), "\n")
	if most := clientLogBurst*(int(took/time.Second)+1) + 2; lines > most || out.Len() > most*1500 {
		t.Errorf("%d errors made %d lines of %d bytes", errs, lines, out.Len())
	}
	if !strings.Contains(out.String(), "suppressed=") {
		t.Error("nothing says that lines were left out")
	}
	clean(t, out.String())
}

// Each limit is told once a minute, with how often it held a client back since.
func TestLimitsAreLoggedOnceAMinute(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_000_000_000, 0)
	_, limits := logs(&out, &now)
	for range 5 {
		limits.Hit("max.message.bytes", "a batch was refused")
		limits.Hit("max.connections", "a connection waits")
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines of two limits:\n%s", n, out.String())
	}
	now = now.Add(limitLogEvery)
	limits.Hit("max.message.bytes", "again")
	if !strings.Contains(out.String(), "suppressed=4") {
		t.Errorf("what was not told is not counted:\n%s", out.String())
	}
}
