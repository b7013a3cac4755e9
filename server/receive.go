package server

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiver knows what of a client's bytes the kernel still holds. It is used by the
// connection's goroutine alone.
type receiver struct {
	raw syscall.RawConn // nil where the connection has none

	// What unread is told, and the functions that tell it. They are made once: a closure for
	// each request would be garbage for each.
	bytes  int
	ask    func(socket uintptr)
	unread func() int
}

// open has the receiver ask about a connection.
func (r *receiver) open(nc net.Conn) {
	*r = receiver{raw: rawConn(nc), ask: r.look, unread: r.count}
}

// count is unread: how many bytes can be read at once, 0 where the kernel does not tell.
func (r *receiver) count() int {
	r.bytes = 0
	if r.raw != nil {
		_ = r.raw.Control(r.ask) // it fails when the connection is closed
	}
	return r.bytes
}

func (r *receiver) look(socket uintptr) {
	if n, err := unix.IoctlGetInt(int(socket), unix.SIOCINQ); err == nil {
		r.bytes = n
	}
}

// awaitBytes waits until the client has sent something. Until then a connection
// has no buffers: ten thousand that say nothing cost little.
func (r *receiver) awaitBytes() error {
	if r.raw == nil {
		return nil
	}
	var one [1]byte
	return r.raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
}
