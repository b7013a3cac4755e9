package limit

import (
	"encoding/binary"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// fetch answers a Fetch 11: the head from memory, the records with sendfile.
func fetch(answer []byte, c *net.TCPConn, s *store, r *reader, correlation int32) ([]byte, error) {
	r.bytes(4 + 4 + 4 + 4 + 1 + 4 + 4) // replica, wait, sizes, isolation, session
	topics := r.int32()
	topic := r.text()
	partitions := r.int32()
	index := r.int32()
	r.bytes(4) // leader epoch
	offset := r.int64()
	r.bytes(8) // log start
	most := int64(r.int32())
	if r.short || topics != 1 || partitions != 1 {
		return nil, errRequest
	}
	p, err := s.partition(topic, index)
	if err != nil {
		return nil, err
	}
	at, n, end := p.region(offset, most)
	answer = append(answer, 0, 0, 0, 0)
	answer = binary.BigEndian.AppendUint32(answer, uint32(correlation))
	answer = append(answer, make([]byte, 4+2+4)...) // throttle time, error, session
	answer = binary.BigEndian.AppendUint32(answer, 1)
	answer = binary.BigEndian.AppendUint16(answer, uint16(len(topic)))
	answer = append(answer, topic...)
	answer = binary.BigEndian.AppendUint32(answer, 1)
	answer = binary.BigEndian.AppendUint32(answer, uint32(index))
	answer = binary.BigEndian.AppendUint16(answer, 0)
	answer = binary.BigEndian.AppendUint64(answer, uint64(end)) // high watermark
	answer = binary.BigEndian.AppendUint64(answer, uint64(end)) // last stable offset
	answer = binary.BigEndian.AppendUint64(answer, 0)           // log start
	answer = binary.BigEndian.AppendUint32(answer, 0)           // no aborted transactions
	answer = binary.BigEndian.AppendUint32(answer, ^uint32(0))  // no preferred replica
	answer = binary.BigEndian.AppendUint32(answer, uint32(n))
	binary.BigEndian.PutUint32(answer, uint32(int64(len(answer)-4)+n))
	return answer, send(c, answer, p.file, at, n)
}

// send sends the head and then n bytes of a file from at on. MSG_MORE has the kernel put the head into one packet
// with the first bytes of the file.
func send(c *net.TCPConn, head []byte, file *os.File, at, n int64) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	more := sendMore
	if n == 0 {
		more = 0
	}
	for left := int64(len(head)) + n; left > 0; {
		var sent int
		var failed error
		err := raw.Write(func(fd uintptr) bool {
			if len(head) > 0 {
				sent, failed = unix.SendmsgN(int(fd), head, nil, nil, more)
			} else {
				sent, failed = unix.Sendfile(int(fd), int(file.Fd()), &at, int(left))
			}
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case failed == unix.EINTR:
			continue
		case failed != nil:
			return os.NewSyscallError("sendfile", failed)
		case sent == 0:
			return io.ErrUnexpectedEOF
		}
		left -= int64(sent)
		head = head[min(sent, len(head)):]
	}
	return nil
}
