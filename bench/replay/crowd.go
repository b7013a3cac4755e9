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
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Crowding says what Crowd does: Connections connections to the broker at Addr send the
// Frames, each of which carries a batch of BatchBytes. Every field is required.
type Crowding struct {
	Addr       string
	Frames     *Frames
	BatchBytes int
	// Quiet is a topic of one partition without records, for fetches that wait.
	Quiet       string
	Connections int
	Every       time.Duration // from one record of a connection to its next
	Times       int           // records of a connection
}

// crowdMember is one connection.
type crowdMember struct {
	conn    *net.TCPConn
	answers *bufio.Reader
	frame   int
	wait    []byte // a Fetch that waits, nil for a member that never does
	waiting bool
	ns      []int64
}

// Crowd connects, then lets each connection produce one record every so often, spread
// evenly over the time. Every other connection waits in a fetch in between. The broker
// answers that fetch, without records, before the connection's next record is due, since it
// answers a connection's requests in order. Latencies are of Produce, from when a record
// was due. Crowd calls connected once all connections stand.
func Crowd(ctx context.Context, c Crowding, connected func() error) (Done, error) {
	members := make([]*crowdMember, c.Connections)
	defer func() {
		for _, m := range members {
			if m != nil {
				m.conn.Close()
			}
		}
	}()
	wait := newFetchFrame(c.Quiet, 0, 1<<20, int32((c.Every * 3 / 4).Milliseconds())).at(0)
	for i := range members {
		conn, err := dial(ctx, c.Addr) // one by one: a broker's backlog is short
		if err != nil {
			return Done{}, fmt.Errorf("replay: connection %d: %w", i, err)
		}
		members[i] = &crowdMember{conn: conn, answers: bufio.NewReaderSize(conn, 1024), frame: i % c.Frames.Len()}
		if i%2 == 1 {
			members[i].wait = wait
		}
	}
	if err := connected(); err != nil {
		return Done{}, err
	}
	begun := time.Now()
	if err := all(ctx, c.Connections, func(ctx context.Context, i int) error {
		stop := context.AfterFunc(ctx, func() { _ = members[i].conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		first := begun.Add(c.Every * time.Duration(i) / time.Duration(c.Connections))
		for n := range c.Times {
			if err := members[i].once(ctx, c, first.Add(time.Duration(n)*c.Every), n+1 < c.Times); err != nil {
				return fmt.Errorf("replay: connection %d: %w", i, err)
			}
		}
		return nil
	}); err != nil {
		return Done{}, err
	}
	done := Done{Took: time.Since(begun)}
	for _, m := range members {
		done.Latencies = append(done.Latencies, m.ns...)
	}
	done.Requests = int64(len(done.Latencies))
	done.Bytes = done.Requests * int64(c.BatchBytes)
	return done, nil
}

// once produces one record when it is due and, unless it is the last, goes on to wait
// in a fetch.
func (m *crowdMember) once(ctx context.Context, c Crowding, due time.Time, more bool) error {
	if m.waiting {
		if err := m.waited(); err != nil {
			return err
		}
	}
	select {
	case <-time.After(time.Until(due)):
	case <-ctx.Done():
		return ctx.Err()
	}
	frame, _ := c.Frames.span(m.frame, 1)
	if _, err := m.conn.Write(frame); err != nil {
		return err
	}
	answer, err := m.answer()
	if err != nil {
		return err
	}
	if err := c.Frames.check(answer, int32(m.frame)); err != nil {
		return err
	}
	m.ns = append(m.ns, int64(time.Since(due)))
	m.waiting = more && m.wait != nil
	if !m.waiting {
		return nil
	}
	_, err = m.conn.Write(m.wait)
	return err
}

// waited reads the answer to a fetch that found nothing.
func (m *crowdMember) waited() error {
	answer, err := m.answer()
	if err != nil {
		return err
	}
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = fetchVersion
	if err := resp.ReadFrom(answer[4:]); err != nil {
		return err
	}
	if resp.ErrorCode != 0 {
		return kerr.ErrorForCode(resp.ErrorCode)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("a waiting fetch is answered without its partition")
	}
	p := resp.Topics[0].Partitions[0]
	if len(p.RecordBatches) > 0 {
		return errors.New("a waiting fetch is answered with records of a topic that has none")
	}
	if p.ErrorCode != 0 {
		return kerr.ErrorForCode(p.ErrorCode)
	}
	return nil
}

// answer reads a small answer.
func (m *crowdMember) answer() ([]byte, error) {
	var word [4]byte
	if _, err := io.ReadFull(m.answers, word[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(word[:])
	if n < 4 || n > 1<<12 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(m.answers, answer)
	return answer, err
}
