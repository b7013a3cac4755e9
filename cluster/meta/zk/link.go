package zk

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection to a server, between the library and the socket. The library writes one frame at a time and
// reads a frame's length and then its bytes, from one goroutine each.
//
// It bounds the handshake, for which the library allows a server ten times its usual time and an answer of any length.
// It sends credentials before the library sends anything: the library's own way can dead-lock when the connection
// breaks in between. And it takes the place of the library's setWatches. The library sends that behind requests that
// wait already, so that an answer could overtake a missed event, and only logs if it fails. The link drops it, and has
// the library read an event for every watch before anything that the server sends.
type link struct {
	net.Conn
	in     *bufio.Reader
	auth   []byte // the frame with the credentials; nil for none
	events linkEvents

	// The library's goroutines begin after the handshake. From then on these belong to the one that reads.

	shaken bool   // the handshake is over
	synced bool   // events.synced was called
	first  []byte // whole frames, or the length of one, that the library reads before what comes from the socket
	left   int    // bytes of the frame in hand that are still to be read from the socket

	mu      sync.Mutex
	answers []byte // guarded by mu; frames that answer dropped requests
}

// linkEvents are the moments that a link tells of.
type linkEvents struct {
	// granted is told what the server answers to the handshake, and gives frames that the library reads before all else
	// on this connection. Its error ends the connection.
	granted func(grant) (first []byte, err error)
	// failed is told why a handshake did not succeed.
	failed func(error)
	// synced is called once the library has taken in those frames.
	synced func()
}

// newLink takes a connection whose handshake must be over at a time.
func newLink(conn net.Conn, deadline time.Time, auth []byte, events linkEvents) (*link, error) {
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return &link{Conn: conn, in: bufio.NewReaderSize(conn, 32<<10), auth: auth, events: events}, nil
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	if !l.shaken {
		if err := l.shake(); err != nil {
			l.events.failed(err)
			return 0, err
		}
	}
	if len(l.first) == 0 && l.left == 0 {
		if err := l.nextFrame(); err != nil {
			return 0, err
		}
	}
	if len(l.first) > 0 {
		n := copy(p, l.first)
		l.first = l.first[n:]
		return n, nil
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// nextFrame finds what the library reads next, between two frames.
func (l *link) nextFrame() error {
	if !l.synced {
		l.synced = true
		l.events.synced()
	}
	l.mu.Lock()
	l.first, l.answers = l.answers, nil
	l.mu.Unlock()
	if len(l.first) > 0 {
		return nil
	}
	length := make([]byte, 4)
	if _, err := io.ReadFull(l.in, length); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length)
	if n < answerHeaderBytes || n > maxFrame {
		return fmt.Errorf("ZooKeeper server %s sent an answer of %d bytes", l.RemoteAddr(), n)
	}
	l.first, l.left = length, int(n)
	return nil
}

// shake takes the server's part of the handshake.
func (l *link) shake() error {
	answer, err := readFrame(l.in)
	if err != nil {
		return err
	}
	g, err := decodeGrant(answer[4:])
	if err != nil {
		return err
	}
	if l.auth != nil && g.session != 0 {
		if err := l.authenticate(); err != nil {
			return err
		}
	}
	first, err := l.events.granted(g)
	if err != nil {
		return err
	}
	l.first = append(answer, first...)
	l.shaken = true
	return l.Conn.SetDeadline(time.Time{})
}

// authenticate sends the credentials and waits until the server has taken them.
func (l *link) authenticate() error {
	if _, err := l.Conn.Write(l.auth); err != nil {
		return err
	}
	answer, err := readFrame(l.in)
	if err != nil {
		return err
	}
	xid, code, err := decodeAnswer(answer[4:])
	if err == nil && (xid != xidAuth || code != 0) {
		err = fmt.Errorf("ZooKeeper server %s refused the digest credentials (code %d)", l.RemoteAddr(), code)
	}
	return err
}

// Write implements net.Conn. p is one frame.
func (l *link) Write(p []byte) (int, error) {
	if l.shaken {
		xid, op, err := decodeRequest(p)
		if err != nil {
			return 0, err
		}
		if op == opSetWatches {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.answers = append(l.answers, frame(func(b []byte) []byte { return appendAnswer(b, xid, 0) })...)
			return len(p), nil
		}
	}
	return l.Conn.Write(p)
}

// SetReadDeadline implements net.Conn. The deadline of the handshake is the link's own.
func (l *link) SetReadDeadline(t time.Time) error {
	if !l.shaken {
		return nil
	}
	return l.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn. The deadline of the handshake is the link's own.
func (l *link) SetWriteDeadline(t time.Time) error {
	if !l.shaken {
		return nil
	}
	return l.Conn.SetWriteDeadline(t)
}
