package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"klamm/internal/await"
	"klamm/protocol"
)

// looseConn is a connection without a broker, for tests of how a connection sends answers.
// far is the client's end.
func looseConn(t *testing.T) (c *Conn, far net.Conn) {
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
	s := NewSocketServer(Options{
		MaxRequestBytes: 1 << 20, QueuedBytes: -1, SendBufferBytes: -1, MaxIdle: -1, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limited:     func(string, string, ...any) {},
		ClientErred: func(*Conn, string, error) {},
	})
	return newConn(s, &Listener{Name: "TEST"}, near), far
}

// filled makes an answer whose content is text.
func filled(c *Conn, text string) *Answer {
	a := new(Answer)
	a.Fill(append(c.Buffer(len(text)), text...))
	return a
}

func wantBytes(t *testing.T, far net.Conn, want string) {
	t.Helper()
	_ = far.SetReadDeadline(time.Now().Add(await.Patience))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// Answers that other code completes in any order leave in the order of their requests,
// each as soon as all before it are ready.
func TestCompletionsAsideKeepTheOrder(t *testing.T) {
	c, far := looseConn(t)
	a, b, d, e := filled(c, "a"), filled(c, "b"), filled(c, "d"), filled(c, "e")
	for _, x := range []*Answer{a, b, d, e} {
		c.Expect(x)
	}
	c.Complete(d, Aside)
	c.Complete(b, Own) // by the connection's own goroutine, which goes on reading
	c.Complete(a, Aside)
	wantBytes(t, far, "abd")
	c.Complete(e, Aside)
	wantBytes(t, far, "e")
	if c.held != 0 || len(c.pending) != 0 {
		t.Errorf("%d bytes and %d answers are left", c.held, len(c.pending))
	}
}

// fileRegion is a region of a file that counts how often it was released.
type fileRegion struct {
	f        *os.File
	pos      int64
	size     int
	released *int
}

func (r fileRegion) Size() int                               { return r.size }
func (r fileRegion) ReadAt(p []byte, off int64) (int, error) { return r.f.ReadAt(p, r.pos+off) }
func (r fileRegion) OSFile() (*os.File, int64)               { return r.f, r.pos }
func (r fileRegion) ReadFailed(err error) error              { return err }
func (r fileRegion) Release()                                { *r.released++ }

// fileOf makes a file of so many bytes, and gives its content too.
func fileOf(t *testing.T, size int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i * 7 / 3)
	}
	path := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, content
}

// plainConn hides that a connection is a socket, so that the sender cannot use sendfile.
type plainConn struct{ net.Conn }

// A client that reads slowly gets the right bytes of small regions of a file and of regions
// larger than the socket's buffers, with sendfile and with copies.
func TestRegionsAreSentAsTheyAre(t *testing.T) {
	f, content := fileOf(t, 3<<20)
	regions := []fileRegion{{f: f, size: 1 << 20}, {f: f, pos: 1<<20 + 17, size: 100}, {f: f, pos: 12345, size: smallRegion}, {f: f, pos: 2<<20 - 1, size: 1<<20 + 1}}
	for _, path := range []string{"sendfile", "copied"} {
		t.Run(path, func(t *testing.T) {
			c, far := looseConn(t)
			_ = c.nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
			_ = far.(*net.TCPConn).SetReadBuffer(64 << 10)
			if path == "copied" {
				c.sender.open(plainConn{c.nc}, &c.server.buffers, c.touch)
			}
			a, want := new(Answer), bytes.NewBufferString("head")
			parts := []Part{{Bytes: []byte("head")}}
			for _, r := range regions {
				parts = append(parts, Part{Region: r}, Part{Bytes: []byte("|")})
				want.Write(content[r.pos : int(r.pos)+r.size])
				want.WriteByte('|')
			}
			a.SetParts(parts, want.Len(), nil)
			c.Expect(a)
			c.Complete(a, Aside)
			var got bytes.Buffer
			_ = far.SetReadDeadline(time.Now().Add(await.Patience))
			small := make([]byte, 5000)
			for got.Len() < want.Len() {
				n, err := far.Read(small)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(small[:n])
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Error("the client got other bytes than the file has")
			}
		})
	}
}

// Two connections send the same bytes, each between the ends of a buffer of its own.
func TestSharedBytesGoBetweenWhatIsTheAnswersOwn(t *testing.T) {
	shared := bytes.Repeat([]byte("shared"), 100_000)
	for _, tail := range []string{"tail", ""} {
		for _, head := range []string{"one", "another"} {
			c, far := looseConn(t)
			a := new(Answer)
			a.FillAround(append(c.Buffer(100), head+tail...), len(head), shared)
			c.Expect(a)
			c.Complete(a, Aside)
			want := head + string(shared) + tail
			got := make([]byte, len(want))
			_ = far.SetReadDeadline(time.Now().Add(await.Patience))
			if _, err := io.ReadFull(far, got); err != nil || string(got) != want || a.size != len(want) {
				t.Errorf("%q and %q: the client got other bytes, or %v; the size is %d", head, tail, err, a.size)
			}
		}
	}
}

