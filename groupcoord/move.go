package groupcoord

import (
	"errors"
	"maps"

	"klamm/protocol"
)

// move is the move of a stray to its home.
type move struct {
	from, to  *shard
	group     string
	found     []protocol.TopicPartition // partitions with offsets in from that are removed there
	hasRecord bool                      // from has a record of the group itself
	newer     []protocol.TopicPartition // those of found whose offset counts at home
	members   bool                      // the members in from count at home
	written   bool                      // the records that count are in the home's log
	batches   int                       // the number of batches that they are in
	settled   chan error                // gets nil for each batch that is committed, or an error
}

// adopt merges a stray into the group at home, and writes the records of it that count.
func (s *shard) adopt(from *shard, stray *group) *move {
	m := &move{from: from, to: s, group: stray.id, hasRecord: stray.hasRecord()}
	e := s.find(stray.id, true)
	served := s.state.Load() == active
	s.run(e, func(out *effects) {
		if e.state == Dead {
			return // the shard is gone
		}
		m.found, m.newer = e.mergeOffsets(&stray.offsets)
		m.found = append(m.found, stray.owed...) // of topics that were deleted while it was read
		m.members = e.mergeMembers(stray, served)
		m.write(e.group, out)
		if m.members && served {
			e.loaded(out)
		}
	})
	return m
}

// write has the records of a stray that count written at home, with the present offsets.
func (m *move) write(g *group, out *effects) {
	var records []record
	for _, tp := range m.newer {
		// A pending commit is in the log already, and must stay the last one.
		_, pending := g.underway[tp]
		if c, ok := g.get(tp.Topic, tp.Partition); ok && !pending {
			_, r := appendCommitRecord(nil, g.id, tp.Topic, tp.Partition, &c)
			records = append(records, r)
		}
	}
	if m.members && g.state != Dead && g.generation > 0 && (g.state == Empty || g.state == Stable) {
		records = append(records, g.record())
	}
	settled := make(chan error, len(records)) // an earlier attempt keeps its own
	m.batches, m.settled = 0, settled
	if m.written = len(records) == 0; m.written {
		return
	}
	left := len(records)
	out.writes = append(out.writes, write{records: records, committed: func(err error) { settled <- err }, part: func(n int, err error, out *effects) {
		if err != nil {
			m.warn(err)
			return
		}
		m.batches++
		left -= n
		m.written = left == 0
	}})
}

func (m *move) warn(err error) {
	m.to.c.o.Logger.Warn("cannot move a group to the partition that its id hashes to; it is tried again", "group", shorten(m.group),
		"from", m.from.partition, "to", m.to.partition, "error", err)
}

// finishMoves flushes the logs at home, and writes tombstones where the strays were found. A move that fails is tried again by
// retryMoves.
func (c *Coordinator) finishMoves(moves []*move) {
	home := map[*shard]error{}
	var left []*move
	tombstones := map[*shard][]*move{}
	for _, m := range moves {
		if _, ok := home[m.to]; !ok {
			home[m.to] = m.to.log.Flush()
		}
		if err := errors.Join(m.committed(), home[m.to]); err != nil {
			m.warn(err)
			left = append(left, m)
			continue
		}
		tombstones[m.from] = append(tombstones[m.from], m)
	}
	for from, moves := range tombstones {
		if err := from.removeMoved(moves); err != nil {
			moves[0].warn(err)
			left = append(left, moves...)
		}
	}
	c.placing.Lock()
	defer c.placing.Unlock()
	c.unfinished = append(c.unfinished, left...)
}

// committed waits until the records that were written at home are committed.
func (m *move) committed() error {
	for ; m.batches > 0; m.batches-- {
		select {
		case err := <-m.settled:
			if err != nil {
				m.written = false
				return err
			}
		case <-m.to.quit:
			return ErrNotCoordinator
		case <-m.to.c.quit:
			return ErrNotAvailable
		}
	}
	return nil
}

