package server

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"klamm/logstore"
)

// copyChunk is how much of a region is read at a time where sendfile cannot be
// used.
const copyChunk = 256 << 10

// sender writes answers to a socket: runs of bytes with one writev, regions of
// files with sendfile. It is used by one goroutine at a time.
type sender struct {
	nc       net.Conn
	raw      syscall.RawConn // nil where nc has none: then no sendfile
	progress func()          // called when bytes went out
	batch    []*answer       // reused
	bufs     [][]byte        // reused
}

func newSender(nc net.Conn, progress func()) sender {
	s := sender{nc: nc, progress: progress}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	return s
}

// unread is how many bytes of the client's the kernel holds.
func (s *sender) unread() (n int) {
	if s.raw != nil {
		_ = control(s.raw, func(fd int) (err error) {
			n, err = unix.IoctlGetInt(fd, unix.SIOCINQ)
			return err
		})
	}
	return n
}

// awaitBytes waits until the client has sent something. Until then a connection
// has no buffers: ten thousand that say nothing cost little.
func (s *sender) awaitBytes() error {
	if s.raw == nil {
		return nil
	}
	var one [1]byte
	return s.raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
}

// take copies the answers that are about to be sent.
func (s *sender) take(ready []*answer) []*answer {
	s.batch = append(s.batch[:0], ready...)
	return s.batch
}

// send writes the answers in order.
func (s *sender) send(answers []*answer) error {
	s.bufs = s.bufs[:0]
	for _, a := range answers {
		for i := range a.parts {
			p := &a.parts[i]
			if p.bytes != nil {
				s.bufs = append(s.bufs, p.bytes)
				continue
			}
			if err := s.writeBytes(true); err != nil {
				return err
			}
			if err := s.writeRegion(&p.region); err != nil {
				return err
			}
		}
	}
	if err := s.writeBytes(false); err != nil {
		return err
	}
	s.progress()
	return nil
}

// writeBytes sends the collected buffers. With more, the kernel is told that a
// region follows, so that a small head does not leave as a packet of its own.
func (s *sender) writeBytes(more bool) error {
	if len(s.bufs) == 0 {
		return nil
	}
	defer func() { clear(s.bufs); s.bufs = s.bufs[:0] }()
	if !more || s.raw == nil {
		if len(s.bufs) == 1 {
			_, err := s.nc.Write(s.bufs[0])
			return err
		}
		bufs := net.Buffers(s.bufs)
		_, err := bufs.WriteTo(s.nc)
		return err
	}
	rest := s.bufs
	var failed error
	err := s.raw.Write(func(fd uintptr) bool {
		for len(rest) > 0 {
			n, err := unix.SendmsgBuffers(int(fd), rest[:min(len(rest), maxIovec)], nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return false
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil:
				failed = err
				return true
			}
			rest = consume(rest, n)
		}
		return true
	})
	return errors.Join(err, failed)
}

// maxIovec is the most buffers that the kernel takes in one call (IOV_MAX).
const maxIovec = 1024

// consume drops n bytes from the front of the buffers.
func consume(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

// writeRegion sends a region of a file with an explicit offset, so that many
// connections may send from one open file.
func (s *sender) writeRegion(r *logstore.Region) error {
	f := r.OSFile()
	if s.raw == nil || f == nil {
		return s.copyRegion(r)
	}
	file, err := f.SyscallConn()
	if err != nil {
		return err
	}
	pos, left, none := r.Pos, r.Size(), false
	var failed, waited error
	err = file.Control(func(in uintptr) {
		waited = s.raw.Write(func(out uintptr) bool {
			for left > 0 {
				n, err := unix.Sendfile(int(out), int(in), &pos, left)
				switch {
				case errors.Is(err, unix.EAGAIN):
					return false
				case errors.Is(err, unix.EINTR):
					continue
				case left == r.Size() && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)):
					none = true
					return true
				case err != nil:
					if errors.Is(err, unix.EIO) { // no socket's
						err = r.ReadFailed(err)
					}
					failed = err
					return true
				case n == 0:
					failed = io.ErrUnexpectedEOF
					return true
				}
				left -= n
				s.progress()
			}
			return true
		})
	})
	if none {
		return s.copyRegion(r) // a file system that has no sendfile
	}
	return errors.Join(err, waited, failed)
}

// copyRegion reads the region and writes it, for sockets and files that know no sendfile.
func (s *sender) copyRegion(r *logstore.Region) error {
	buf := getBytes(min(r.Size(), copyChunk))
	defer putBytes(buf)
	for off := 0; off < r.Size(); {
		n := min(cap(buf), r.Size()-off)
		if _, err := r.ReadAt(buf[:n], int64(off)); err != nil {
			return r.ReadFailed(err)
		}
		if _, err := s.nc.Write(buf[:n]); err != nil {
			return err
		}
		s.progress()
		off += n
	}
	return nil
}
