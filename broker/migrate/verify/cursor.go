package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"

	"klamm/protocol/batch"
)

// replicaLog is one replica's log, as its broker serves it.
type replicaLog interface {
	// bounds gives the log start offset and the log end offset.
	bounds(ctx context.Context) (start, end int64, err error)
	// fetch reads from an offset on, up to the high watermark. It gives errOutOfRange for an offset that the log does not have.
	fetch(ctx context.Context, offset int64) (fetched, error)
}

// fetched is the answer to one fetch. records are whole batches, but for the last, which may be cut off. release gives their memory back.
type fetched struct {
	records                 []byte
	highWatermark, logStart int64
	release                 func()
}

// errOutOfRange says that a log does not have an offset.
var errOutOfRange = errors.New("the offset is out of range")

// unreadableError says that what a replica has at an offset is no batch, so that what follows cannot be found.
type unreadableError struct {
	broker int32
	offset int64
	reason string
}

func (e *unreadableError) Error() string {
	return fmt.Sprintf("broker %d has something at offset %d that cannot be read: %s", e.broker, e.offset, e.reason)
}

// item is a batch, an old message, or a record of either.
type item struct {
	base, last int64
	bytes      []byte  // of the batch or message
	rec        *record // nil for a batch or message as a whole
}

// record is what a comparison keeps of a record.
type record struct {
	key, content  uint64 // hashes
	noKey         bool
	tombstone     bool
	control       bool // a transaction's marker
	transactional bool
}

// cursor reads one replica's log from front to back.
type cursor struct {
	broker int32
	log    replicaLog
	start  int64 // the log start offset, as last heard of
	end    int64 // the log end offset when the log was opened
	hw     int64 // the high watermark, as last heard of

	next    int64 // the offset after all that was taken
	frame   fetched
	rest    []byte // of frame's records, not taken yet
	first   bool   // nothing of frame was taken yet
	current *item  // the batch at the front; nil until it is looked for
	opened  []item // the records of current that were not taken, where it was opened
	drained bool   // the replica has served all that it has up to its high watermark
}

// open finds out where the log begins and ends.
func (c *cursor) open(ctx context.Context) (err error) {
	c.start, c.end, err = c.log.bounds(ctx)
	c.next = c.start
	return err
}

// close gives memory back.
func (c *cursor) close() {
	if c.frame.release != nil {
		c.frame.release()
	}
	c.frame, c.rest, c.current, c.opened = fetched{}, nil, nil, nil
}

// fill fetches from next on. Where the log start offset has passed that, it goes on at the log start offset.
func (c *cursor) fill(ctx context.Context) error {
	c.close()
	for {
		f, err := c.log.fetch(ctx, c.next)
		if err == nil {
			c.frame, c.rest, c.first, c.drained = f, f.records, true, len(f.records) == 0
			c.start, c.hw = max(c.start, f.logStart), f.highWatermark
			return nil
		}
		if !errors.Is(err, errOutOfRange) {
			return err
		}
		start, end, err := c.log.bounds(ctx)
		if err != nil {
			return err
		}
		if start <= c.next {
			return fmt.Errorf("the log was cut back to offset %d while it was read at %d", end, c.next)
		}
		c.start, c.next = start, start
	}
}

// batch gives the batch at the front, nil at the end of what the replica serves.
func (c *cursor) batch(ctx context.Context) (*item, error) {
	for c.current == nil {
		if len(c.rest) == 0 && !c.drained {
			if err := c.fill(ctx); err != nil {
				return nil, err
			}
		}
		if c.drained {
			return nil, nil
		}
		if err := c.take(); err != nil {
			return nil, err
		}
	}
	return c.current, nil
}