// The connection releases files once, whenever it breaks: before an answer is ready, while
// the answer waits for an earlier one, and while it is sent.
func TestBrokenConnectionGivesFilesBackOnce(t *testing.T) {
	f, _ := fileOf(t, 300_000)
	withRegion := func(released *int) *Answer {
		r := fileRegion{f: f, size: 300_000, released: released}
		a := new(Answer)
		a.SetParts([]Part{{Region: r}}, r.size, r)
		return a
	}
	for name, run := range map[string]func(c *Conn, far net.Conn) []int{
		"before it is ready": func(c *Conn, _ net.Conn) []int {
			released := make([]int, 1)
			a := withRegion(&released[0])
			c.Expect(a)
			c.Abort()
			c.Complete(a, Aside)
			c.drain()
			return released
		},
		"before one ahead of it is ready": func(c *Conn, _ net.Conn) []int {
			released := make([]int, 1)
			first, a := filled(c, "first"), withRegion(&released[0])
			c.Expect(first)
			c.Expect(a)
			c.Complete(a, Own)
			c.Abort()
			c.drain()
			c.Complete(first, Aside)
			c.flush()
			return released
		},
		"while it is sent": func(c *Conn, far net.Conn) []int {
			_ = c.nc.(*net.TCPConn).SetWriteBuffer(4096)
			_ = far.(*net.TCPConn).SetReadBuffer(4096)
			released := make([]int, 2)
			a, b := withRegion(&released[0]), withRegion(&released[1])
			c.Expect(a)
			c.Expect(b)
			c.Complete(a, Aside)
			c.Complete(b, Aside)
			one := make([]byte, 1)
			if _, err := io.ReadFull(far, one); err != nil { // the sending has begun
				t.Fatal(err)
			}
			c.Abort()
			c.drain()
			return released
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, n := range run(looseConn(t)) {
				if n != 1 {
					t.Errorf("answer %d was released %d times, want 1", i, n)
				}
			}
		})
	}
}

// The bytes of answers that wait for an earlier one are bounded: a connection that holds more
// does not read from its client.
func TestAnswersBehindASlowOneAreBounded(t *testing.T) {
	c, far := looseConn(t)
	first, large := filled(c, "first"), filled(c, string(make([]byte, maxHeld)))
	c.Expect(first)
	c.Expect(large)
	c.Complete(large, Own)
	held := make(chan int)
	go func() {
		c.room()
		c.mu.Lock()
		defer c.mu.Unlock()
		held <- c.held
	}()
	for range 1000 {
		runtime.Gosched() // lets the connection go on, if it wrongly would
	}
	c.Complete(first, Aside)
	wantBytes(t, far, "first"+string(make([]byte, maxHeld)))
	if n := <-held; n >= maxHeld {
		t.Errorf("reads on with %d bytes held", n)
	}
}

// A client that does not read does not hold up the goroutine that answers its fetch.
func TestAnswersAreLeftToOthersWhereTheSocketIsFull(t *testing.T) {
	c, far := looseConn(t)
	_ = c.nc.(*net.TCPConn).SetWriteBuffer(4096)
	_ = far.(*net.TCPConn).SetReadBuffer(4096)
	const answers, size = 10, smallRegion / 2
	done := make(chan struct{})
	go func() {
		for i := range answers {
			a := filled(c, strings.Repeat(string(rune('a'+i%26)), size))
			c.Expect(a)
			c.Complete(a, Here)
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(await.Patience):
		t.Fatal("waits for the client")
	}
	_ = far.(*net.TCPConn).SetReadBuffer(1 << 20)
	_ = c.nc.(*net.TCPConn).SetWriteBuffer(1 << 20)
	for i := range answers {
		wantBytes(t, far, strings.Repeat(string(rune('a'+i%26)), size))
	}
}

// neverWoken is a waiting request that ignores Wake.
type neverWoken struct{}

func (neverWoken) Wake() {}

// A client gets its waiting fetch answered, sends a further request and leaves. The connection handles that
// request, also when the client leaves while the fetch is just being answered.
func TestRequestBehindAnAnsweredFetchIsRead(t *testing.T) {
	c, far := looseConn(t)
	c.br = bufio.NewReader(flushingReader{c})
	answer := filled(c, "fetched")
	c.Expect(answer)
	c.Await(neverWoken{}, time.Hour)
	c.Complete(answer, Aside)
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
		runtime.Gosched() // the connection finds that the client left, and waits for the fetch
	}
	c.AwaitsNothing()
	if got := <-read; got != "next" {
		t.Errorf("got %q", got)
	}
}

// TestStopResetsWhatItNeverAnswered: a stop closed connections cleanly that had just been made, and franz-go gave up over that.
func TestStopResetsWhatItNeverAnswered(t *testing.T) {
	s := startEcho(t, nil)
	silent, half, greeted, answered := s.dial(t), s.dial(t), s.dial(t), s.dial(t)
	greeting := ask(4, 10)
	binary.BigEndian.PutUint16(greeting[4:], uint16(protocol.KeyAPIVersions))
	binary.BigEndian.PutUint16(greeting[6:], 3)
	if _, err := greeted.Write(greeting); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, greeted, 10)
	if _, err := half.Write(ask(4, 10)[:2]); err != nil { // which the server never reads whole
		t.Fatal(err)
	}
	if _, err := answered.Write(ask(4, 10)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, answered, 10)
	await.Until(t, "both connections are served", func() bool { return len(s.Conns()) == 4 })
	s.StopAccepting()
	s.Settle(t.Context())
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{silent, half, greeted} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection without an answer ends with %v, want a reset", err)
		}
	}
	if _, err := answered.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection with an answer ends with %v, want a clean end", err)
	}
}
