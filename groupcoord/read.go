package groupcoord

import (
	"errors"
	"time"

	"klamm/protocol"
	"klamm/protocol/batch"
)

// load reads the partition's records. Its groups are served when all partitions that are being read have been.
func (s *shard) load() {
	r := &logReader{s: s, replay: newReplay(&s.c.o.Config, s.skipped())}
	if !r.readAll() {
		return
	}
	r.replay.end(s.c.o.Now().UnixMilli())
	s.c.mu.Lock()
	s.loaded = r.replay
	s.c.mu.Unlock()
	s.c.place()
}

// skipped gives a function that logs the first few records or batches of a partition that make no sense.
func (s *shard) skipped() func(offset int64, err error) {
	const most = 20
	n := 0
	return func(offset int64, err error) {
		if n++; n <= most {
			s.c.o.Logger.Error("skipped a record or batch that makes no sense", "partition", offsetsPartition(s.partition), "offset", offset, "error", err)
		}
	}
}

const offsetsTopic = "__consumer_offsets"

// offsetsPartition is a partition of __consumer_offsets as lines of the log name it.
func offsetsPartition(n int32) protocol.TopicPartition {
	return protocol.TopicPartition{Topic: offsetsTopic, Partition: n}
}

// logReader reads the log of a partition up to its end.
type logReader struct {
	s      *shard
	replay *replay
	at     int64 // where it reads next
	end    int64
	failed int   // attempts to read that failed in a row
	rotten int   // offsets in a row without an intact batch
	bad    int64 // the last of them
	step   int64 // from there to at
}

// readAll replays the whole log. It reports false if this broker does not lead the partition any more.
func (r *logReader) readAll() bool {
	r.at, r.end = r.s.log.Offsets()
	for r.at < r.end || r.goBack() {
		if r.s.state.Load() == gone {
			return false
		}
		ended, err := r.read()
		switch {
		case errors.Is(err, ErrCorrupt):
			r.skipRot(err)
		case err != nil:
			if !r.tryAgain(err) {
				return false
			}
		case ended:
			return true // the offsets up to the end were compacted away
		}
		_, r.end = r.s.log.Offsets()
	}
	return r.s.state.Load() != gone
}

// maxReads bounds how many partitions are read at the same time, and so how many buffers there are.
const maxReads = 8

// read reads and replays some batches, and reports whether there are none any more. It waits while many other partitions are being read.
func (r *logReader) read() (ended bool, err error) {
	buf := <-r.s.c.reads
	data, err := r.s.log.Read(r.at, max(r.s.c.o.Config.LoadBufferBytes, 64<<10), buf)
	switch {
	case err != nil:
	case r.goBack(): // and read again
	case len(data) == 0:
		ended = true
	default:
		r.take(data)
	}
	switch {
	case ended || r.at >= r.end:
		buf = nil // what a large partition needed does not stay
	case cap(data) > cap(buf):
		buf = data[:0]
	}
	r.s.c.reads <- buf
	return ended, err
}

// take replays whole batches.
func (r *logReader) take(data []byte) {
	r.failed = 0
	for len(data) > 0 {
		h, err := batch.ParseHeader(data)
		if err != nil || h.Size() > len(data) || h.NextOffset() <= r.at {
			r.skipRot(errors.Join(errors.New("no whole batch"), err))
			return
		}
		r.rotten, r.step = 0, 0
		r.replay.batch(data[:h.Size()], &h)
		r.at, data = h.NextOffset(), data[h.Size():]
	}
}

// skipRot goes on behind a batch that is not intact, since the batches behind it may be. Where they begin is not known: it tries one offset
// after the other, and after many of them takes steps that double. The last step may pass over intact batches: see goBack.
func (r *logReader) skipRot(err error) {
	const patient = 4096
	if r.rotten++; r.rotten == 1 {
		r.replay.skip(r.at, err)
	}
	if r.rotten <= patient {
		r.step = 1
	} else {
		r.step = min(2*r.step, 1<<40)
	}
	r.bad = r.at
	r.at += r.step
}

// goBack goes back to the offset behind the last one without an intact batch, if the step from there was longer than one.
func (r *logReader) goBack() bool {
	if r.step <= 1 {
		return false
	}
	r.at, r.step = r.bad+1, 1
	return true
}

// tryAgain waits before the next attempt to read, longer each time, and reports false if this broker does not lead the partition any more.
// After some attempts the partition is unavailable. It is never served with only a part of its records: members would be told that their
// group has no offsets, and start over.
func (r *logReader) tryAgain(err error) bool {
	const (
		first   = 100 * time.Millisecond
		longest = 30 * time.Second
		patient = 5
	)
	log := r.s.c.o.Logger.With("partition", offsetsPartition(r.s.partition), "offset", r.at, "error", err)
	wait := min(first<<min(r.failed, 20), longest)
	switch r.failed++; r.failed {
	case 1:
		log.Warn("cannot read the groups of a partition, trying again")
	case patient:
		if r.s.state.CompareAndSwap(loading, unavailable) {
			log.Error("cannot read the groups of a partition, they are unavailable until that works")
			go r.s.c.place() // the other partitions do not wait for this one any more
		}
	}
	due := make(chan struct{})
	stop := r.s.c.o.After(wait, func() { close(due) })
	select {
	case <-due:
		return true
	case <-r.s.quit:
		stop()
		return false
	}
}
