package replay

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// scratch is where the kernel would put what it drops: its pages are never touched.
var scratch = make([]byte, 4<<20)

// drop takes n bytes off the connection. The kernel throws away what is not in the buffer
// yet (MSG_TRUNC, tcp(7)). That spares the client the copy, which would cost more than a
// broker that uses sendfile does.
func (c *fetcher) drop(n int) error {
	buffered, err := c.head.Discard(min(n, c.head.Buffered()))
	if err != nil {
		return err
	}
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	for n -= buffered; n > 0; {
		var got int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			got, _, failed = unix.Recvfrom(int(fd), scratch[:min(n, len(scratch))], unix.MSG_TRUNC)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case failed == unix.EINTR:
			continue
		case failed != nil:
			return os.NewSyscallError("recvfrom", failed)
		case got == 0:
			return io.ErrUnexpectedEOF
		}
		n -= got
	}
	return nil
}
