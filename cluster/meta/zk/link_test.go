package zk

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"klamm/cluster/meta"
)

// recorded is a connection on which the server has said some bytes and closed.
type recorded struct {
	net.Conn
	in   *bytes.Reader
	sent bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error)  { return r.in.Read(p) }
func (r *recorded) Write(p []byte) (int, error) { return r.sent.Write(p) }
func (r *recorded) SetDeadline(time.Time) error { return nil }
func (r *recorded) RemoteAddr() net.Addr        { return &net.TCPAddr{} }

// grantFrame is a server's answer to the handshake.
func grantFrame(session int64) []byte {
	return frame(func(b []byte) []byte {
		b = appendInt(appendInt(b, 0), 6000)
		return appendBuffer(appendLong(b, session), make([]byte, 16))
	})
}

// answerFrame is a server's answer to a request.
func answerFrame(xid int32, body string) []byte {
	return frame(func(b []byte) []byte { return append(appendAnswer(b, xid, 0), body...) })
}

// TestLinkPutsEventsFirst checks the order in which the library reads: the handshake, an event for each watch, and only
// then what the server sends.
func TestLinkPutsEventsFirst(t *testing.T) {
	event := eventFrame(meta.Event{Type: meta.NodeDataChanged, Path: "/a"})
	one, two := answerFrame(7, "one"), answerFrame(8, "two")
	conn := &recorded{in: bytes.NewReader(bytes.Join([][]byte{grantFrame(1), answerFrame(xidAuth, ""), one, two}, nil))}
	synced := 0
	l, err := newLink(conn, time.Now(), authFrame("digest", "u:p"), linkEvents{
		granted: func(g grant) ([]byte, error) { return event, nil },
		failed:  func(err error) { t.Error(err) },
		synced:  func() { synced++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(want []byte, syncedBefore int) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(l, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %q, %v, should be %q", got, err, want)
		}
		if synced != syncedBefore {
			t.Fatalf("synced %d times", synced)
		}
	}
	read(grantFrame(1), 0)
	if !bytes.Equal(conn.sent.Bytes(), authFrame("digest", "u:p")) {
		t.Errorf("sent %q", conn.sent.Bytes())
	}
	read(event, 0)
	conn.sent.Reset()
	setWatches := frame(func(b []byte) []byte { return appendInt(appendInt(b, 5), opSetWatches) })
	if n, err := l.Write(setWatches); n != len(setWatches) || err != nil || conn.sent.Len() != 0 {
		t.Errorf("setWatches: %d, %v, %d bytes sent", n, err, conn.sent.Len())
	}
	read(answerFrame(5, ""), 1) // the link's own answer
	read(one, 1)
	if request := closeFrame(9); true {
		if _, err := l.Write(request); err != nil || !bytes.Equal(conn.sent.Bytes(), request) {
			t.Errorf("sent %q, %v", conn.sent.Bytes(), err)
		}
	}
	read(two, 1)
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// TestLinkRefusesCredentials has the server refuse them.
func TestLinkRefusesCredentials(t *testing.T) {
	refused := frame(func(b []byte) []byte { return appendAnswer(b, xidAuth, -115) })
	conn := &recorded{in: bytes.NewReader(append(grantFrame(1), refused...))}
	var failed error
	l, err := newLink(conn, time.Now(), authFrame("digest", "u:p"), linkEvents{
		granted: func(grant) ([]byte, error) { t.Error("granted"); return nil, nil },
		failed:  func(err error) { failed = err },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(make([]byte, 1)); err == nil || !errors.Is(failed, err) {
		t.Errorf("read: %v, told: %v", err, failed)
	}
}

// FuzzLink reads whatever a server may send.
func FuzzLink(f *testing.F) {
	f.Add(append(grantFrame(1), answerFrame(1, "x")...), true)
	f.Add(append(grantFrame(1), answerFrame(xidAuth, "")...), true)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, in []byte, withAuth bool) {
		var auth []byte
		if withAuth {
			auth = authFrame("digest", "u:p")
		}
		l, err := newLink(&recorded{in: bytes.NewReader(in)}, time.Now(), auth, linkEvents{
			granted: func(grant) ([]byte, error) { return nil, nil }, failed: func(error) {}, synced: func() {},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(l); len(got) > len(in) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(in), err)
		}
	})
}
