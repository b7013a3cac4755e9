package groupcoord

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A group's home is the partition that its id hashes to (Coordinator.PartitionOf). Its records may be in other partitions: in its former
// home, if __consumer_offsets got more partitions since, or in any, if directories were restored or merged. A group that is found in
// another partition than its home is a stray. When both partitions have been read the stray moves home (move.go):
//
//  1. Its offsets that the home does not have, or that were committed later than the home's, are written to the home's log.
//  2. That log is flushed.
//  3. Tombstones are written to the log in which the stray was found.
//
// So there is one home for commits, lists and deletion, and the next broker that reads the directories finds each group once.
//
// A partition that cannot be read for a while does not keep the groups of the others from being served. But nobody is told then that a group, or
// an offset of it, does not exist, nor may it be deleted (Coordinator.unread): it may be in that partition. One whose directory failed is given
// up: its records are lost to this broker for good, and new groups must not wait for that.
//
// Apache Kafka 3.9 (GroupMetadataManager.doLoadGroupsAndOffsets) serves such a group too, but leaves its records where they are. If a group
// is in two partitions it takes the records that it reads first.

// place serves the groups of the partitions that were read. It does nothing while another partition is being read, since that may have
// records of their groups.
func (c *Coordinator) place() {
	c.placing.Lock()
	defer c.placing.Unlock()
	shards := c.loadedShards()
	if len(shards) == 0 {
		return
	}
	p := placement{c: c, serves: map[int32]*shard{}}
	for _, s := range shards {
		p.serves[s.partition] = s
		p.sort(s)
	}
	p.adoptStrays()
	for _, s := range shards {
		s.begin()
	}
	p.log(shards)
	c.forgetDeletedMeanwhile(shards)
	if len(p.moves) > 0 {
		c.inBackground(func() { c.finishMoves(p.moves) })
	}
}

// loadedShards gives the shards that were read and are not served yet, in the order of partitions; none while others are being read.
func (c *Coordinator) loadedShards() (list []*shard) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.serving {
		return nil
	}
	for _, s := range c.shards {
		if s.loaded != nil {
			list = append(list, s)
		} else if s.state.Load() == loading {
			return nil
		}
	}
	slices.SortFunc(list, func(a, b *shard) int { return cmp.Compare(a.partition, b.partition) })
	return list
}

// placement is one run of place. Coordinator.placing is held.
type placement struct {
	c      *Coordinator
	serves map[int32]*shard // the shards that begin to serve, by partition
	moves  []*move          // whose first step is done
	total  placed
}

// placed counts what was read, for the log.
type placed struct{ groups, records, skipped, unknown, strays int }

// sort divides the groups that were read from a partition into those whose home it is, and strays.
func (p *placement) sort(s *shard) {
	read := s.loaded
	deleted := p.c.deletedMeanwhile(s)
	for id, g := range read.groups {
		g.forgetDeleted(deleted)
		if p.c.PartitionOf(id) != s.partition {
			s.strays = append(s.strays, g)
			continue
		}
		s.mu.Lock()
		if s.state.Load() != gone {
			s.addLocked(g)
		}
		s.mu.Unlock()
		p.total.groups++
	}
	slices.SortFunc(s.strays, func(a, b *group) int { return cmp.Compare(a.id, b.id) })
	p.total.records += read.records
	p.total.skipped += read.skipped
	p.total.unknown += read.unknown
}

// adoptStrays moves the strays whose home this broker serves. The others wait until it does.
func (p *placement) adoptStrays() {
	p.c.mu.RLock()
	shards := slices.SortedFunc(maps.Values(p.c.shards), func(a, b *shard) int { return cmp.Compare(a.partition, b.partition) })
	p.c.mu.RUnlock()
	byPartition := map[int32]*shard{}
	for _, s := range shards {
		if s.state.Load() == active || p.serves[s.partition] == s {
			byPartition[s.partition] = s
		}
	}
	for _, from := range shards {
		var stay []*group
		for _, g := range from.strays {
			home := byPartition[p.c.PartitionOf(g.id)]
			if home == nil {
				stay = append(stay, g)
				continue
			}
			if m := home.adopt(from, g); m.written {
				p.moves = append(p.moves, m)
			} else {
				p.c.unfinished = append(p.c.unfinished, m)
			}
			p.total.strays++
		}
		from.strays = stay
	}
}

// begin serves the groups, unless another broker leads the partition by now.
func (s *shard) begin() {
	s.c.mu.Lock()
	s.loaded = nil
	s.c.mu.Unlock()
	for _, e := range s.all() {
		s.run(e, func(out *effects) {
			e.loaded(out)
			if len(e.owed) > 0 {
				e.payDeleted(out)
			}
		})
	}
	if !s.state.CompareAndSwap(loading, active) {
		s.state.CompareAndSwap(unavailable, active)
	}
}

func (p *placement) log(shards []*shard) {
	if p.total.records == 0 {
		return
	}
	var begun time.Time
	for _, s := range shards {
		if begun.IsZero() || s.begun.Before(begun) {
			begun = s.begun
		}
	}
	t := &p.total
	p.c.o.Logger.Info("read the groups", "partitions", len(shards), "groups", t.groups+t.strays, "records", t.records, "skipped", t.skipped,
		"duration_ms", p.c.o.Now().Sub(begun).Milliseconds())
	if t.unknown > 0 {
		p.c.o.Logger.Warn("skipped records of __consumer_offsets that only a newer Kafka knows; they stay in the log", "records", t.unknown)
	}
	if t.strays > 0 {
		p.c.o.Logger.Info("moved groups whose records were in other partitions than their ids hash to", "groups", t.strays)
	}
}

// deletedMeanwhile takes the partitions that were deleted while a shard was read.
func (c *Coordinator) deletedMeanwhile(s *shard) (deleted []Partitions) {
	c.mu.Lock()
	defer c.mu.Unlock()
	deleted, s.deleted = s.deleted, nil
	return deleted
}

// forgetDeletedMeanwhile drops the offsets of partitions that were deleted while the groups of the shards were placed. The groups of
// other shards dropped theirs at once, and may have committed offsets of a new topic of the same name since.
func (c *Coordinator) forgetDeletedMeanwhile(shards []*shard) {
	for _, s := range shards {
		c.forgetDeleted(c.deletedMeanwhile(s), func(e *entry) bool { return e.s == s })
	}
}
