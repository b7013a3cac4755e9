package harness

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fault is what the proxy does to a request.
type Fault int

// The faults that a [Faults] makes.
const (
	Pass        Fault = iota
	DropRequest       // the broker never gets the request, and the connection is cut
	DropAnswer        // the broker executes the request, and the connection is cut in place of the answer
	Delay             // the request comes late
	Cut               // the connection is cut amid the request
	faultKinds
)

var faultNames = [...]string{"passed", "requests dropped", "answers dropped", "delayed", "cut"}

// Faults is a proxy in front of a broker that does to single requests what networks do.
type Faults struct {
	// Addr is where the proxy listens: a port for each broker, with commas between them.
	Addr string

	on     listeners
	decide func(api int16) (Fault, time.Duration)

	mu     sync.Mutex
	counts [faultKinds]int   // guarded by mu
	links  map[net.Conn]bool // guarded by mu; nil once it is closed
}

// NewFaults starts a proxy in front of addr; it ends with the test. decide gets the key of a request's API, and says
// what the proxy does to the request and how long it delays it. Several goroutines may call decide at once.
func NewFaults(t testing.TB, addr string, decide func(api int16) (Fault, time.Duration)) *Faults {
	t.Helper()
	on, err := listenFor(loopback, addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &Faults{Addr: on.addr(), on: on, decide: decide, links: map[net.Conn]bool{}}
	for _, p := range on {
		go f.serve(p)
	}
	t.Cleanup(func() {
		on.close()
		f.mu.Lock()
		defer f.mu.Unlock()
		for c := range f.links {
			c.Close()
		}
		f.links = nil
	})
	return f
}

// Dial connects to a broker's port of the proxy: the addresses in Metadata are the broker's own.
func (f *Faults) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return f.on.dial(ctx, network, addr)
}

// Made says which faults were made, and how many of each.
func (f *Faults) Made() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []string
	for kind := DropRequest; kind < faultKinds; kind++ {
		parts = append(parts, fmt.Sprintf("%d %s", f.counts[kind], faultNames[kind]))
	}
	return strings.Join(parts, ", ")
}

// Count is how many faults of a kind were made.
func (f *Faults) Count(kind Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

func (f *Faults) serve(p listener) {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", p.to)
		if err != nil {
			reset(client)
			continue
		}
		f.mu.Lock()
		if f.links == nil {
			client.Close()
			broker.Close()
		} else {
			f.links[client], f.links[broker] = true, true
		}
		f.mu.Unlock()
		l := &faultyLink{f: f, client: client, broker: broker, fates: make(chan Fault, 10_000)}
		go l.requests()
		go l.answers()
	}
}

// faultyLink is one connection through the proxy.
type faultyLink struct {
	f              *Faults
	client, broker net.Conn
	fates          chan Fault // of the answers that are still to come
}

// reset closes a client's connection as a broken network does. From a clean close before the first answer a client
// concludes that no broker is there.
func reset(client net.Conn) {
	_ = client.(*net.TCPConn).SetLinger(0)
	client.Close()
}

func (l *faultyLink) end() {
	reset(l.client)
	l.broker.Close()
	l.f.mu.Lock()
	delete(l.f.links, l.client)
	delete(l.f.links, l.broker)
	l.f.mu.Unlock()
}

// requests carries what the client sends.
func (l *faultyLink) requests() {
	defer l.end()
	defer close(l.fates)
	for {
		frame, err := readFrame(l.client)
		if err != nil {
			return
		}
		fate, by := l.f.decide(int16(binary.BigEndian.Uint16(frame[4:])))
		l.f.mu.Lock()
		l.f.counts[fate]++
		l.f.mu.Unlock()
		switch fate {
		case DropRequest:
			return
		case Cut:
			_, _ = l.broker.Write(frame[:len(frame)/2])
			return
		case Delay:
			time.Sleep(by)
		}
		if answered(frame) {
			l.fates <- fate
		}
		if _, err := l.broker.Write(frame); err != nil {
			return
		}
	}
}

// answers carries what the broker sends.
func (l *faultyLink) answers() {
	defer l.end()
	for {
		frame, err := readFrame(l.broker)
		if err != nil || <-l.fates == DropAnswer {
			return
		}
		if _, err := l.client.Write(frame); err != nil {
			return
		}
	}
}

// readFrame reads a request or an answer, with its length before it.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := slices.Grow(size[:], int(binary.BigEndian.Uint32(size[:])))[:4+binary.BigEndian.Uint32(size[:])]
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// answered says whether a request has an answer: a Produce with acks=0 has none.
func answered(frame []byte) bool {
	if binary.BigEndian.Uint16(frame[4:]) != 0 {
		return true
	}
	version := binary.BigEndian.Uint16(frame[6:])
	at := 12 // behind the correlation id
	at += 2 + max(0, int(int16(binary.BigEndian.Uint16(frame[at:]))))
	if version >= 9 {
		at++ // the header's tagged fields
	}
	switch {
	case version >= 9:
		at += max(1, int(frame[at])) // a transactional id, none
	case version >= 3:
		at += 2 + max(0, int(int16(binary.BigEndian.Uint16(frame[at:]))))
	}
	return binary.BigEndian.Uint16(frame[at:]) != 0
}
