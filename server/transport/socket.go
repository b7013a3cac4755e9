package transport

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A socket never waits inside of a system call: the poller waits. Go's scheduler is told of each call all the same, in case
// that it lasts, and wakes its monitor thread for it whenever the process had nothing to do before. Where requests
// come one by one that thread took a third of the broker's CPU. So what is small, and copied in no time, is read and
// written without the scheduler (socket_raw.go). A large copy may last, and the scheduler is told of it.
const (
	smallRead  = readBuffer
	smallWrite = smallRegion
)

// smallReader reads from a connection. It is used by one goroutine at a time.
type smallReader struct {
	nc  net.Conn
	raw syscall.RawConn // nil where nc has none

	// What is to be read and what came of it, and the function that reads. It is made once: a closure for each
	// read would be garbage for each.
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
