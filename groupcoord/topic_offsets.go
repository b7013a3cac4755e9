package groupcoord

import "iter"

// topicOffsets are a group's offsets in a topic. They are kept without pointers, so that the garbage collector need not scan them: there
// may be millions. Metadata, which most commits do not have, is kept apart.
type topicOffsets struct {
	commits  map[int32]bareCommit
	metadata map[int32]string // of the commits that have some
}

// bareCommit is a commit without its metadata.
type bareCommit struct {
	offset      int64
	timeMs      int64
	expiresMs   int64
	at          int64
	leaderEpoch int32
}

func (t *topicOffsets) get(partition int32) (commit, bool) {
	b, ok := t.commits[partition]
	return t.whole(partition, b), ok
}

func (t *topicOffsets) whole(partition int32, b bareCommit) commit {
	return commit{offset: b.offset, leaderEpoch: b.leaderEpoch, metadata: t.metadata[partition], timeMs: b.timeMs, expiresMs: b.expiresMs, at: b.at}
}

func (t *topicOffsets) put(partition int32, c commit) {
	t.commits[partition] = bareCommit{offset: c.offset, timeMs: c.timeMs, expiresMs: c.expiresMs, at: c.at, leaderEpoch: c.leaderEpoch}
	switch {
	case c.metadata == "":
		delete(t.metadata, partition)
	case t.metadata == nil:
		t.metadata = map[int32]string{partition: c.metadata}
	default:
		t.metadata[partition] = c.metadata
	}
}

func (t *topicOffsets) delete(partition int32) {
	delete(t.commits, partition)
	delete(t.metadata, partition)
}

// all gives the commit of each partition, in no order.
func (t *topicOffsets) all() iter.Seq2[int32, commit] {
	return func(yield func(int32, commit) bool) {
		for partition, b := range t.commits {
			if !yield(partition, t.whole(partition, b)) {
				return
			}
		}
	}
}