// take takes the next batch out of rest. One that lies before next is passed over: an answer begins with the batch that has the offset.
func (c *cursor) take() error {
	unreadable := func(reason string) error { return &unreadableError{c.broker, c.next, reason} }
	b := c.rest
	old := len(b) >= batch.Overhead+5 && batch.IsMessageSet(b)
	size, next := len(b)+1, int64(0)
	if old || len(b) >= batch.HeaderSize {
		var err error
		if size, next, err = batch.Bounds(b); err != nil {
			return unreadable(err.Error())
		}
	}
	if size > len(b) {
		if c.first {
			return unreadable(fmt.Sprintf("a batch of %d bytes of which the broker sends %d", size, len(b)))
		}
		c.rest = nil // cut off: it is fetched anew
		return nil
	}
	it := item{base: next - 1, last: next - 1, bytes: b[:size]}
	if !old {
		h, err := batch.ParseHeader(b)
		if err != nil {
			return unreadable(err.Error())
		}
		it.base = h.BaseOffset
	}
	c.rest = b[size:]
	if it.last < c.next {
		if len(c.rest) == 0 && c.first {
			return unreadable(fmt.Sprintf("the broker sends a batch with the offsets %d to %d", it.base, it.last))
		}
		return nil
	}
	c.first, c.current = false, &it
	return nil
}

// skipTo goes on at an offset.
func (c *cursor) skipTo(offset int64) {
	c.close()
	c.next, c.drained = offset, false
}

// pass passes over the batch at the front.
func (c *cursor) pass() {
	c.next, c.current, c.opened = c.current.last+1, nil, nil
}

// peek gives the next batch, or with records the next record; nil at the end of what the replica serves.
func (c *cursor) peek(ctx context.Context, records bool) (*item, error) {
	for {
		b, err := c.batch(ctx)
		if b == nil || !records {
			return b, err
		}
		if c.opened == nil {
			if c.opened, err = open(b); err != nil {
				return nil, &unreadableError{c.broker, b.base, err.Error()}
			}
		}
		for len(c.opened) > 0 && c.opened[0].last < c.next {
			c.opened = c.opened[1:]
		}
		if len(c.opened) > 0 {
			return &c.opened[0], nil
		}
		c.pass()
	}
}

// advance passes over what peek gave.
func (c *cursor) advance() {
	if len(c.opened) == 0 {
		c.pass()
		return
	}
	c.next = c.opened[0].last + 1
	if c.opened = c.opened[1:]; len(c.opened) == 0 {
		c.pass()
	}
}

// seed makes the hashes of this process.
var seed = maphash.MakeSeed()

// open gives the records of a batch or of an old message.
func open(b *item) (items []item, err error) {
	if err := checkCRC(b.bytes); err != nil {
		return nil, err
	}
	all := batch.Records
	var h batch.Header
	if batch.IsMessageSet(b.bytes) {
		all = batch.Messages
	} else if h, err = batch.ParseHeader(b.bytes); err != nil {
		return nil, err
	}
	items = []item{}
	for r, err := range all(b.bytes, 0) {
		if err != nil {
			return nil, err
		}
		rec := &record{key: maphash.Bytes(seed, r.Key), content: contentOf(&r), noKey: r.Key == nil, tombstone: r.Value == nil,
			control: h.Control(), transactional: h.Transactional()}
		items = append(items, item{base: r.Offset, last: r.Offset, bytes: b.bytes, rec: rec})
	}
	return items, nil
}

// contentOf hashes all that a record says.
func contentOf(r *batch.Record) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	number := func(n int) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	field := func(b []byte) {
		if b == nil {
			number(-1)
			return
		}
		number(len(b))
		h.Write(b)
	}
	number(int(r.Timestamp))
	field(r.Key)
	field(r.Value)
	for _, header := range r.Headers {
		field([]byte(header.Key))
		field(header.Value)
	}
	return h.Sum64()
}

// checkCRC checks the CRC of a batch or of an old message.
func checkCRC(b []byte) error {
	if !batch.IsMessageSet(b) {
		return batch.CheckCRC(b)
	}
	for _, err := range batch.Messages(b, 0) {
		if err != nil {
			return err
		}
	}
	return nil
}
