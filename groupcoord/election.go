package groupcoord

import (
	"errors"
	"time"

	"klamm/protocol/batch"
)

// Elected says that this broker leads a partition of __consumer_offsets from now on. Its records are read on a
// goroutine; until that is done its groups are answered that they are.
func (c *Coordinator) Elected(partition, epoch int32, log Log) {
	s := &shard{c: c, partition: partition, epoch: epoch, log: log, groups: map[string]*entry{}}
	c.mu.Lock()
	if c.shards == nil {
		c.mu.Unlock()
		return
	}
	old := c.shards[partition]
	c.shards[partition] = s
	c.mu.Unlock()
	if old != nil {
		old.end(ErrNotCoordinator)
	}
	go s.load()
}

// Resigned says that this broker no longer leads a partition. Requests that wait are told to look for who does.
func (c *Coordinator) Resigned(partition int32) {
	c.mu.Lock()
	s := c.shards[partition]
	delete(c.shards, partition)
	c.mu.Unlock()
	if s != nil {
		s.end(ErrNotCoordinator)
	}
}

// Close answers all requests that wait with ErrNotAvailable, and refuses later ones with that. It waits for what is being written in
// the background.
func (c *Coordinator) Close() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.background.Wait()
	c.mu.Lock()
	shards := c.shards
	c.shards = nil
	c.mu.Unlock()
	for _, s := range shards {
		s.end(ErrNotAvailable)
	}
}

// end forgets the groups.
func (s *shard) end(err error) {
	s.mu.Lock()
	s.state.Store(gone)
	s.mu.Unlock()
	for _, e := range s.all() {
		s.run(e, func(out *effects) { e.unload(err, out) })
	}
}

// load reads the partition's records.
func (s *shard) load() {
	begun := s.c.o.Now()
	logger := s.c.o.Logger.With("topic", "__consumer_offsets", "partition", s.partition)
	skipped := 0
	p := newReplay(&s.c.o.Config, func(offset int64, err error) {
		if skipped++; skipped <= maxSkippedLines {
			logger.Error("a record makes no sense and is passed over", "offset", offset, "error", err)
		}
	})
	if err := s.replay(p); err != nil {
		logger.Error("the groups could not be read; what is missing of them is not known", "error", err)
	}
	groups := p.end(s.c.o.Now().UnixMilli())
	if !s.begin(groups) {
		return
	}
	if p.records > 0 {
		logger.Info("read the groups", "epoch", s.epoch, "groups", len(groups), "records", p.records, "skipped", skipped,
			"ms", s.c.o.Now().Sub(begun)/time.Millisecond)
	}
}

// begin serves the groups that were read, unless another broker leads the partition by now.
func (s *shard) begin(groups map[string]*group) bool {
	s.mu.Lock()
	if s.state.Load() != loading {
		s.mu.Unlock()
		return false
	}
	for _, g := range groups {
		s.addLocked(g)
	}
	s.mu.Unlock()
	for _, e := range s.all() {
		s.run(e, e.loaded)
	}
	return s.state.CompareAndSwap(loading, active)
}

// maxSkippedLines bounds what is said of the records of one partition that make no sense.
const maxSkippedLines = 20

// replay goes over the log, as far as it went when it began or was written since.
func (s *shard) replay(p *replay) error {
	buf := make([]byte, max(s.c.o.Config.LoadBufferBytes, 64<<10))
	at, end := s.log.Offsets()
	for at < end && s.state.Load() == loading {
		data, err := s.log.Read(at, buf)
		if err != nil {
			return err
		}
		next := at
		for len(data) > 0 {
			h, err := batch.ParseHeader(data)
			if err != nil || h.Size() > len(data) {
				return errors.Join(errors.New("the log gives no whole batch"), err)
			}
			p.batch(data[:h.Size()], &h)
			next, data = h.NextOffset(), data[h.Size():]
		}
		if next <= at {
			return nil // a gap up to the end
		}
		at = next
		_, end = s.log.Offsets()
	}
	return nil
}
