package data

// Fetch before version 4: its clients know messages of magic 0 (versions 0 and
// 1) and 1 (2 and 3) and no batches, so that what is stored is converted for them
// (see batch.Downconversion). Unlike what later versions are sent, the result is
// held in memory: that is bounded, for one answer and for all.

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

const (
	// firstBatchFetch is the first version of Fetch that is sent batches of magic 2.
	firstBatchFetch = 4
	// firstSoftFetch is the first version whose limits a first batch may exceed.
	firstSoftFetch = 3
	// firstZstdFetch is the first version that is sent zstd.
	firstZstdFetch = 10

	// oldAnswerBytes is what one answer may hold of converted records, but for the
	// first batch of each partition.
	oldAnswerBytes = 4 << 20
	// oldTotalBytes is what all answers may hold that are not sent yet. From half of
	// it on an answer gets one batch of each partition, beyond it none: the old
	// clients wait then, as if there were nothing to read.
	oldTotalBytes = 64 << 20
)

// oldRecords are records in a format from before magic 2. They are counted in
// Service.oldBytes as long as they are held.
type oldRecords []byte

// Size implements protocol.Records.
func (r oldRecords) Size() int { return len(r) }

// refuseFormat gives the error of a topic whose records this version of Fetch
// cannot be sent, 0 for none. As in the reference it goes before every other
// error of the partition, and zstd counts where the topic is configured for it.
func (f *fetchContext) refuseFormat(cfg *replica.Config) int16 {
	switch {
	case cfg.Compression.Recompress && cfg.Compression.Codec == batch.Zstd && f.version < firstZstdFetch:
		return kerr.UnsupportedCompressionType.Code
	case !cfg.DownConvert && f.version < firstBatchFetch:
		return kerr.UnsupportedVersion.Code
	}
	return 0
}

// convert makes messages of what was read from a partition, in place of it. What
// turns out to hold nothing that can be told, such as the markers of
// transactions, is passed over.
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

// conversion reads batches and collects what becomes of them.
type conversion struct {
	batch.Downconversion
	most int // bytes of out after which nothing is added
	out  []byte
	next int64 // the offset after what was converted
}

// convert goes through the batches of a region until there is enough. The error
// is about the batch after those that are in out.
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

// headAt gives the size of the batch, or message, at a place in a region and the
// offset that follows it.
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
