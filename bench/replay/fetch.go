package replay

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Reading is what one connection of Fetch reads of a partition, one request at a
// time.
type Reading struct {
	Partition int32
	// Next gives the offset of the next request from the last one and the number of
	// records that came; false ends the connection. The first call has 0 and 0.
	Next func(offset, records int64) (int64, bool)
}

// Fetching says what Fetch asks for: Readings of Topic from the broker at Addr, up to
// MaxBytes a request. Every field is required.
type Fetching struct {
	Addr     string
	Topic    string
	MaxBytes int32
	// BatchBytes and BatchRecords are those of every batch of the topic.
	BatchBytes, BatchRecords int
	Readings                 []Reading // one a connection
}

// Fetch reads until every connection is at its end.
func Fetch(ctx context.Context, f Fetching) (Done, error) {
	conns := make([]*fetcher, len(f.Readings))
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	for i, r := range f.Readings {
		conn, err := dial(ctx, f.Addr)
		if err != nil {
			return Done{}, err
		}
		conns[i] = &fetcher{Fetching: f, Reading: r, conn: conn, head: bufio.NewReaderSize(conn, headBytes),
			frame: newFetchFrame(f.Topic, r.Partition, f.MaxBytes, 500)}
	}
	begun := time.Now()
	if err := all(ctx, len(conns), func(ctx context.Context, i int) error { return conns[i].run(ctx) }); err != nil {
		return Done{}, err
	}
	done := Done{Took: time.Since(begun)}
	for _, c := range conns {
		done.Requests += int64(len(c.latencies))
		done.Bytes += c.bytes
		done.Latencies = append(done.Latencies, c.latencies...)
	}
	return done, nil
}

// headBytes is how much of an answer is read: so little that the kernel drops the records
// behind the answer's head.
const headBytes = 512

// fetcher is one connection.
type fetcher struct {
	Fetching
	Reading
	conn  *net.TCPConn
	head  *bufio.Reader
	frame *fetchFrame

	bytes     int64
	latencies []int64
}

func (c *fetcher) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for offset, more := c.Next(0, 0); more; {
		begun := time.Now()
		if _, err := c.conn.Write(c.frame.at(offset)); err != nil {
			return err
		}
		n, err := c.answer(offset)
		if err != nil {
			return fmt.Errorf("replay: fetching partition %d at %d: %w", c.Partition, offset, err)
		}
		c.latencies = append(c.latencies, int64(time.Since(begun)))
		c.bytes += int64(n)
		batches := n / c.BatchBytes // the last one may be cut short
		if batches == 0 {
			return fmt.Errorf("replay: fetching partition %d at %d: %d bytes, not a whole batch", c.Partition, offset, n)
		}
		offset, more = c.Next(offset, int64(batches*c.BatchRecords))
	}
	return nil
}

// answer reads an answer, checks that its records begin where they were asked for
// and drops them. It gives how many bytes of them there were.
func (c *fetcher) answer(offset int64) (int, error) {
	var word [4]byte
	if _, err := io.ReadFull(c.head, word[:]); err != nil {
		return 0, err
	}
	left := int(binary.BigEndian.Uint32(word[:]))
	head, err := c.head.Peek(min(left, fixedHead+len(c.Topic)+batchHead))
	if err != nil {
		return 0, err
	}
	n, err := c.check(head, offset)
	if err != nil {
		return 0, err
	}
	return n, c.drop(left)
}

// Where things are in an answer to Fetch 11, without its length prefix and without
// the bytes of the topic's name.
const (
	errorAt     = 8                         // behind correlation id and throttle time
	topicsAt    = errorAt + 2 + 4           // behind the session
	partitionAt = topicsAt + 4 + 2 + 4      // behind the name, and how many partitions
	abortedAt   = partitionAt + 4 + 2 + 3*8 // behind the code and three offsets
	recordsAt   = abortedAt + 4 + 4         // behind the preferred replica
	fixedHead   = recordsAt + 4             // behind the records' length
	batchHead   = 8                         // the base offset
)

// check looks at the head of an answer and gives the length of its records.
func (c *fetcher) check(head []byte, offset int64) (int, error) {
	name := len(c.Topic)
	if len(head) < topicsAt {
		return 0, errShort
	}
	if code := int16(binary.BigEndian.Uint16(head[errorAt:])); code != 0 {
		return 0, kerr.ErrorForCode(code)
	}
	if binary.BigEndian.Uint32(head[topicsAt:]) != 1 || len(head) < fixedHead+name {
		return 0, errors.New("not the one partition that was asked for")
	}
	if code := int16(binary.BigEndian.Uint16(head[partitionAt+name+4:])); code != 0 {
		return 0, kerr.ErrorForCode(code)
	}
	if aborted := int32(binary.BigEndian.Uint32(head[abortedAt+name:])); aborted > 0 {
		return 0, fmt.Errorf("%d aborted transactions", aborted)
	}
	n := int(int32(binary.BigEndian.Uint32(head[recordsAt+name:])))
	if n < batchHead || len(head) < fixedHead+name+batchHead {
		return 0, fmt.Errorf("%d bytes of records", n)
	}
	base := int64(binary.BigEndian.Uint64(head[fixedHead+name:]))
	if base > offset || offset >= base+int64(c.BatchRecords) {
		return 0, fmt.Errorf("the records begin with offset %d", base)
	}
	return n, nil
}
