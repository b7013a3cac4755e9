package groupcoord

import (
	"maps"
	"slices"

	"klamm/protocol"
)

// offsets are the committed offsets of a group.
type offsets struct {
	topics map[string]*topicOffsets
	count  int
	weight int64 // about how many bytes of memory that takes
	// underway are commits that are in the log and not committed there yet.
	underway map[protocol.TopicPartition][]*commit
	// open are offsets that count once a producer's transaction is committed.
	open map[int64]map[protocol.TopicPartition]commit
}

// commit is where a group has got to in a partition.
type commit struct {
	offset      int64
	leaderEpoch int32 // -1 for not known
	metadata    string
	timeMs      int64
	expiresMs   int64 // -1 for by offsets.retention.minutes
	at          int64 // offset of the batch in __consumer_offsets that says so: a later one counts
}

func (o *offsets) get(topic string, partition int32) (commit, bool) {
	of := o.topics[topic]
	if of == nil {
		return commit{}, false
	}
	return of.get(partition)
}

// put takes in what was committed, unless something was later.
func (o *offsets) put(topic string, partition int32, c commit) {
	of := o.topics[topic]
	if of == nil {
		if o.topics == nil {
			o.topics = map[string]*topicOffsets{}
		}
		of = &topicOffsets{commits: map[int32]bareCommit{}}
		o.topics[topic] = of
		o.weight += int64(topicBytes + len(topic))
	}
	was, ok := of.get(partition)
	if ok && was.at > c.at {
		return
	}
	if !ok {
		o.count++
		o.weight += offsetBytes
	}
	o.weight += int64(len(c.metadata) - len(was.metadata))
	of.put(partition, c)
}

// drop forgets a partition's offset, and a commit of one that is under way. It reports whether the log may have one.
func (o *offsets) drop(topic string, partition int32) bool {
	_, underway := o.underway[tpOf(topic, partition)]
	delete(o.underway, tpOf(topic, partition))
	for _, of := range o.open {
		delete(of, tpOf(topic, partition))
	}
	was, ok := o.get(topic, partition)
	if !ok {
		return underway
	}
	of := o.topics[topic]
	of.delete(partition)
	o.count--
	o.weight -= int64(offsetBytes + len(was.metadata))
	if len(of.commits) == 0 {
		delete(o.topics, topic)
		o.weight -= int64(topicBytes + len(topic))
	}
	return true
}

// adds says whether a commit would add partitions.
func (o *offsets) adds(list []CommittedOffset) bool {
	return slices.ContainsFunc(list, func(c CommittedOffset) bool {
		_, ok := o.get(c.Topic, c.Partition)
		return !ok
	})
}

// used says that there are offsets, or will be.
func (o *offsets) used() bool { return o.count > 0 || len(o.underway) > 0 || len(o.open) > 0 }

// unstable says that a commit of a partition's offset is under way.
func (o *offsets) unstable(topic string, partition int32) bool {
	tp := tpOf(topic, partition)
	if _, ok := o.underway[tp]; ok {
		return true
	}
	for _, of := range o.open {
		if _, ok := of[tp]; ok {
			return true
		}
	}
	return false
}

// commitOffsets keeps where the group has got to (GroupCoordinator.handleCommitOffsets).
func (g *group) commitOffsets(r *CommitRequest, out *effects) {
	if err := g.mayCommit(r, out); err != nil {
		out.answers = append(out.answers, func() { r.Done(err) })
		return
	}
	w := &commitWrite{g: g, request: r, commits: make([]commit, len(r.Offsets))}
	records := make([]record, 0, len(r.Offsets))
	size := 0
	for i := range r.Offsets {
		size += commitRecordSize(g.id, r.Offsets[i].Topic, r.Offsets[i].Metadata)
	}
	encoded := make([]byte, 0, size)
	expiresMs := int64(-1)
	if r.RetentionMs != -1 {
		expiresMs = out.nowMs + r.RetentionMs
	}
	for i := range r.Offsets {
		o := &r.Offsets[i]
		if MetadataSize(o.Metadata) > g.config.MaxMetadataSize {
			o.Err = ErrMetadataTooLarge
		}
		if o.Err != nil {
			continue
		}
		c := &w.commits[i]
		*c = commit{offset: o.Offset, leaderEpoch: o.LeaderEpoch, metadata: o.Metadata, timeMs: o.TimestampMs, expiresMs: expiresMs}
		if c.timeMs == -1 {
			c.timeMs = out.nowMs
		}
		var rec record
		encoded, rec = appendCommitRecord(encoded, g.id, o.Topic, o.Partition, c)
		records = append(records, rec)
	}
	if len(records) == 0 {
		out.answers = append(out.answers, func() { r.Done(nil) })
		return
	}
	out.writes = append(out.writes, write{records: records, pending: w.pending, done: w.done})
}

