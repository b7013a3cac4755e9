package limit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// maxFrame bounds a request; a client of the benchmark sends none that is larger.
const maxFrame = 16 << 20

// sendBuffer is Kafka's default of socket.send.buffer.bytes.
const sendBuffer = 100 << 10

// Serve accepts connections and answers their requests until the caller closes l, and then until the clients have
// closed their connections. It makes the partitions' files in dir. It closes a connection that sends anything
// else than a Produce 7 or a Fetch 11 with one partition. The error is that of Accept; it is nil once l is
// closed.
func Serve(l net.Listener, dir string) error {
	s := &store{dir: dir, partitions: map[string]*partition{}}
	defer s.close()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() {
			defer c.Close()
			_ = serve(c.(*net.TCPConn), s) // the client sees its connection close
		})
	}
}

// serve answers the requests of one connection, one after the other.
func serve(c *net.TCPConn, s *store) error {
	// A send buffer of the size that brokers have by default stays in the CPU's caches. With
	// the kernel's own size sendfile took half as much CPU again for a GB. The receive
	// buffer keeps the kernel's own size, with which receiving takes less CPU.
	if err := c.SetWriteBuffer(sendBuffer); err != nil {
		return err
	}
	in := bufio.NewReaderSize(c, 64<<10)
	var frame, answer []byte
	var head [4]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n > maxFrame {
			return fmt.Errorf("limit: a frame of %d bytes", n)
		}
		if cap(frame) < n {
			frame = make([]byte, n)
		}
		frame = frame[:n]
		if _, err := io.ReadFull(in, frame); err != nil {
			return err
		}
		r := &reader{rest: frame}
		key, version, correlation := r.int16(), r.int16(), r.int32()
		r.text()
		var err error
		switch {
		case key == 0 && version == 7:
			answer, err = produce(answer[:0], s, r, correlation)
			if err == nil {
				_, err = c.Write(answer)
			}
		case key == 1 && version == 11:
			answer, err = fetch(answer[:0], c, s, r, correlation)
		default:
			err = fmt.Errorf("limit: API %d version %d", key, version)
		}
		if err != nil {
			return err
		}
	}
}

// reader takes a request apart. Reading past the end gives zeros and sets short.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.short = true
		r.rest = nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) int16() int16 {
	if b := r.bytes(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.bytes(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.bytes(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// text reads a string, which may be null.
func (r *reader) text() []byte { return r.bytes(max(0, int(r.int16()))) }
