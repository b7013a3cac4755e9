package verify

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// A compacted topic is compared record by record, since its replicas may have been compacted to different points:
//
//   - Records that both have at an offset must be equal: key, value, timestamp, headers.
//   - A record that only one of the two has was compacted away in the other, if a later one of its key follows in either. If none does, it is a
//     difference: the last value of its key is lost. For each such record the hash of its key is kept until a later one comes. Where none has come at the
//     end of the range, both logs are read on from there up to their high watermarks, since a later record may stand there.
//   - Tombstones, records without a key and the markers of transactions go by themselves after a while (delete.retention.ms). One that is there in one of the
//     two alone is no difference.
//   - A record of a transaction may have been aborted. One that is there in one of the two alone is counted and not judged.
//
// Batches whose bytes are equal are not opened while nothing is kept.

// maxPending bounds the keys that one pair keeps: some 50 MB. Records beyond that are counted and not judged.
const maxPending = 1 << 20

// maxRounds bounds how often the end of a log that grows is looked up anew to settle what is kept.
const maxRounds = 3

// skipEqual passes over a batch that all have, and reports whether it did.
func (c *comparison) skipEqual(ctx context.Context) (bool, error) {
	if !c.compacted || len(c.ref.opened) > 0 {
		return false, nil
	}
	r, err := c.ref.batch(ctx)
	if r == nil || err != nil {
		return false, err
	}
	for _, p := range c.pairs {
		if p.stopped || len(p.pending) > 0 || len(p.other.opened) > 0 || r.last < p.begin || r.last >= p.end {
			return false, nil
		}
		// An error comes again when the pair meets the records.
		if o, err := p.other.batch(ctx); o == nil || err != nil || !bytes.Equal(r.bytes, o.bytes) {
			return false, nil
		}
	}
	for _, p := range c.pairs {
		p.checkEqual(r)
		p.other.pass()
	}
	c.batches++
	c.ref.pass()
	return true, nil
}

// bothRecords holds two records at one offset against each other.
func (p *pair) bothRecords(r, o *item) {
	delete(p.pending, r.rec.key)
	delete(p.pending, o.rec.key)
	if r.rec.content != o.rec.content {
		p.differ(r.base, r.last, fmt.Sprintf("brokers %d and %d have different records", p.of.ref.broker, p.other.broker))
	}
}

// lone is a record that one of the two lacks.
type lone struct {
	offset int64
	lacks  int32
}

// aloneInCompacted deals with a record that only one of the two has.
func (p *pair) aloneInCompacted(it *item, lacks *cursor) {
	rec := it.rec
	if rec.control || rec.noKey {
		return
	}
	delete(p.pending, rec.key)
	switch {
	case rec.tombstone:
	case rec.transactional || len(p.pending) >= maxPending:
		p.unjudged++
	default:
		p.pending[rec.key] = lone{it.base, lacks.broker}
	}
}

// settle looks for later records of the keys that are kept, from the end of the offsets that were compared on.
func (p *pair) settle(ctx context.Context) error {
	tails := []*cursor{
		{broker: p.of.ref.broker, log: p.of.ref.log, next: p.end, hw: p.end},
		{broker: p.other.broker, log: p.other.log, next: p.end, hw: p.end},
	}
	grows := true
	for round := 0; grows && round < maxRounds; round++ {
		grows = false
		for _, c := range tails {
			before := c.hw
			if err := p.readOn(ctx, c); err != nil {
				return fmt.Errorf("broker %d: %w", c.broker, err)
			}
			grows = grows || c.hw > before
		}
		if len(p.pending) == 0 {
			return nil
		}
	}
	if grows {
		p.unjudged += int64(len(p.pending))
		return nil
	}
	for _, l := range slices.SortedFunc(maps.Values(p.pending), func(a, b lone) int { return cmp.Compare(a.offset, b.offset) }) {
		p.differ(l.offset, l.offset, fmt.Sprintf("broker %d lacks a record, and no later one has its key", l.lacks))
	}
	return nil
}

// readOn reads on up to the high watermark, and forgets the keys that it finds.
func (p *pair) readOn(ctx context.Context, c *cursor) error {
	defer c.close()
	if err := c.fill(ctx); err != nil {
		return err
	}
	for end := c.hw; c.next < end && len(p.pending) > 0; c.advance() {
		r, err := c.peek(ctx, true)
		if r == nil || err != nil {
			return err
		}
		if !r.rec.noKey {
			delete(p.pending, r.rec.key)
		}
	}
	return nil
}
