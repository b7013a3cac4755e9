package data

// Fetch before version 4: its clients read messages of magic 0 (versions 0 and 1) or
// magic 1 (versions 2 and 3), and no batches. So the broker converts the stored batches
// for them (see batch.Downconversion). It has to hold the converted records in memory,
// which it does not for later versions: that memory is bounded, for each answer and for
// all answers together.

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

const (
	// firstBatchFetch is the first version of Fetch whose answer has batches of magic 2.
	firstBatchFetch = 4
	// firstSoftFetch is the first version whose limits the first batch may exceed.
	firstSoftFetch = 3
	// firstZstdFetch is the first version whose answer may have zstd.
	firstZstdFetch = 10

	// oldAnswerBytes is how many bytes of converted records one answer may hold. The
	// first batch of each partition may exceed it.
	oldAnswerBytes = 4 << 20
	// oldTotalBytes is how many bytes of converted records all answers may hold that are
	// not sent yet. When they hold half of it, an answer gets one batch of each partition.
	// When they hold more than all of it, an answer gets no records: its client waits, as
	// if there were none.
	oldTotalBytes = 64 << 20
)

// oldRecords are converted records, of magic 0 or 1. Service.oldBytes counts them until
// they are released.
type oldRecords []byte

// Size implements protocol.Records.
func (r oldRecords) Size() int { return len(r) }

// refuseFormat returns the error code of a topic whose records this version of Fetch
// cannot carry, 0 for none. As in the reference, this error goes before all others of the
// partition, and the topic's compression.type decides about zstd, not its records.
func (f *fetchContext) refuseFormat(cfg *replica.Config) int16 {
	switch {
	case cfg.Compression.Recompress && cfg.Compression.Codec == batch.Zstd && f.version < firstZstdFetch:
		return kerr.UnsupportedCompressionType.Code
	case !cfg.DownConvert && f.version < firstBatchFetch:
		return kerr.UnsupportedVersion.Code
	}
	return 0
}

// convert replaces the batches that were read from a partition by messages. If none of
// the batches has a record for the client, as the markers of transactions have none, it
// reads on behind them.
func (f *fetchContext) convert(t *fetchTarget, r *fetchResult, log *logstore.Log, upTo int64) error {
	held := f.server.oldBytes.Load()
	if held > oldTotalBytes {
		r.region.Release()
		r.region = logstore.Region{}
		return nil
	}
	f.server.converting <- struct{}{}
	defer func() { <-f.server.converting }()
	c := conversion{Downconversion: batch.Downconversion{From: t.offset}, most: oldAnswerBytes / len(f.targets), next: t.offset}
	if f.version > 1 {
		c.Magic = 1
	}
	if held > oldTotalBytes/2 {
		c.most = 0
	}
	for r.region.Size() > 0 {
		err := c.convert(&r.region)
		r.region.Release()
		r.region = logstore.Region{}
		if len(c.out) > 0 {
			r.old = c.out
			f.server.oldBytes.Add(int64(len(c.out)))
			return nil
		}
		if err != nil {
			return err
		}
		if r.region, err = log.Read(c.next, oldAnswerBytes, upTo, true); err != nil {
			return err
		}
	}
	return nil
}

// conversion reads batches and collects the messages that it makes of them.
type conversion struct {
	batch.Downconversion
	most int    // the bytes of out after which convert adds no further batch
	out  []byte // the messages
	next int64  // the offset after the last batch that was converted
}

// convert converts the batches of a region until out has enough bytes. An error is about
// the batch that follows those in out.
func (c *conversion) convert(region *logstore.Region) error {
	room := protocol.NewBuffer(0)
	defer func() { room.Release() }()
	for at := 0; at < region.Size(); {
		if at > 0 && len(c.out) >= c.most {
			return nil
		}
		size, next, err := headAt(region, at)
		if err != nil {
			return err
		}
		if cap(room.B) < size {
			room.Release()
			room = protocol.NewBuffer(size)
		}
		buf := room.B[:size]
		if _, err := region.ReadAt(buf, int64(at)); err != nil {
			return region.ReadFailed(err)
		}
		if c.out, err = c.Append(c.out, buf); err != nil {
			return err
		}
		c.next = next
		at += size
	}
	return nil
}

// headAt returns the size of the batch or message at a position in a region, and the
// offset that follows its last record.
func headAt(region *logstore.Region, at int) (size int, next int64, err error) {
	head := make([]byte, min(batch.HeaderSize, region.Size()-at))
	if _, err := region.ReadAt(head, int64(at)); err != nil {
		return 0, 0, region.ReadFailed(err)
	}
	size, next, err = batch.Bounds(head)
	if err == nil && size > region.Size()-at {
		err = &batch.CorruptError{Reason: "the batch ends behind what was read"}
	}
	return size, next, err
}
