package groupcoord

import "klamm/protocol"

// deleteOffsets removes offsets for an administrator, except those of topics that the group's consumers read
// (GroupCoordinator.handleDeleteOffsets). told is called before the event ends, with an error for each partition in the order
// asked, or with one error about the whole group.
func (g *group) deleteOffsets(asked []Partitions, out *effects, told func([]error, error)) {
	switch {
	case g.state == Dead:
		told(nil, ErrUnknownGroup)
		return
	case g.state != Empty && !g.isConsumers():
		told(nil, ErrNotEmpty)
		return
	}
	var errs []error
	var drop []Partitions
	for _, t := range asked {
		var err error
		if g.state != Empty && g.reads(t.Topic) {
			err = ErrSubscribed
		} else {
			drop = append(drop, t)
		}
		for range t.Partitions {
			errs = append(errs, err)
		}
	}
	if len(drop) == 0 {
		told(errs, nil)
		return
	}
	g.forget(drop, false, out, func(err error) {
		for i := range errs {
			if errs[i] == nil {
				errs[i] = err
			}
		}
		told(errs, nil)
	})
}

// forgetDeleted drops the offsets of partitions that were deleted. It writes nothing: the group owes their tombstones, which
// come before whatever it writes next (see forget).
func (g *group) forgetDeleted(partitions []Partitions) {
	if g.state == Dead {
		return
	}
	for _, t := range partitions {
		for _, partition := range t.Partitions {
			if g.drop(t.Topic, partition) {
				g.owed = append(g.owed, tpOf(t.Topic, partition))
			}
		}
	}
}

// payDeleted writes the tombstones of what forgetDeleted dropped. The group is dead if nothing is left of it.
func (g *group) payDeleted(out *effects) {
	if g.state != Dead {
		g.forget(nil, false, out, nil)
	}
}

// deleteGroup ends an empty group, with its offsets (GroupCoordinator.handleDeleteGroups). told is called before the event ends.
func (g *group) deleteGroup(out *effects, told func(error)) {
	switch g.state {
	case Dead:
		told(ErrUnknownGroup)
	case Empty:
		all := g.committed()
		for tp := range g.underway {
			all = append(all, Partitions{tp.Topic, []int32{tp.Partition}})
		}
		g.forget(all, true, out, told)
	default:
		told(ErrNotEmpty)
	}
}

// forget removes offsets: each one when its tombstone is in the log, so that none comes back with the next load. It pays the
// tombstones that the group owes first. A group that ends, or is empty and has no offset left, is dead then, and its own record is
// removed too. told is called before the event ends; nil is for nobody.
func (g *group) forget(partitions []Partitions, ends bool, out *effects, told func(error)) {
	r := &removal{g: g, owed: len(g.owed), told: told}
	r.tombstones(g.owed)
	gone := make(map[protocol.TopicPartition]bool)
	for _, t := range partitions {
		for _, partition := range t.Partitions {
			tp := tpOf(t.Topic, partition)
			if gone[tp] {
				continue
			}
			gone[tp] = true
			if g.logged(tp) {
				r.tombstones([]protocol.TopicPartition{tp})
			} else {
				g.drop(t.Topic, partition) // what a transaction may commit still
			}
		}
	}
	r.dead = ends || g.state == Empty && len(g.pending) == 0 && !g.usedBesides(gone)
	if r.dead && g.generation > 0 { // else there is no record of it
		r.records = append(r.records, record{key: groupKey(g.id)})
	}
	if len(r.records) == 0 {
		r.end(nil, out)
		return
	}
	out.pays = true
	out.writes = append(out.writes, write{records: r.records, part: r.part})
}

// pay writes the tombstones that the group owes, and nothing else.
func (g *group) pay(told func(error)) write {
	r := &removal{g: g, owed: len(g.owed), told: told}
	r.tombstones(g.owed)
	return write{records: r.records, part: r.part}
}

// removal is offsets whose tombstones are on their way into the log, and perhaps the group with them.
type removal struct {
	g       *group
	keys    []protocol.TopicPartition // of the tombstones; the first ones are owed
	owed    int
	records []record // a tombstone for each key, then the group's if it has one
	written int
	dead    bool // the group is, when all are written
	told    func(error)
}

func (r *removal) tombstones(keys []protocol.TopicPartition) {
	for _, tp := range keys {
		r.keys = append(r.keys, tp)
		r.records = append(r.records, record{key: commitKey(r.g.id, tp.Topic, tp.Partition)})
	}
}

// part takes in that the next n records are in the log, or that the rest cannot be written.
func (r *removal) part(n int, err error, out *effects) {
	for ; n > 0; n-- {
		switch {
		case r.written < r.owed:
			r.g.owed = r.g.owed[1:]
		case r.written < len(r.keys):
			tp := r.keys[r.written]
			r.g.drop(tp.Topic, tp.Partition)
		}
		r.written++
	}
	if err != nil || r.written == len(r.records) {
		r.end(err, out)
	}
}

func (r *removal) end(err error, out *effects) {
	if len(r.g.owed) == 0 {
		r.g.owed = nil
	}
	if err == nil && r.dead && r.g.state != Dead {
		r.g.transition(Dead, out)
	}
	if r.told != nil {
		r.told(removalError(err))
	} else if err != nil {
		out.logs = append(out.logs, logLine{warns: true, message: "cannot write tombstones for a group's offsets; they are written later",
			args: []any{"group", shorten(r.g.id), "tombstones", len(r.records) - r.written, "error", err}})
	}
}

// expire removes the offsets that nobody has committed for too long: of a group without members, of topics that its consumers
// do not read any more, and of a group that only ever kept offsets. What a group that was used has left ages from the time when
// its last member left, or from its commit if that came later: a consumer that is no member may use it since. (In
// Apache Kafka's GroupMetadata.removeExpiredOffsets such commits do not count.) An offset that was committed with a retention of
// its own expires by that.
func (g *group) expire(out *effects) {
	if g.state == Dead {
		return
	}
	ages := g.state == Empty || g.kind == nil || g.isConsumers() && g.state == Stable && g.subscriptionKnown
	var expired []Partitions
	if ages {
		expired = g.expired(out.nowMs)
	}
	if len(expired) > 0 || g.state == Empty || len(g.owed) > 0 {
		g.forget(expired, false, out, nil)
	}
}

func (g *group) expired(nowMs int64) (list []Partitions) {
	emptySinceMs := int64(-1)
	if g.kind != nil && g.state == Empty {
		emptySinceMs = g.sinceMs
	}
	for topic, of := range g.topics {
		if g.state != Empty && g.reads(topic) {
			continue
		}
		var partitions []int32
		for partition, c := range of.all() {
			due := nowMs-max(emptySinceMs, c.timeMs) >= g.config.OffsetsRetentionMs
			if c.expiresMs != -1 {
				due = nowMs >= c.expiresMs
			}
			if _, underway := g.underway[tpOf(topic, partition)]; due && !underway {
				partitions = append(partitions, partition)
			}
		}
		if len(partitions) > 0 {
			list = append(list, Partitions{topic, partitions})
		}
	}
	return list
}