// MetadataSize is what offset.metadata.max.bytes is held against: the length that Java gives a text.
func MetadataSize(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// mayCommit says why not.
func (g *group) mayCommit(r *CommitRequest, out *effects) error {
	switch {
	case g.state == Dead:
		return ErrNotAvailable
	case r.Generation < 0 && g.state == Empty:
		return nil // who is no member, or an administrator
	case r.Generation < 0 && r.MemberID == "" && r.InstanceID == nil:
		return ErrUnknownMember // the members decide
	}
	m, err := g.current(r.MemberID, r.InstanceID)
	switch {
	case err != nil:
		return err
	case r.Generation != g.generation:
		return ErrIllegalGeneration
	case g.state == CompletingRebalance:
		return ErrRebalanceInProgress
	case g.state != Empty:
		g.alive(m, out)
	}
	return nil
}

// commitWrite is a commit on its way through the log.
type commitWrite struct {
	g       *group
	request *CommitRequest
	commits []commit // as in the request
	waits   bool
}

// each calls f for the offsets that are written.
func (w *commitWrite) each(f func(tp protocol.TopicPartition, c *commit)) {
	for i := range w.request.Offsets {
		if o := &w.request.Offsets[i]; o.Err == nil {
			f(tpOf(o.Topic, o.Partition), &w.commits[i])
		}
	}
}

// pending notes that the offsets will be: who asks for stable ones has to wait, and none of them expires.
func (w *commitWrite) pending() {
	w.waits = true
	if w.g.underway == nil {
		w.g.underway = map[protocol.TopicPartition][]*commit{}
	}
	w.each(func(tp protocol.TopicPartition, c *commit) { w.g.underway[tp] = append(w.g.underway[tp], c) })
}

// done takes the offsets in when they are committed.
func (w *commitWrite) done(base int64, err error, out *effects) {
	if w.g.state != Dead {
		w.each(func(tp protocol.TopicPartition, c *commit) { w.settle(tp, c, base, err) })
	}
	done := w.request.Done
	out.answers = append(out.answers, func() { done(commitError(err)) })
}

// settle ends the commit of one partition. If the offset was deleted meanwhile, it stays so.
func (w *commitWrite) settle(tp protocol.TopicPartition, c *commit, base int64, err error) {
	if w.waits {
		i := slices.Index(w.g.underway[tp], c)
		if i < 0 {
			return
		}
		if rest := slices.Delete(w.g.underway[tp], i, i+1); len(rest) > 0 {
			w.g.underway[tp] = rest
		} else {
			delete(w.g.underway, tp)
		}
	}
	if c.at = base; err == nil {
		w.g.put(tp.Topic, tp.Partition, *c)
	}
}

// fetchOffsets gives what was asked for, or all there is for nil; in the order of topics and partitions. With stable,
// an offset that a commit is under way of is answered with an error: what was before it may be older than what
// the group has done.
func (g *group) fetchOffsets(asked []Partitions, stable bool) (list []CommittedOffset) {
	if asked == nil {
		asked = g.committed()
	}
	for _, t := range asked {
		for _, partition := range t.Partitions {
			o := CommittedOffset{Topic: t.Topic, Partition: partition, Offset: -1, LeaderEpoch: -1}
			if c, ok := g.get(t.Topic, partition); stable && g.unstable(t.Topic, partition) {
				o.Err = ErrUnstableOffset
			} else if ok {
				o.Offset, o.LeaderEpoch, o.Metadata = c.offset, c.leaderEpoch, c.metadata
			}
			list = append(list, o)
		}
	}
	return list
}

// committed lists the partitions that have an offset.
func (o *offsets) committed() []Partitions {
	list := make([]Partitions, 0, len(o.topics))
	for _, topic := range slices.Sorted(maps.Keys(o.topics)) {
		list = append(list, Partitions{topic, slices.Sorted(maps.Keys(o.topics[topic].commits))})
	}
	return list
}
