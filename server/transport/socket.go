package transport

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A socket never waits inside a system call: Go's poller waits. The syscall package tells the scheduler of each call all
// the same, since the call may last, and the scheduler then wakes its monitor thread whenever the process was idle before.
// When requests come one by one, the monitor thread took a third of the broker's CPU time. So the broker makes small reads
// and writes, whose copy takes no time, without telling the scheduler (socket_raw.go). It makes large ones, whose copy may
// last, through the syscall package.
const (
	smallRead  = readBuffer
	smallWrite = smallRegion
)

// smallReader reads from a connection. One goroutine at a time may use it.
type smallReader struct {
	nc  net.Conn
	raw syscall.RawConn // nil when nc has none

	// p, n and errno are the buffer and the result of the present read. more is the method pull, as a function value
	// that is made once: a closure for each read would be garbage for each read.
	p     []byte
	n     int
	errno syscall.Errno
	more  func(socket uintptr) (done bool)
}

func (r *smallReader) open(nc net.Conn) {
	*r = smallReader{nc: nc, raw: rawConn(nc), more: r.pull}
}

// Read implements io.Reader.
func (r *smallReader) Read(p []byte) (int, error) {
	if r.raw == nil || len(p) == 0 || len(p) > smallRead {
		return r.nc.Read(p)
	}
	r.p, r.n, r.errno = p, 0, 0
	err := r.raw.Read(r.more)
	r.p = nil
	switch {
	case err != nil:
		return 0, err
	case r.errno != 0:
		return 0, os.NewSyscallError("recvfrom", r.errno)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

func (r *smallReader) pull(socket uintptr) (done bool) {
	for {
		n, errno := receiveNow(socket, r.p)
		switch errno {
		case unix.EAGAIN:
			return false
		case unix.EINTR:
			continue
		case 0:
			r.n = n
		}
		r.errno = errno
		return true
	}
}
