package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"klamm/protocol/batch"
)

// comparison holds the replicas of one partition against a reference, its leader where that can be read. Each of the others is a pair with it.
type comparison struct {
	topic     string
	partition int32
	compacted bool // cleanup.policy has compact
	ref       *cursor
	pairs     []*pair
	batches   int64 // of the reference, compared with one replica at least
	records   int64 // likewise, where records are compared
	crcOf     int64 // the base offset of the reference's batch whose CRC was checked last
}

// pair is a replica beside the reference.
type pair struct {
	of         *comparison
	other      *cursor
	begin, end int64 // the offsets to compare
	skipped    int64 // how many offsets one of the two does not have any more
	difference *Difference
	stopped    bool // no further
	pending    map[uint64]lone
	unjudged   int64 // how many records only one of the two has, without that it can be said why
}

// run opens the logs, agrees on the offsets to compare and compares. failed is called with what keeps a replica from being compared.
func (c *comparison) run(ctx context.Context, replicas []*cursor, failed func(broker int32, err error)) error {
	defer func() {
		for _, r := range replicas {
			r.close()
		}
	}()
	var there []*cursor
	for _, r := range replicas {
		if err := r.open(ctx); err != nil {
			failed(r.broker, err)
			continue
		}
		there = append(there, r)
	}
	if len(there) < 2 {
		return ctx.Err()
	}
	c.ref, c.crcOf = there[0], -1
	if err := c.agree(ctx, there[1:], failed); err != nil {
		return err
	}
	return c.compare(ctx, failed)
}

// agree finds the offsets that each pair compares: from the larger of the two log start offsets up to the lower high watermark.
func (c *comparison) agree(ctx context.Context, others []*cursor, failed func(int32, error)) error {
	first := c.ref.end
	for _, o := range others {
		p := &pair{of: c, other: o, begin: max(c.ref.start, o.start), pending: map[uint64]lone{}}
		low := c.ref
		if o.start < low.start {
			low = o
		}
		p.skipped = max(0, min(p.begin, low.end)-low.start)
		c.pairs = append(c.pairs, p)
		if p.begin >= min(c.ref.end, o.end) {
			p.stopped = true // one of the two has nothing that the other has
			continue
		}
		first = min(first, p.begin)
		o.next = p.begin
		p.try(failed, func() error { return o.fill(ctx) })
	}
	if first == c.ref.end {
		return nil
	}
	c.ref.next = first
	if err := c.ref.fill(ctx); err != nil {
		return fmt.Errorf("broker %d: %w", c.ref.broker, err)
	}
	for _, p := range c.pairs {
		p.end = min(c.ref.hw, p.other.hw)
	}
	return nil
}

// compare goes through the reference's log and has each pair meet what it has.
func (c *comparison) compare(ctx context.Context, failed func(int32, error)) error {
	for {
		end := int64(0)
		for _, p := range c.pairs {
			if !p.stopped {
				end = max(end, p.end)
			}
		}
		if c.ref.next >= end {
			break
		}
		same, err := c.skipEqual(ctx)
		if same {
			continue
		}
		var r *item
		if err == nil {
			r, err = c.ref.peek(ctx, c.compacted)
		}
		if err != nil {
			if c.passDamage(ctx, err) {
				continue
			}
			return fmt.Errorf("broker %d: %w", c.ref.broker, err)
		}
		if r == nil || r.base >= end {
			break
		}
		for _, p := range c.pairs {
			p.try(failed, func() error { return p.passDamage(p.meet(ctx, r)) })
		}
		c.count(r)
		c.ref.advance()
	}
	for _, p := range c.pairs {
		p.try(failed, func() error { return p.finish(ctx) })
	}
	return ctx.Err()
}

// count counts what was compared.
func (c *comparison) count(r *item) {
	if r.rec != nil {
		c.records++
	} else {
		c.batches++
	}
}

// try does something with the other replica. After an error the pair is compared no further.
func (p *pair) try(failed func(int32, error), do func() error) {
	if p.stopped {
		return
	}
	if err := do(); err != nil {
		p.stopped = true
		if u := new(unreadableError); errors.As(err, &u) {
			p.differ(u.offset, max(u.offset, p.end-1), u.Error()+"; nothing after it was compared")
			return
		}
		failed(p.other.broker, err)
	}
}

// passDamage makes a difference of bytes of the other replica that are no batch, and goes on after the batch that the reference has there.
func (p *pair) passDamage(err error) error {
	u := new(unreadableError)
	if !errors.As(err, &u) {
		return err
	}
	to := p.of.ref.current.last
	p.differ(u.offset, max(u.offset, to), u.Error())
	p.begin = to + 1
	p.other.skipTo(p.begin)
	return nil
}

// passDamage makes a difference of bytes of the reference that are no batch, and goes on after the batches that the others have there. It reports
// whether err is about such bytes.
func (c *comparison) passDamage(ctx context.Context, err error) bool {
	u := new(unreadableError)
	if !errors.As(err, &u) {
		return false
	}
	to := u.offset
	for _, p := range c.pairs {
		if p.stopped {
			continue
		}
		if o, err := p.other.batch(ctx); o != nil && err == nil {
			to = max(to, o.last)
		}
	}
	for _, p := range c.pairs {
		if p.stopped || u.offset >= p.end {
			continue
		}
		p.differ(u.offset, min(to, p.end-1), u.Error())
		p.begin = to + 1
		p.other.skipTo(p.begin)
	}
	c.ref.skipTo(to + 1)
	return true
}

