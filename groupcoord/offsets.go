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
	weight int64 // about how many bytes of memory they take
	// underway are the commits whose records are in the log and not committed yet.
	underway map[protocol.TopicPartition][]*commit
	// open are the offsets of transactions that have not ended, by producer id.
	open map[int64]map[protocol.TopicPartition]commit
	// owed are partitions that were deleted, whose offsets were dropped here while their tombstones are not in the log yet.
	owed []protocol.TopicPartition
	// changed are the topics for which the topic index has to be updated.
	changed []string
}

// commit is a committed offset.
type commit struct {
	offset      int64
	leaderEpoch int32 // -1 if it is not known
	metadata    string
	timeMs      int64 // when it was committed
	expiresMs   int64 // -1 if it expires by offsets.retention.minutes
	at          int64 // offset of its batch in __consumer_offsets: of two commits the one with the larger offset counts
}

func (o *offsets) get(topic string, partition int32) (commit, bool) {
	of := o.topics[topic]
	if of == nil {
		return commit{}, false
	}
	return of.get(partition)
}

// put sets a partition's committed offset, unless the present one comes later in the log.
func (o *offsets) put(topic string, partition int32, c commit) {
	of := o.topics[topic]
	if of == nil {
		if o.topics == nil {
			o.topics = map[string]*topicOffsets{}
		}
		of = &topicOffsets{commits: map[int32]bareCommit{}}
		o.topics[topic] = of
		o.weight += int64(topicBytes + len(topic))
		o.changes(topic)
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

// logged reports whether the log may have an offset of a partition.
func (o *offsets) logged(tp protocol.TopicPartition) bool {
	_, underway := o.underway[tp]
	_, ok := o.get(tp.Topic, tp.Partition)
	return ok || underway
}

// drop forgets a partition's offset and its pending commits, and reports whether the log may have any of them.
func (o *offsets) drop(topic string, partition int32) bool {
	tp := tpOf(topic, partition)
	_, underway := o.underway[tp]
	delete(o.underway, tp)
	if o.closeOpen(tp) || underway {
		o.changes(topic)
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
		o.changes(topic)
	}
	return true
}

// changes notes that the topic index has to be updated for a topic: its first offset was added, or its last one dropped.
func (o *offsets) changes(topic string) {
	if n := len(o.changed); n == 0 || o.changed[n-1] != topic {
		o.changed = append(o.changed, topic)
	}
}

// closeOpen forgets the offsets of a partition that are in open transactions, and reports whether there were any.
func (o *offsets) closeOpen(tp protocol.TopicPartition) (found bool) {
	for producer, of := range o.open {
		if _, ok := of[tp]; !ok {
			continue
		}
		found = true
		if delete(of, tp); len(of) == 0 {
			delete(o.open, producer)
		}
	}
	return found
}

// adds reports whether a commit has partitions that have no offset yet.
func (o *offsets) adds(list []CommittedOffset) bool {
	return slices.ContainsFunc(list, func(c CommittedOffset) bool {
		_, ok := o.get(c.Topic, c.Partition)
		return !ok
	})
}

// used reports whether there are offsets, pending commits or open transactions.
func (o *offsets) used() bool { return o.count > 0 || len(o.underway) > 0 || len(o.open) > 0 }

// usedBesides reports whether used would be true without the offsets of some partitions.
func (o *offsets) usedBesides(some map[protocol.TopicPartition]bool) bool {
	if o.count > len(some) || len(o.underway) > len(some) {
		return true
	}
	for topic, of := range o.topics {
		for partition := range of.commits {
			if !some[tpOf(topic, partition)] {
				return true
			}
		}
	}
	for tp := range o.underway {
		if !some[tp] {
			return true
		}
	}
	for _, of := range o.open {
		for tp := range of {
			if !some[tp] {
				return true
			}
		}
	}
	return false
}

// pendingTopics gives the topics of pending commits and open transactions.
func (o *offsets) pendingTopics() map[string]bool {
	topics := map[string]bool{}
	for tp := range o.underway {
		topics[tp.Topic] = true
	}
	for _, of := range o.open {
		for tp := range of {
			topics[tp.Topic] = true
		}
	}
	return topics
}

// unstable reports whether a commit of a partition's offset is pending: its records are not committed yet, or its transaction has not ended.
func (o *offsets) unstable(topic string, partition int32) bool {
	tp := tpOf(topic, partition)
	_, underway := o.underway[tp]
	return underway || o.inTransaction(tp)
}

// inTransaction reports whether an open transaction has an offset of a partition.
func (o *offsets) inTransaction(tp protocol.TopicPartition) bool {
	for _, of := range o.open {
		if _, ok := of[tp]; ok {
			return true
		}
	}
	return false
}

// commitOffsets handles an OffsetCommit request (GroupCoordinator.handleCommitOffsets).
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

// MetadataSize is the size that is compared with offset.metadata.max.bytes: the length of a string in Java, in UTF-16 units.
func MetadataSize(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// mayCommit checks the member and the generation of a commit. The error is the answer.
func (g *group) mayCommit(r *CommitRequest, out *effects) error {
	switch {
	case g.state == Dead:
		return ErrNotAvailable
	case r.Generation < 0 && g.state == Empty:
		return nil // from a consumer without group management, or an administrator
	case r.Generation < 0 && r.MemberID == "" && r.InstanceID == nil:
		return ErrUnknownMember // the group has members, and only they may commit
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

// commitWrite is a commit that is being written.
type commitWrite struct {
	g       *group
	request *CommitRequest
	commits []commit // as in the request
	waits   bool     // the records are in the log and not committed yet
}

// each calls f for each offset that is written.
func (w *commitWrite) each(f func(tp protocol.TopicPartition, c *commit)) {
	for i := range w.request.Offsets {
		if o := &w.request.Offsets[i]; o.Err == nil {
			f(tpOf(o.Topic, o.Partition), &w.commits[i])
		}
	}
}

// pending notes that the offsets are in the log and not committed yet. They are unstable until then, and do not expire.
func (w *commitWrite) pending() {
	w.waits = true
	if w.g.underway == nil {
		w.g.underway = map[protocol.TopicPartition][]*commit{}
	}
	w.each(func(tp protocol.TopicPartition, c *commit) {
		w.g.underway[tp] = append(w.g.underway[tp], c)
		if w.g.topics[tp.Topic] == nil {
			w.g.changes(tp.Topic)
		}
	})
}

// done ends the commit: when its records are committed the offsets are the group's.
func (w *commitWrite) done(base int64, err error, out *effects) {
	if w.g.state != Dead {
		w.each(func(tp protocol.TopicPartition, c *commit) { w.settle(tp, c, base, err) })
	}
	done := w.request.Done
	out.answers = append(out.answers, func() { done(commitError(err)) })
}

// settle ends the commit of one partition. An offset that was deleted meanwhile stays deleted.
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
			if w.g.topics[tp.Topic] == nil {
				w.g.changes(tp.Topic)
			}
		}
	}
	if c.at = base; err == nil {
		w.g.put(tp.Topic, tp.Partition, *c)
	}
}

// fetchOffsets gives the offsets asked for in that order, or with nil all that there are, in the order of topics and partitions. With
// stable an offset with a pending commit has the error ErrUnstableOffset: the one before may be older than what the group has consumed.
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
