package cluster

import "iter"

// Partitions are a topic's partitions in order: the n-th is partition n. They are never changed, like all of a Metadata; what
// comes after a change shares with what was before all chunks in which nothing changed. So one change of a topic of
// 100,000 partitions copies some hundred of them.
type Partitions struct {
	chunks [][]Partition // each has chunkPartitions but the last
	count  int
}

const chunkPartitions = 128

// Len counts the partitions.
func (p *Partitions) Len() int { return p.count }

// At gives the partition with a number from 0 to Len-1.
func (p *Partitions) At(n int) *Partition { return &p.chunks[n/chunkPartitions][n%chunkPartitions] }

// All goes over the partitions in order.
func (p *Partitions) All() iter.Seq[*Partition] {
	return func(yield func(*Partition) bool) {
		for _, chunk := range p.chunks {
			for i := range chunk {
				if !yield(&chunk[i]) {
					return
				}
			}
		}
	}
}

// with gives as many partitions as count says, of which those changed and those that were not there before are made
// by fill. fill is handed what the partition was before, zero for a new one.
func (p *Partitions) with(count int, changed []int32, fill func(n int, partition *Partition)) Partitions {
	next := Partitions{count: count, chunks: make([][]Partition, (count+chunkPartitions-1)/chunkPartitions)}
	copy(next.chunks, p.chunks)
	owned := make(map[int]bool)
	own := func(c int) []Partition {
		if !owned[c] {
			owned[c] = true
			old := next.chunks[c]
			next.chunks[c] = make([]Partition, min(chunkPartitions, count-c*chunkPartitions))
			copy(next.chunks[c], old)
		}
		return next.chunks[c]
	}
	for _, n := range changed {
		if int(n) < min(count, p.count) {
			fill(int(n), &own(int(n) / chunkPartitions)[n%chunkPartitions])
		}
	}
	for n := p.count; n < count; n++ {
		fill(n, &own(n / chunkPartitions)[n%chunkPartitions])
	}
	if last := len(next.chunks) - 1; last >= 0 && count < p.count {
		next.chunks[last] = next.chunks[last][: count-last*chunkPartitions : count-last*chunkPartitions]
	}
	return next
}
