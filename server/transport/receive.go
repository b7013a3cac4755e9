package transport

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiver asks how many of a client's bytes the kernel still holds, and waits for more. Only the
// connection's goroutine uses it, except for heard.
type receiver struct {
	raw      syscall.RawConn // nil when the connection has none
	flush    func()          // called before the receiver waits for the client
	awaiting atomic.Bool     // the receiver waits for the rest of a request

	// want is how many bytes await waits for, and bytes is how many the kernel has. The functions
	// ask the kernel. Their values are made once: a closure for each request would be garbage for
	// each request.
	want, bytes  int
	ask, askLess func(socket uintptr)
	enough       func(socket uintptr) bool
}

// maxAwaited is how many bytes of a request the receiver leaves to the kernel until they have
// all come. The kernel makes room for twice as many.
const maxAwaited = 128 << 10

// open prepares the receiver for a connection.
func (r *receiver) open(nc net.Conn, flush func()) {
	r.raw, r.flush = rawConn(nc), flush
	r.ask, r.askLess, r.enough = r.count, r.lowWater, r.hasEnough
}

// unread gives how many bytes can be read at once, 0 where the kernel does not tell.
func (r *receiver) unread() int {
	r.bytes = 0
	if r.raw != nil {
		_ = r.raw.Control(r.ask) // Control fails when the connection is closed
	}
	return r.bytes
}

func (r *receiver) count(socket uintptr) {
	if n, ok := unread(socket); ok {
		r.bytes = n
	}
}

// await waits until the kernel has want bytes, or maxAwaited if that is less, or until the client has closed
// its side. It gives how many bytes the kernel has. So a thousand clients that each send a large request
// slowly do not cost a thousand buffers: a request gets its buffer only when its bytes have come.
func (r *receiver) await(want int) int {
	r.want = min(want, maxAwaited)
	if n := r.unread(); n >= r.want || r.raw == nil {
		return n
	}
	r.flush()
	_ = r.raw.Control(r.askLess) // if it fails, the wait ends sooner
	r.awaiting.Store(true)
	_ = r.raw.Read(r.enough) // the read that follows meets the same error
	r.awaiting.Store(false)
	r.want = 1
	_ = r.raw.Control(r.askLess)
	return r.unread()
}

// heard gives the time since the client last sent data while await waits; ok is false when await does not wait.
// Any goroutine may call it.
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

// lowWater makes the socket readable only when it holds want bytes (SO_RCVLOWAT).
func (r *receiver) lowWater(socket uintptr) {
	_ = unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_RCVLOWAT, r.want)
}

// hasEnough reports whether await is to stop waiting: the kernel has want bytes, or it cannot hold
// that many, or the client has closed its side.
func (r *receiver) hasEnough(socket uintptr) bool {
	r.count(socket)
	if r.bytes >= r.want {
		return true
	}
	poll := [1]unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN | pollEnded}}
	n, err := unix.Poll(poll[:], 0)
	return err != nil || n > 0
}

// awaitBytes waits until the client has sent a byte. Until then a connection has no
// buffers, so ten thousand silent connections cost little.
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
