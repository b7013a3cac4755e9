package garbage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// maxTicks bounds the CPU time that the broker may take in watched while idle connections
// stay, in the kernel's ticks of 10 ms: a twentieth of one core. One connection that
// spins takes a whole core. The broker may come down to the bound within settling, since
// it first reads what was sent before.
const (
	watched  = 2 * time.Second
	maxTicks = 10
	settling = 30 * time.Second
)

// ticks is the CPU time that the broker has taken since its start.
func (w *world) ticks(t *testing.T) (n int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.broker.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have blanks in it
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		t.Fatalf("/proc/PID/stat: %q", text)
	}
	for _, f := range fields[11:13] { // utime and stime
		var one int64
		if _, err := fmt.Sscan(f, &one); err != nil {
			t.Fatal(err)
		}
		n += one
	}
	return n
}

// TestConnectionsThatStayTakeNoCPU has connections stay in every state in which a
// connection may stay for ever, and looks at the CPU time that the broker takes.
func TestConnectionsThatStayTakeNoCPU(t *testing.T) {
	for _, c := range []struct {
		name  string
		visit func(h *hostile)
	}{
		{"silent", func(*hostile) {}},
		{"half a length", func(h *hostile) { h.send([]byte{0, 0}) }},
		{"half a request", func(h *hostile) { f := frame(h.request(h.rng)); h.send(f[:len(f)-1]) }},
		{"a large request but for its last byte", func(h *hostile) { f := frame(make([]byte, 500_000)); h.send(f[:len(f)-1]) }},
		{"100 MB claimed", func(h *hostile) { h.send(binary.BigEndian.AppendUint32(nil, 100_000_000)) }},
		{"answers that nobody reads", func(h *hostile) {
			r := kmsg.NewPtrApiVersionsRequest()
			r.SetVersion(2)
			h.fillUp(r)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{broker: harness.Start(t, harness.Options{Broker: "klamm"})}
			g := &target{addr: w.broker.Addr, topics: 1}
			for _, a := range servedBy(t, w.broker.Addr) {
				g.apis = append(g.apis, kmsg.ApiVersionsResponseApiKey{ApiKey: a.Key, MinVersion: a.Min, MaxVersion: a.Max})
			}
			var took int64
			watchStaying(t, g, 50, c.visit, func() {
				for end := time.Now().Add(settling); ; {
					before := w.ticks(t)
					time.Sleep(watched) // the broker's CPU time in this interval is what counts
					if took = w.ticks(t) - before; took <= maxTicks || time.Now().After(end) {
						return
					}
				}
			})
			if took > maxTicks {
				t.Errorf("%d ticks (10 ms each) of CPU time in %v", took, watched)
			} else {
				t.Logf("%d ticks (10 ms each) of CPU time in %v", took, watched)
			}
		})
	}
}

// fillUp sends a request again and again until the broker takes no more, and reads no
// answer.
func (h *hostile) fillUp(r kmsg.Request) {
	_ = h.nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	many := bytes.Repeat(frame(kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)[4:]), 1000)
	for {
		_ = h.nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := h.nc.Write(many); err != nil {
			return
		}
	}
}

// watchStaying opens connections, has each visit, and calls watch while all of them stay.
func watchStaying(t *testing.T, g *target, connections int, visit func(h *hostile), watch func()) {
	t.Helper()
	all := make([]*hostile, connections)
	for i := range all {
		h := &hostile{target: g, rng: seeded(uint64(i)), deeds: new(deeds), stop: t.Context()}
		if !h.dial() {
			t.Fatal("the broker takes no connection")
		}
		defer h.close()
		all[i] = h
	}
	done := make(chan struct{})
	for _, h := range all {
		go func() { visit(h); done <- struct{}{} }()
	}
	for range all {
		<-done
	}
	servedBy(t, g.addr) // what came before is read
	watch()
	for i, h := range all {
		if h.nc == nil {
			t.Fatalf("connection %d did not stay", i)
		}
	}
}
