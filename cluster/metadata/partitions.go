package metadata

import (
	"iter"
	"slices"

	"klamm/cluster/order"
)

// Partition is a partition as clients see it. The slices are never changed.
type Partition struct {
	Index int32
	// Leader is -1 (NoLeader) while nobody leads.
	Leader      int32
	LeaderEpoch int32
	Replicas    []int32
	ISR         []int32
	// Offline are the replicas on brokers that are not live, and those whose log directory failed.
	Offline []int32
}

// unknown is a partition with a number below the highest that is known, of which the controller has told nothing: it never
// had a leader.
var unknown = Partition{Index: -1, Leader: NoLeader, LeaderEpoch: -1}

// Partitions are a topic's partitions in order. They are never changed, like all of a Snapshot; what
// comes after a change shares with what was before all chunks in which nothing changed. So one change of a topic of
// 100,000 partitions copies some hundred of them.
type Partitions struct {
	chunks [][]Partition // each has chunkPartitions but the last; the slots of partitions that are not known hold unknown
	slots  int
	known  int
}

const chunkPartitions = 128

// Len is one more than the highest number of a known partition.
func (p *Partitions) Len() int { return p.slots }

// Has says whether a partition is known.
func (p *Partitions) Has(n int32) bool {
	return n >= 0 && int(n) < p.slots && p.At(int(n)).Index >= 0
}

// At gives the partition with a number from 0 to Len-1. A partition that is not known has the index -1 and no leader.
func (p *Partitions) At(n int) *Partition { return &p.chunks[n/chunkPartitions][n%chunkPartitions] }

// All goes over the known partitions in order.
func (p *Partitions) All() iter.Seq[*Partition] {
	return func(yield func(*Partition) bool) {
		for _, chunk := range p.chunks {
			for i := range chunk {
				if chunk[i].Index >= 0 && !yield(&chunk[i]) {
					return
				}
			}
		}
	}
}

// with gives the partitions after changes, and the numbers of those that the changes deleted.
func (p *Partitions) with(changed []order.PartitionMetadata) (next Partitions, deleted []int32) {
	slots := p.slots
	for i := range changed {
		if c := &changed[i]; c.Leader != order.LeaderDuringDelete {
			slots = max(slots, int(c.Partition)+1)
		}
	}
	next = Partitions{slots: slots, known: p.known, chunks: slices.Clone(p.chunks)}
	owned := make(map[int]bool)
	for len(next.chunks)*chunkPartitions < slots {
		next.chunks = append(next.chunks, nil)
	}
	for c := max(0, p.slots/chunkPartitions); c < len(next.chunks); c++ {
		want := min(chunkPartitions, slots-c*chunkPartitions)
		switch {
		case len(next.chunks[c]) == 0 && want == chunkPartitions:
			next.chunks[c] = unknownChunk
		case len(next.chunks[c]) < want:
			owned[c] = true
			next.chunks[c] = grown(next.chunks[c], want)
		}
	}
	for i := range changed {
		c := &changed[i]
		if c.Leader == order.LeaderDuringDelete && !next.Has(c.Partition) {
			continue
		}
		chunk := int(c.Partition) / chunkPartitions
		if !owned[chunk] {
			owned[chunk] = true
			next.chunks[chunk] = slices.Clone(next.chunks[chunk])
		}
		at := next.At(int(c.Partition))
		if c.Leader == order.LeaderDuringDelete {
			*at, next.known = unknown, next.known-1
			deleted = append(deleted, c.Partition)
			continue
		}
		if at.Index < 0 {
			next.known++
		}
		*at = Partition{Index: c.Partition, Leader: c.Leader, LeaderEpoch: c.LeaderEpoch, Replicas: c.Replicas, ISR: c.ISR, Offline: c.Offline}
	}
	next.trim()
	return next, deleted
}

// unknownChunk stands for every chunk of which nothing is known, so that a high number of one partition takes little memory.
var unknownChunk = grown(nil, chunkPartitions)

// grown gives a copy of a chunk with more slots, the new ones unknown.
func grown(chunk []Partition, slots int) []Partition {
	next := make([]Partition, slots)
	for i := copy(next, chunk); i < slots; i++ {
		next[i] = unknown
	}
	return next
}

// trim drops the unknown slots at the end.
func (p *Partitions) trim() {
	for p.slots > 0 && p.At(p.slots-1).Index < 0 {
		p.slots--
	}
	p.chunks = p.chunks[:(p.slots+chunkPartitions-1)/chunkPartitions]
	if last := len(p.chunks) - 1; last >= 0 {
		n := p.slots - last*chunkPartitions
		p.chunks[last] = p.chunks[last][:n:n]
	}
}
