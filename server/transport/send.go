package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyChunk is how many bytes of a region the sender reads at a time where it cannot use
// sendfile.
const copyChunk = 256 << 10

// sender writes answers to a socket: a run of buffers with one writev, a region of a
// file with sendfile. One goroutine at a time may use it.
type sender struct {
	nc       net.Conn
	raw      syscall.RawConn // nil when nc has none: then there is no sendfile
	buffers  *buffers
	progress func()   // called after bytes went out
	bufs     [][]byte // the buffers to send; reused
	small    []byte   // the bytes of the small regions in bufs

	// rest, one and file are what is left to send. Each function sends one of them as far as
	// the socket takes bytes. The function values are made once: a closure for each region
	// would be garbage for each region.
	rest      net.Buffers
	one       []byte
	file      fileRest
	moreBytes func(socket uintptr) (done bool)
	moreSmall func(socket uintptr) (done bool)
	moreFile  func(socket uintptr) (done bool)
	failed    error // the error that ended such a function early

	// outstanding is how many bytes the client has not acknowledged yet, and ask sets it. Both
	// are used under the connection's mu, while nobody is writing.
	outstanding int
	ask         func(socket uintptr)
	atOnce      int // how many bytes an empty socket surely takes at once
}

// fileRest is the part of a region that is left to send.
type fileRest struct {
	region Region
	fd     int
	pos    int64
	bytes  int
	none   bool // the file system has no sendfile
}

// open prepares the sender to write to a connection.
func (s *sender) open(nc net.Conn, pool *buffers, progress func()) {
	*s = sender{nc: nc, buffers: pool, progress: progress, moreBytes: s.pushBytes, moreSmall: s.pushSmall, moreFile: s.pushFile, ask: s.look}
	s.raw = rawConn(nc)
	if s.raw != nil {
		_ = control(s.raw, func(fd int) error {
			n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
			s.atOnce = min(smallRegion, n/4)
			return err
		})
	}
}

// rawConn gives the socket of a connection, nil if it has none.
func rawConn(nc net.Conn) syscall.RawConn {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// drained reports whether the client has acknowledged all bytes: then the socket has room.
func (s *sender) drained() bool {
	if s.raw == nil {
		return false
	}
	s.outstanding = 1
	_ = s.raw.Control(s.ask) // Control fails when the connection is closed
	return s.outstanding == 0
}

func (s *sender) look(socket uintptr) {
	if n, ok := unsent(socket); ok {
		s.outstanding = n
	}
}

// The sender reads a region of up to smallRegion bytes into memory and sends it together
// with the buffers before it, since a call of sendfile costs more than the copy. It holds
// up to smallRegions bytes of such regions at a time.
const (
	smallRegion  = 16 << 10
	smallRegions = 32 << 10
)

// send writes the answers in order.
func (s *sender) send(answers []*Answer) error {
	s.bufs = s.bufs[:0]
	defer func() { s.buffers.put(s.small); s.small = nil }()
	for _, a := range answers {
		for i := range a.parts {
			p := &a.parts[i]
			if p.Bytes != nil {
				s.bufs = append(s.bufs, p.Bytes)
				continue
			}
			if p.Region.Size() <= smallRegion {
				if err := s.addRegion(p.Region); err != nil {
					return err
				}
				continue
			}
			if err := s.writeBytes(true); err != nil {
				return err
			}
			if err := s.writeRegion(p.Region); err != nil {
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

// addRegion reads a small region into memory and adds it to the buffers to send.
func (s *sender) addRegion(r Region) error {
	switch {
	case s.small == nil:
		s.small = s.buffers.get(smallRegions)[:0]
	case cap(s.small)-len(s.small) < r.Size():
		if err := s.writeBytes(false); err != nil {
			return err
		}
		s.small = s.small[:0]
	}
	at := len(s.small)
	s.small = s.small[:at+r.Size()]
	if _, err := r.ReadAt(s.small[at:], 0); err != nil {
		return r.ReadFailed(err)
	}
	s.bufs = append(s.bufs, s.small[at:])
	return nil
}

// writeBytes sends the collected buffers. With more, it tells the kernel that a region
// follows, so that a small head does not leave as a packet of its own.
func (s *sender) writeBytes(more bool) error {
	if len(s.bufs) == 0 {
		return nil
	}
	defer func() { clear(s.bufs); s.bufs, s.rest = s.bufs[:0], nil }()
	if more && s.raw != nil {
		s.rest = s.bufs
		return s.write(s.moreBytes)
	}
	if len(s.bufs) == 1 && len(s.bufs[0]) <= smallWrite && s.raw != nil {
		s.one = s.bufs[0]
		err := s.write(s.moreSmall)
		s.one = nil
		return err
	}
	if len(s.bufs) == 1 {
		_, err := s.nc.Write(s.bufs[0])
		return err
	}
	s.rest = s.bufs
	_, err := s.rest.WriteTo(s.nc)
	return err
}

// write calls f whenever the socket takes bytes, until f reports that it is done.
func (s *sender) write(f func(uintptr) bool) error {
	s.failed = nil
	err := s.raw.Write(f)
	return errors.Join(err, s.failed)
}

// pushBytes sends what is left of the buffers, as long as the socket takes bytes.
func (s *sender) pushBytes(socket uintptr) (done bool) {
	for len(s.rest) > 0 {
		n, err := unix.SendmsgBuffers(int(socket), s.rest[:min(len(s.rest), maxIovec)], nil, nil, sendMore)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			s.failed = err
			return true
		}
		s.rest = consume(s.rest, n)
	}
	return true
}

// pushSmall sends what is left of a small buffer, as long as the socket takes bytes.
func (s *sender) pushSmall(socket uintptr) (done bool) {
	for len(s.one) > 0 {
		n, errno := sendNow(socket, s.one)
		switch errno {
		case 0:
			s.one = s.one[n:]
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			s.failed = os.NewSyscallError("sendto", errno)
			return true
		}
	}
	return true
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

// writeRegion sends a region of a file with sendfile. It passes the offset explicitly, so
// that many connections may send from one open file.
func (s *sender) writeRegion(r Region) error {
	f, pos := r.OSFile()
	if s.raw == nil || f == nil {
		return s.copyRegion(r)
	}
	s.file = fileRest{region: r, fd: int(f.Fd()), pos: pos, bytes: r.Size()}
	err := s.write(s.moreFile)
	none := s.file.none
	s.file = fileRest{}
	if none {
		return s.copyRegion(r)
	}
	return err
}

// pushFile sends what is left of the region, as long as the socket takes bytes.
func (s *sender) pushFile(socket uintptr) (done bool) {
	for f := &s.file; f.bytes > 0; {
		n, err := unix.Sendfile(int(socket), f.fd, &f.pos, f.bytes)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.EINTR):
			continue
		case f.bytes == f.region.Size() && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)):
			f.none = true
			return true
		case err != nil:
			if errors.Is(err, unix.EIO) { // the file's error: no socket gives EIO
				err = f.region.ReadFailed(err)
			}
			s.failed = err
			return true
		case n == 0:
			s.failed = io.ErrUnexpectedEOF
			return true
		}
		f.bytes -= n
		s.progress()
	}
	return true
}

// copyRegion reads the region and writes it, for sockets and files without sendfile.
func (s *sender) copyRegion(r Region) error {
	buf := s.buffers.get(min(r.Size(), copyChunk))
	defer s.buffers.put(buf)
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
