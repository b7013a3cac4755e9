package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// looseConn is a connection without a broker behind it, for tests of what it
// does with answers. far is the client's end.
func looseConn(t *testing.T) (c *conn, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if far, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
	s := &Server{now: time.Now, born: time.Now(), budget: newByteBudget(-1), large: &gate{most: gateMost, patience: gateStuck}, maxRequestBytes: 1 << 20, logger: slog.New(slog.DiscardHandler)}
	return newConn(s, &Listener{Name: "TEST"}, near), far
}

// filled is an answer that says text.
func filled(text string) *answer {
	buf := append(getBytes(len(text)), text...)
	a := &answer{size: len(buf), free: buf}
	a.only[0].bytes = buf
	a.parts = a.only[:]
	return a
}

func wantBytes(t *testing.T, far net.Conn, want string) {
	t.Helper()
	_ = far.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// Acknowledgements that come aside and in any order leave in the order of their
// requests, each as soon as those before it are there.
func TestCompletionsAsideKeepTheOrder(t *testing.T) {
	c, far := looseConn(t)
	a, b, d, e := filled("a"), filled("b"), filled("d"), filled("e")
	for _, x := range []*answer{a, b, d, e} {
		c.expect(x)
	}
	c.complete(d, aside)
	c.complete(b, own) // by the connection's own goroutine, which goes on reading
	c.complete(a, aside)
	wantBytes(t, far, "abd")
	c.complete(e, aside)
	wantBytes(t, far, "e")
	if c.held != 0 || len(c.pending) != 0 {
		t.Errorf("%d bytes and %d answers are left", c.held, len(c.pending))
	}
}

// logOf is the log of a partition with so many batches of that size.
func logOf(t *testing.T, batches, size int) *logstore.Log {
	t.Helper()
	b := runBroker(t)
	b.topic("t", 1, "segment.bytes=1048576")
	c := b.dial()
	records := batchOf(t, size)
	for range batches {
		produced(t, c.ask(produce("t", 0, 1, records)))
	}
	p, err := b.server.replicas.Partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	return p.Log()
}

// regionsOf reads the whole log, and gives its files' bytes too.
func regionsOf(t *testing.T, log *logstore.Log) ([]logstore.Region, []byte) {
	t.Helper()
	var regions []logstore.Region
	for from := int64(0); from < log.EndOffset(); {
		r, err := log.Read(from, 1<<30, log.EndOffset(), true)
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, batch.HeaderSize)
		last := from
		for at := int64(0); at < int64(r.Size()); {
			if _, err := r.ReadAt(head, at); err != nil {
				t.Fatal(err)
			}
			h, err := batch.ParseHeader(head)
			if err != nil {
				t.Fatal(err)
			}
			last, at = h.LastOffset(), at+int64(h.Size())
		}
		regions, from = append(regions, r), last+1
	}
	var want []byte
	files, err := filepath.Glob(filepath.Join(log.Dir(), "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b...)
	}
	return regions, want
}

// plainConn hides that a connection is a socket: no sendfile.
type plainConn struct{ net.Conn }

// Regions of several segments, larger than the socket's buffers, to a client
// that reads slowly: the bytes are the same by sendfile and by copies.
func TestRegionsAreSentAsTheyAre(t *testing.T) {
	log := logOf(t, 40, 100_000)
	for _, path := range []string{"sendfile", "copied"} {
		t.Run(path, func(t *testing.T) {
			regions, want := regionsOf(t, log)
			if len(regions) < 3 {
				t.Fatalf("%d segments are too few to tell", len(regions))
			}
			c, far := looseConn(t)
			_ = c.nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
			_ = far.(*net.TCPConn).SetReadBuffer(64 << 10)
			if path == "copied" {
				c.sender.open(plainConn{c.nc}, c.touch)
			}
			a := filled("head")
			a.size += len(want)
			a.parts = []part{a.only[0]}
			for _, r := range regions {
				a.parts = append(a.parts, part{region: r}, part{bytes: []byte("|")})
			}
			c.expect(a)
			c.complete(a, aside)
			var got bytes.Buffer
			_ = far.SetReadDeadline(time.Now().Add(patience))
			small := make([]byte, 5000)
			for got.Len() < 4+len(want)+len(regions) {
				n, err := far.Read(small)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(small[:n])
			}
			parts := bytes.NewBufferString("head")
			at := 0
			for _, r := range regions {
				parts.Write(want[at : at+r.Size()])
				parts.WriteByte('|')
				at += r.Size()
			}
			if !bytes.Equal(got.Bytes(), parts.Bytes()) {
				t.Error("the client got other bytes than the files have")
			}
		})
	}
}

// users is how many hold the file of a region open.
func users(r logstore.Region) int64 {
	return reflect.ValueOf(r).FieldByName("cached").Elem().FieldByName("refs").Int()
}

// Files are given back once, whenever the connection breaks: before an answer
// is ready, while it waits for an earlier one, and while it is sent.
func TestBrokenConnectionGivesFilesBackOnce(t *testing.T) {
	log := logOf(t, 3, 100_000)
	read := func() logstore.Region {
		r, err := log.Read(0, 1<<30, log.EndOffset(), true)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	kept := read() // keeps the file open, so that its users can be counted
	withRegion := func() *answer {
		r := read()
		return &answer{size: r.Size(), parts: []part{{region: r}}}
	}
	for name, run := range map[string]func(c *conn, far net.Conn){
		"before it is ready": func(c *conn, _ net.Conn) {
			a := withRegion()
			c.expect(a)
			c.abort()
			c.complete(a, aside)
			c.drain()
		},
		"before one ahead of it is ready": func(c *conn, _ net.Conn) {
			first, a := filled("first"), withRegion()
			c.expect(first)
			c.expect(a)
			c.complete(a, own)
			c.abort()
			c.drain()
			c.complete(first, aside)
			c.flush()
		},
		"while it is sent": func(c *conn, far net.Conn) {
			_ = c.nc.(*net.TCPConn).SetWriteBuffer(4096)
			_ = far.(*net.TCPConn).SetReadBuffer(4096)
			a, b := withRegion(), withRegion()
			c.expect(a)
			c.expect(b)
			c.complete(a, aside)
			c.complete(b, aside)
			one := make([]byte, 1)
			if _, err := io.ReadFull(far, one); err != nil { // the sending has begun
				t.Fatal(err)
			}
			c.abort()
			c.drain()
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(looseConn(t))
			if n := users(kept); n != 1 {
				t.Errorf("%d users are left, want 1", n)
			}
		})
	}
	kept.Release()
}

// Answers that wait for an earlier one are bounded in bytes: the connection is
// not read from while it holds more.
func TestAnswersBehindASlowOneAreBounded(t *testing.T) {
	c, far := looseConn(t)
	first, large := filled("first"), filled(string(make([]byte, maxHeld)))
	c.expect(first)
	c.expect(large)
	c.complete(large, own)
	held := make(chan int)
	go func() {
		c.room()
		c.mu.Lock()
		defer c.mu.Unlock()
		held <- c.held
	}()
	for range 1000 {
		runtime.Gosched() // lets it go on, if it would
	}
	c.complete(first, aside)
	wantBytes(t, far, "first"+string(make([]byte, maxHeld)))
	if n := <-held; n >= maxHeld {
		t.Errorf("reads on with %d bytes held", n)
	}
}

// Who answers a fetch that waited is not held up by a client that does not read.
func TestAnswersAreLeftToOthersWhereTheSocketIsFull(t *testing.T) {
	c, far := looseConn(t)
	_ = c.nc.(*net.TCPConn).SetWriteBuffer(4096)
	_ = far.(*net.TCPConn).SetReadBuffer(4096)
	const answers, size = 10, smallRegion / 2
	done := make(chan struct{})
	go func() {
		for i := range answers {
			a := filled(strings.Repeat(string(rune('a'+i%26)), size))
			c.expect(a)
			c.complete(a, here)
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("waits for the client")
	}
	_ = far.(*net.TCPConn).SetReadBuffer(1 << 20)
	_ = c.nc.(*net.TCPConn).SetWriteBuffer(1 << 20)
	for i := range answers {
		wantBytes(t, far, strings.Repeat(string(rune('a'+i%26)), size))
	}
}

// What a client sends behind the answer of a fetch that waited, before it leaves, is handled, also when
// the fetch is just being ended.
func TestRequestBehindAnAnsweredFetchIsRead(t *testing.T) {
	c, far := looseConn(t)
	c.br = bufio.NewReader(flushingReader{c})
	answer := filled("fetched")
	c.expect(answer)
	c.awaits(replica.NewWaiter(1, func() {}), time.Hour)
	c.complete(answer, aside)
	wantBytes(t, far, "fetched")
	if _, err := far.Write([]byte("\x00\x00\x00\x04next")); err != nil {
		t.Fatal(err)
	}
	_ = far.(*net.TCPConn).CloseWrite()
	read := make(chan string, 1)
	go func() {
		b, err := c.next()
		if err != nil {
			read <- err.Error()
			return
		}
		read <- string(b.B)
	}()
	for range 1000 {
		runtime.Gosched() // it finds the end, and waits for the fetch
	}
	c.awaitsNothing()
	if got := <-read; got != "next" {
		t.Errorf("got %q", got)
	}
}
