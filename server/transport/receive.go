package transport

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiver knows what of a client's bytes the kernel still holds, and waits for more. It is used
// by the connection's goroutine alone.
type receiver struct {
	raw      syscall.RawConn // nil where the connection has none
	flush    func()          // called before it waits for the client
	awaiting atomic.Bool     // it waits for the rest of a request

	// What the kernel is asked for and what it said, and the functions that ask. They are made
	// once: a closure for each request would be garbage for each.
	want, bytes  int
	ask, askLess func(socket uintptr)
	enough       func(socket uintptr) bool
}

// maxAwaited is how much of a request is left to the kernel until all of it has come. The
// kernel makes room for twice of that.
const maxAwaited = 128 << 10

// open has the receiver ask about a connection.
func (r *receiver) open(nc net.Conn, flush func()) {
	r.raw, r.flush = rawConn(nc), flush
	r.ask, r.askLess, r.enough = r.count, r.lowWater, r.hasEnough
}

// unread is how many bytes can be read at once, 0 where the kernel does not tell.
func (r *receiver) unread() int {
	r.bytes = 0
	if r.raw != nil {
		_ = r.raw.Control(r.ask) // it fails when the connection is closed
	}
	return r.bytes
}

func (r *receiver) count(socket uintptr) {
	if n, ok := unread(socket); ok {
		r.bytes = n
	}
}

// await waits until the kernel has so many bytes, but no more than maxAwaited, or the
// client has nothing more to say, and gives how many there are. A thousand connections that each bring
// a large request bit by bit then need no thousand buffers: few requests have all come and are not read.
func (r *receiver) await(want int) int {
	r.want = min(want, maxAwaited)
	if n := r.unread(); n >= r.want || r.raw == nil {
		return n
	}
	r.flush()
	_ = r.raw.Control(r.askLess) // without it the wait ends sooner
	r.awaiting.Store(true)
	_ = r.raw.Read(r.enough) // what keeps it from waiting is met by who reads
	r.awaiting.Store(false)
	r.want = 1
	_ = r.raw.Control(r.askLess)
	return r.unread()
}

// heard is for how long a client whose request is awaited has sent nothing; ok is false where none is.
// It may be called by anybody.
func (r *receiver) heard() (ago time.Duration, ok bool) {
	if !r.awaiting.Load() {
		return 0, false
	}
	err := control(r.raw, func(fd int) error {
		var err error
		ago, err = lastHeard(fd)
		return err
	})
	return ago, err == nil
}

// lowWater has the socket be readable only when it holds what is wanted.
func (r *receiver) lowWater(socket uintptr) {
	_ = unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_RCVLOWAT, r.want)
}

// hasEnough says whether to go on: also where the client has ended, and where the kernel cannot
// have as much as is wanted.
func (r *receiver) hasEnough(socket uintptr) bool {
	r.count(socket)
	if r.bytes >= r.want {
		return true
	}
	poll := [1]unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN | pollEnded}}
	n, err := unix.Poll(poll[:], 0)
	return err != nil || n > 0
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
