package server

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

	"github.com/twmb/franz-go/pkg/kmsg"
)

// logging is the one connection of a server that writes its log to a buffer and goes by a clock of the
// test's.
func logging(t testing.TB, out *bytes.Buffer, now *time.Time) *conn {
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	s := &Server{logger: slog.New(slog.NewTextHandler(out, nil)), now: func() time.Time { return *now }}
	return newConn(s, &Listener{Name: "PLAINTEXT"}, near)
}

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
	c := logging(f, &out, &now)
	f.Fuzz(func(t *testing.T, text string) {
		out.Reset()
		now = now.Add(time.Hour)
		c.server.clientLog.warn(c, "a request was refused", &RequestError{API: "Produce", Version: 3, Err: errors.New(text)})
		c.server.limits.bite(c.server, "max.message.bytes", "refused", "topic", printable(text))
		clean(t, out.String())
		if n := strings.Count(out.String(), "\n"); n != 2 || out.Len() > 2*(4*maxClientText+300) {
			t.Fatalf("%d lines of %d bytes: %q", n, out.Len(), out.String())
		}
	})
}

// A client that errs a million times in a minute costs the disk little.
func TestAMillionErrorsFillNoDisk(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_000_000_000, 0)
	c := logging(t, &out, &now)
	const errs, took = 1_000_000, time.Minute
	err := errors.New(strings.Repeat("\x1b[31m", 10_000))
	for range errs {
		now = now.Add(took / errs)
		c.server.clientLog.warn(c, "a request was refused, closing the connection", err)
		c.server.limits.bite(c.server, "max.connections", "a connection waits to be accepted")
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

// Names off the wire, of clients and of topics, are not printed as they come.
func TestNamesOffTheWireAreNotPrintedRaw(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	odd := "\x1b[31m\nlevel=ERROR msg=\u202eforged"
	for name, ask := range map[string]func(c *client){
		"a topic, without acks": func(c *client) { c.write(c.frame(produce(odd, 0, 0, batchOf(t, 10)))) },
		"a property": func(c *client) {
			r := kmsg.NewPtrIncrementalAlterConfigsRequest()
			one := kmsg.NewIncrementalAlterConfigsRequestResource()
			one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeBroker, "0"
			set := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			set.Name, set.Value = odd, kmsg.StringPtr(strings.Repeat(odd, 1000))
			one.Configs = append(one.Configs, set)
			r.Resources = append(r.Resources, one)
			c.ask(r)
			c.write([]byte{0xff, 0xff, 0xff, 0xff})
		},
		"a client": func(c *client) {
			body := fmt.Appendf(nil, "\x00\x03\x00\x63\x00\x00\x00\x01\x00%c%s", len(odd), odd)
			c.write(append([]byte{0, 0, 0, byte(len(body))}, body...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialTo(t, b.addr())
			ask(c)
			c.closed()
		})
	}
	log := b.log.String()
	clean(t, log)
	if strings.Contains(log, "[31m\n") || strings.Count(log, "\n") > 6 || len(log) > 4000 {
		t.Errorf("the log:\n%s", log)
	}
}