// meet holds what the reference has against what the other replica has there.
func (p *pair) meet(ctx context.Context, r *item) error {
	if r.last < p.begin || r.last >= p.end {
		return nil
	}
	met := false
	for {
		o, err := p.peek(ctx)
		if err != nil {
			return err
		}
		if o == nil || o.base > r.last {
			break
		}
		switch {
		case o.last < r.base:
			p.alone(o, p.other, p.of.ref)
		case o.base == r.base && o.last == r.last:
			p.both(r, o)
			p.other.advance()
			return nil
		default:
			met = true
			p.differ(max(r.base, p.begin), r.last, fmt.Sprintf("broker %d has a batch with the offsets %d to %d, and broker %d one with %d to %d",
				p.of.ref.broker, r.base, r.last, p.other.broker, o.base, o.last))
			if o.last > r.last {
				return nil // it lies beside the next one too
			}
		}
		p.other.advance()
	}
	if !met {
		p.alone(r, p.of.ref, p.other)
	}
	return nil
}

// peek gives what the other replica has next in the pair's offsets, nil if there is nothing more.
func (p *pair) peek(ctx context.Context) (*item, error) {
	if p.other.next >= p.end {
		return nil, nil
	}
	o, err := p.other.peek(ctx, p.of.compacted)
	if o != nil && o.last >= p.end {
		o = nil
	}
	return o, err
}

// finish deals with what the other replica has after the last of the reference's.
func (p *pair) finish(ctx context.Context) error {
	for {
		o, err := p.peek(ctx)
		if err != nil {
			return err
		}
		if o == nil {
			break
		}
		p.alone(o, p.other, p.of.ref)
		p.other.advance()
	}
	if len(p.pending) > 0 {
		return p.settle(ctx)
	}
	return nil
}

// alone deals with something that only one of the two has. What lies before the other's log start offset is not there any more, and no difference.
func (p *pair) alone(it *item, has, lacks *cursor) {
	switch {
	case it.base < lacks.start:
		p.skipped += it.last - max(it.base, p.begin) + 1
	case it.rec != nil:
		p.aloneInCompacted(it, lacks)
	default:
		p.differ(it.base, it.last, fmt.Sprintf("broker %d has a batch that broker %d lacks", has.broker, lacks.broker))
	}
}

// both holds two batches or records with the same offsets against each other.
func (p *pair) both(r, o *item) {
	switch {
	case r.rec != nil:
		p.bothRecords(r, o)
	case !bytes.Equal(r.bytes, o.bytes):
		p.differ(r.base, r.last, p.distinguish(r.bytes, o.bytes))
	default:
		p.checkEqual(r)
	}
}

// checkEqual checks the CRC of a batch that both have. That is one batch, so it is checked once.
func (p *pair) checkEqual(r *item) {
	if p.of.crcOf == r.base {
		return
	}
	p.of.crcOf = r.base
	if err := checkCRC(r.bytes); err != nil {
		p.differ(r.base, r.last, fmt.Sprintf("brokers %d and %d have the same batch, and it is damaged: %v", p.of.ref.broker, p.other.broker, err))
	}
}

// distinguish says how two batches with the same offsets differ.
func (p *pair) distinguish(r, o []byte) string {
	var how []string
	a, errA := batch.ParseHeader(r)
	b, errB := batch.ParseHeader(o)
	if magicA, magicB := r[batch.Overhead+4], o[batch.Overhead+4]; magicA != magicB {
		how = append(how, fmt.Sprintf("the magic is %d and %d", magicA, magicB))
	} else if errA == nil && errB == nil {
		if a.PartitionLeaderEpoch != b.PartitionLeaderEpoch {
			how = append(how, fmt.Sprintf("the leader epoch is %d and %d", a.PartitionLeaderEpoch, b.PartitionLeaderEpoch))
		}
		if a.CRC != b.CRC {
			how = append(how, fmt.Sprintf("the CRC is %08x and %08x", a.CRC, b.CRC))
		}
		at := batch.CRCFrom
		for at < len(r) && at < len(o) && r[at] == o[at] {
			at++
		}
		if at < max(len(r), len(o)) {
			how = append(how, fmt.Sprintf("the first byte that differs is %d of %d and %d", at, len(r), len(o)))
		}
	} else {
		how = append(how, fmt.Sprintf("the CRC is %08x and %08x", binary.BigEndian.Uint32(r[batch.Overhead:]), binary.BigEndian.Uint32(o[batch.Overhead:])))
	}
	for _, side := range []struct {
		broker int32
		bytes  []byte
	}{{p.of.ref.broker, r}, {p.other.broker, o}} {
		if err := checkCRC(side.bytes); err != nil {
			how = append(how, fmt.Sprintf("broker %d's batch is damaged: %v", side.broker, err))
		}
	}
	return strings.Join(how, "; ")
}

// differ notes a difference. One pair has one, of which the first place is told, and how many there are.
func (p *pair) differ(first, last int64, how string) {
	if p.difference == nil {
		p.difference = &Difference{Topic: p.of.topic, Partition: p.of.partition, Brokers: [2]int32{p.of.ref.broker, p.other.broker},
			FirstOffset: first, LastOffset: last, Of: Batches, First: fmt.Sprintf("offset %d: %s", first, how)}
	}
	d := p.difference
	if p.of.compacted {
		d.Of = Records
	}
	if first < d.FirstOffset {
		d.First = fmt.Sprintf("offset %d: %s", first, how)
	}
	d.FirstOffset, d.LastOffset = min(d.FirstOffset, first), max(d.LastOffset, last)
	d.Count++
}
