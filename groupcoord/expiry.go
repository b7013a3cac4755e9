package groupcoord

// deleteOffsets forgets offsets for an administrator, but those of topics that consumers are reading: an error for
// each, in the order asked, or one about the group (GroupCoordinator.handleDeleteOffsets).
func (g *group) deleteOffsets(asked []Partitions, out *effects) ([]error, error) {
	switch {
	case g.state == Dead:
		return nil, ErrUnknownGroup
	case g.state != Empty && !g.isConsumers():
		return nil, ErrNotEmpty
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
	if len(drop) > 0 {
		g.forget(drop, out)
	}
	return errs, nil
}

// forget drops offsets, in the log too. A group that is empty and has none left is no more.
func (g *group) forget(partitions []Partitions, out *effects) {
	var records []record
	for _, t := range partitions {
		for _, partition := range t.Partitions {
			if g.drop(t.Topic, partition) {
				records = append(records, record{key: commitKey(g.id, t.Topic, partition)})
			}
		}
	}
	if g.state == Empty && !g.used() && len(g.pending) == 0 {
		g.transition(Dead, out)
	}
	if g.state == Dead && g.generation > 0 { // else there is no record of it
		records = append(records, record{key: groupKey(g.id)})
	}
	if len(records) > 0 {
		out.writes = append(out.writes, write{records: records})
	}
}

// forgetDeleted drops the offsets of partitions that are no more.
func (g *group) forgetDeleted(partitions []Partitions, out *effects) {
	if g.state != Dead {
		g.forget(partitions, out)
	}
}

// deleteGroup ends an empty group, with its offsets (GroupCoordinator.handleDeleteGroups).
func (g *group) deleteGroup(out *effects) error {
	switch g.state {
	case Dead:
		return ErrUnknownGroup
	case Empty:
		g.transition(Dead, out)
		all := g.committed()
		for tp := range g.underway {
			all = append(all, Partitions{tp.Topic, []int32{tp.Partition}})
		}
		g.forget(all, out)
		return nil
	}
	return ErrNotEmpty
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
	var since func(c *commit) int64
	switch {
	case g.kind == nil:
		since = func(c *commit) int64 { return c.timeMs }
	case g.state == Empty:
		since = func(c *commit) int64 {
			return max(g.sinceMs, c.timeMs)
		}
	case g.isConsumers() && g.state == Stable && g.subscriptionKnown:
		since = func(c *commit) int64 { return c.timeMs }
	}
	var expired []Partitions
	if since != nil {
		expired = g.expired(since, out.nowMs)
	}
	if len(expired) > 0 || g.state == Empty {
		g.forget(expired, out)
	}
}

func (g *group) expired(since func(c *commit) int64, nowMs int64) (list []Partitions) {
	for topic, of := range g.topics {
		if g.state != Empty && g.reads(topic) {
			continue
		}
		var partitions []int32
		for partition, c := range of.all() {
			due := nowMs-since(&c) >= g.config.OffsetsRetentionMs
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
