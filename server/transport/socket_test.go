package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// socketPair gives both ends of a connection, "tcp" at 127.0.0.1:0 or "unix" at a path.
func socketPair(t *testing.T, network, addr string) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func TestASmallReadIsWhatAReadIs(t *testing.T) {
	ours, theirs := tcpPair(t)
	var r smallReader
	r.open(ours)
	buf := make([]byte, smallRead)

	_ = ours.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %d bytes, %v", n, err)
	}
	_ = ours.SetReadDeadline(time.Time{})
	go func() {
		time.Sleep(10 * time.Millisecond) // lets the reader wait first
		_, _ = theirs.Write([]byte("bytes"))
	}()
	if n, err := r.Read(buf); err != nil || string(buf[:n]) != "bytes" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d bytes, %v", n, err)
	}
	_ = theirs.CloseWrite()
	if n, err := r.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	ours.Close()
	if _, err := r.Read(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestASmallReadOfAResetIsADisconnect(t *testing.T) {
	ours, theirs := tcpPair(t)
	_ = theirs.SetLinger(0)
	theirs.Close()
	var r smallReader
	r.open(ours)
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || !isDisconnect(err) {
		t.Errorf("%v", err)
	}
}

// TestASmallWriteArrivesWhole: a small write arrives whole, also when the socket takes only a part of it at a time.
func TestASmallWriteArrivesWhole(t *testing.T) {
	// A Unix domain socket takes as much as its buffer holds; a TCP socket mostly takes all or nothing.
	ours, theirs := socketPair(t, "unix", filepath.Join(t.TempDir(), "socket"))
	_ = ours.(*net.UnixConn).SetWriteBuffer(1) // the kernel gives the smallest buffer that it allows: a third of what the test writes
	const times = 4
	want := make([]byte, 0, times*smallWrite)
	var s sender
	s.open(ours, new(buffers), func() {})
	for i := range times {
		want = append(want, bytes.Repeat([]byte{byte(i)}, smallWrite)...)
	}
	got := make(chan []byte)
	go func() {
		time.Sleep(10 * time.Millisecond) // waits until the socket takes no more
		all, _ := io.ReadAll(theirs)
		got <- all
	}()
	for i := range times {
		a := &Answer{parts: []Part{{Bytes: want[i*smallWrite : (i+1)*smallWrite]}}}
		if err := s.send([]*Answer{a}); err != nil {
			t.Fatal(err)
		}
	}
	ours.Close()
	if all := <-got; !bytes.Equal(all, want) {
		t.Errorf("%d bytes arrived of %d, or others", len(all), len(want))
	}
}

func TestASmallWriteToWhoLeftFails(t *testing.T) {
	ours, theirs := tcpPair(t)
	_ = theirs.SetLinger(0)
	theirs.Close()
	var s sender
	s.open(ours, new(buffers), func() {})
	var err error
	for range 100 { // the first writes may succeed before the reset comes
		if err = s.send([]*Answer{{parts: []Part{{Bytes: []byte("answer")}}}}); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !isDisconnect(err) {
		t.Errorf("%v", err)
	}
}
