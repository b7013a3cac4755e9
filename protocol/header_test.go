package protocol

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTableIsKmsgsTable(t *testing.T) {
	last := int16(-1)
	for _, a := range APIs() {
		if a.Key <= last {
			t.Errorf("%s is out of order", a.Name)
		}
		last = a.Key
		if got, ok := Lookup(a.Key); !ok || *got != a {
			t.Errorf("Lookup(%d) gives %v", a.Key, got)
		}
		r := kmsg.RequestForKey(a.Key)
		if r.MaxVersion() < a.Max {
			t.Errorf("kmsg speaks %s up to %d, the table has %d", a.Name, r.MaxVersion(), a.Max)
		}
		for v := a.Min; v <= a.Max; v++ {
			r.SetVersion(v)
			if r.IsFlexible() != a.IsFlexible(v) {
				t.Errorf("%s %d: flexible is %v in kmsg", a.Name, v, r.IsFlexible())
			}
		}
	}
	for _, key := range []int16{-1, -1 << 15, 52, 127, 128, 1<<15 - 1} {
		if _, ok := Lookup(key); ok {
			t.Errorf("key %d is in the table", key)
		}
	}
}

func TestRequestHeaderEveryVersion(t *testing.T) {
	for _, a := range APIs() {
		for v := a.Min; v <= a.Max; v++ {
			r := kmsg.RequestForKey(a.Key)
			r.SetVersion(v)
			frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("me")).AppendRequest(nil, r, 42)[4:]
			anonymous := a.Key == KeyControlledShutdown && v == 0
			if anonymous {
				frame = r.AppendTo(frame) // kmsg leaves the body out
			}
			h, at, err := ParseRequestHeader(frame)
			if err != nil || h.Key != a.Key || h.Version != v || h.CorrelationID != 42 || (h.ClientID == nil) != anonymous || !anonymous && *h.ClientID != "me" {
				t.Fatalf("%s %d: %+v, %v", a.Name, v, h, err)
			}
			if body := r.AppendTo(nil); !bytes.Equal(frame[at:], body) {
				t.Fatalf("%s %d: body at %d of %d, %d bytes long", a.Name, v, at, len(frame), len(body))
			}
			for cut := range at {
				if _, _, err := ParseRequestHeader(frame[:cut]); err == nil {
					t.Fatalf("%s %d: read from %d bytes", a.Name, v, cut)
				}
			}
		}
	}
}

func TestRequestHeaderTagsAndNulls(t *testing.T) {
	frame := []byte("\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff" + "\x02\x00\x01x\x09\x03abc" + "body")
	h, at, err := ParseRequestHeader(frame)
	if err != nil || h.ClientID != nil || string(frame[at:]) != "body" {
		t.Fatal(h, at, err)
	}
	var unknown *UnknownAPIError
	if h, _, err := ParseRequestHeader([]byte("\x01\x03\x00\x0c\x00\x00\x00\x01")); !errors.As(err, &unknown) || h.CorrelationID != 1 {
		t.Fatal(h, err)
	}
}

func TestReadFrame(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 40_000)
	in := "\x00\x00\x00\x05hello" + "\x00\x00\x00\x00" + "\x00\x09\xc4\x00" + big + "\x00\x00\x00\x09cut"
	r := bufio.NewReader(strings.NewReader(in))
	for _, want := range []string{"hello", "", big} {
		b, err := ReadFrame(r, 1<<20)
		if err != nil || string(b.B) != want {
			t.Fatalf("%d bytes, %v, want %d", len(b.B), err, len(want))
		}
		b.Release()
	}
	if _, err := ReadFrame(r, 1<<20); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	for in, want := range map[string]error{"": io.EOF, "\x00\x00": io.ErrUnexpectedEOF, "\x00\x00\x00\x01": io.ErrUnexpectedEOF} {
		if _, err := ReadFrame(bufio.NewReader(strings.NewReader(in)), 1<<20); err != want {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
	var size *FrameSizeError
	for _, in := range []string{"\xff\xff\xff\xff", "\x00\x10\x00\x01"} {
		if _, err := ReadFrame(bufio.NewReader(strings.NewReader(in)), 1<<20); !errors.As(err, &size) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// A client that announces much and sends little costs what it sends.
func TestReadFrameBelievesBytesOnly(t *testing.T) {
	in := "\x06\x00\x00\x00" + strings.Repeat("x", 100_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if _, err := ReadFrame(bufio.NewReader(strings.NewReader(in)), 1<<30); err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 10*500_000 {
		t.Fatalf("ten times 100 KB of an announced 100 MB cost %d bytes", got)
	}
}

// A frame that is there already is read at once, into the buffer that it stays in.
func TestReadFrameTakesWhatHasArrived(t *testing.T) {
	const size = 100_000
	wire := &countedReads{left: size}
	r := bufio.NewReaderSize(wire, 8<<10)
	b, err := ReadFrameBody(r, size, func(int) int { return wire.left })
	if err != nil || len(b.B) != size || wire.reads != 2 {
		t.Fatalf("%d bytes, %v, in %d reads", len(b.B), err, wire.reads)
	}
	b.Release()
	wire = &countedReads{left: size}
	r.Reset(wire)
	b, err = ReadFrameBody(r, 1<<30, func(int) int { return min(wire.left, 50_000) })
	if err != io.ErrUnexpectedEOF || b != nil {
		t.Fatalf("%d bytes of more, %v", size, err)
	}
}

// countedReads is a connection that has so many bytes left to read.
type countedReads struct{ left, reads int }

func (c *countedReads) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), c.left)
	c.left -= n
	c.reads++
	return n, nil
}

func TestBufferIsKeptUntilTheLastRelease(t *testing.T) {
	b := NewBuffer(1000)
	b.B = append(b.B, "held"...)
	b.Retain()
	b.Release()
	for range 100 {
		o := NewBuffer(1000)
		o.B = append(o.B, "other"...)
		if string(b.B) != "held" {
			t.Fatal("the bytes were given to another user")
		}
	}
	b.Release()
}

// Buffers for large requests are kept for the next ones, but not all that a
// burst of them took.
func TestLargeBuffersAreKeptWithinABound(t *testing.T) {
	var all []*Buffer
	for range 3 {
		for c := minShelf; c <= maxClass+1; c++ {
			for range 3 {
				all = append(all, NewBuffer(1<<c))
			}
		}
	}
	for _, b := range all {
		b.Release()
	}
	kept := 0
	for c, free := range large.free {
		kept += len(free) << c
	}
	if kept != large.bytes || kept > shelfBytes || kept < shelfBytes/2 {
		t.Errorf("%d bytes are kept, %d are counted, %d may be", kept, large.bytes, shelfBytes)
	}
	b := NewBuffer(1 << minShelf)
	room := &b.B[:1][0]
	b.Release()
	if b = NewBuffer(1 << minShelf); &b.B[:1][0] != room {
		t.Error("a buffer is not used again")
	}
	b.Release()
}