// removeMoved writes the tombstones of groups that have moved away.
func (s *shard) removeMoved(moves []*move) error {
	var records []record
	for _, m := range moves {
		for _, tp := range m.found {
			records = append(records, record{key: commitKey(m.group, tp.Topic, tp.Partition)})
		}
		if m.hasRecord {
			records = append(records, record{key: groupKey(m.group)})
		}
	}
	return s.appendParts(records, s.c.o.Now().UnixMilli(), nil, func(int) {})
}

// retryMoves tries again to move the strays that could not be moved.
func (c *Coordinator) retryMoves() {
	c.placing.Lock()
	moves := c.unfinished
	c.unfinished = nil
	c.placing.Unlock()
	var written []*move
	for _, m := range moves {
		if m.from.state.Load() == gone || m.to.state.Load() == gone {
			continue // the next load finds the stray again
		}
		if e := m.to.find(m.group, false); e != nil && !m.written {
			m.to.run(e, func(out *effects) { m.write(e.group, out) })
		} else {
			m.written = true // the records are at home, or the group was deleted since
		}
		if m.written {
			written = append(written, m)
			continue
		}
		c.placing.Lock()
		c.unfinished = append(c.unfinished, m)
		c.placing.Unlock()
	}
	if len(written) > 0 {
		c.finishMoves(written)
	}
}

// hasRecord reports whether the group ever had a member, so that it has a record of its own or will have one.
func (g *group) hasRecord() bool { return g.generation > 0 || g.kind != nil }

// mergeOffsets adds the offsets of a stray that the group does not have, or that were committed later than the group's. newer are
// their partitions, and all are the partitions of all offsets of the stray. Both leave out those with an open transaction at home: a record
// behind the transaction's would count more than that when it is committed. The stray's offset stays where it is then, until the next load.
func (g *group) mergeOffsets(stray *offsets) (all, newer []protocol.TopicPartition) {
	for _, t := range stray.committed() {
		for _, partition := range t.Partitions {
			tp := tpOf(t.Topic, partition)
			c, _ := stray.get(t.Topic, partition)
			was, ok := g.get(t.Topic, partition)
			_, underway := g.underway[tp]
			later := !underway && (!ok || was.timeMs < c.timeMs)
			if later {
				// The next commit in the log at home counts more.
				if c.at = -1; ok {
					c.at = was.at
				}
				g.put(t.Topic, partition, c)
			}
			if g.inTransaction(tp) {
				continue
			}
			if all = append(all, tp); later {
				newer = append(newer, tp)
			}
		}
	}
	for producer, of := range stray.open {
		if g.open == nil {
			g.open = map[int64]map[protocol.TopicPartition]commit{}
		}
		if g.open[producer] == nil {
			g.open[producer] = of
		} else {
			maps.Copy(g.open[producer], of)
		}
		for tp := range of {
			g.changes(tp.Topic)
		}
	}
	return all, newer
}

// mergeMembers replaces the members and the generation by a stray's, if the stray's record is later than the group's own. It reports whether
// it did. A group that is served already keeps its members.
func (g *group) mergeMembers(stray *group, served bool) bool {
	if !stray.hasRecord() || g.hasRecord() && (served || g.sinceMs >= stray.sinceMs) || len(g.pending) > 0 {
		return false
	}
	for _, m := range g.members {
		g.bytes -= m.bytes
	}
	g.bytes += stray.bytes - int64(groupBytes+len(stray.id)) - subscribedSize(g.subscribed)
	g.state, g.sinceMs, g.generation, g.kind, g.protocol = stray.state, stray.sinceMs, stray.generation, stray.kind, stray.protocol
	g.members, g.byID, g.static, g.leader, g.known = stray.members, stray.byID, stray.static, stray.leader, stray.known
	g.subscribed, g.subscriptionKnown = stray.subscribed, stray.subscriptionKnown
	return true
}
