package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is the unit in which a write may be torn.
const sector = 512

// CrashClone gives the disk as it could be found after the machine crashed at
// this instant. Everything synced is there. For the unsynced changes of each file and
// each directory the seed decides: all are lost, all are kept, those up to one are kept
// and that one is torn at a byte, or any of them are kept, with writes torn at sectors.
// Nobody holds a lock in the clone, and it has none of m's rules and no hook. m itself
// does not change.
func (m *Mem) CrashClone(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.capacity = m.capacity
	r := rand.New(rand.NewPCG(seed, 0x6b6c616d6d))
	c.root = c.crashedLocked(m.root, r)
	return c
}

// Clone gives the disk as it is seen now, as after the process alone was killed:
// nothing is lost, everything is durable in the clone, and nobody holds a lock.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.capacity = m.capacity
	c.root = c.crashedLocked(m.root, nil)
	return c
}

type crashMode int

const (
	crashLose crashMode = iota
	crashKeep
	crashPrefix
	crashRandom
	crashModes
)

// crashedLocked copies a node of the old disk into c; a nil r keeps everything.
func (c *Mem) crashedLocked(n *memNode, r *rand.Rand) *memNode {
	out := &memNode{linked: true, modTime: n.modTime}
	if !n.isDir() {
		out.data = n.crashedData(r)
		out.durable = slices.Clone(out.data)
		c.used += int64(len(out.data))
		return out
	}
	entries := n.crashedEntries(r)
	out.entries = map[string]*memNode{}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		out.entries[name] = c.crashedLocked(entries[name], r)
	}
	out.durableEntries = maps.Clone(out.entries)
	return out
}

func (n *memNode) crashedEntries(r *rand.Rand) map[string]*memNode {
	if r == nil {
		return n.entries
	}
	entries := maps.Clone(n.durableEntries)
	mode := crashMode(r.IntN(int(crashModes)))
	prefix := r.IntN(len(n.changes) + 1)
	for i, c := range n.changes {
		if keepChange(mode, i, prefix, r) {
			applyChange(entries, c)
		}
	}
	return entries
}

func keepChange(mode crashMode, i, prefix int, r *rand.Rand) bool {
	switch mode {
	case crashKeep:
		return true
	case crashPrefix:
		return i < prefix
	case crashRandom:
		return r.IntN(2) == 0
	}
	return false
}

func (n *memNode) crashedData(r *rand.Rand) []byte {
	if r == nil {
		return slices.Clone(n.data)
	}
	data := slices.Clone(n.durable)
	mode := crashMode(r.IntN(int(crashModes)))
	prefix := r.IntN(len(n.writes) + 1)
	for i, w := range n.writes {
		if w.lost {
			continue
		}
		switch {
		case mode == crashPrefix && i == prefix && w.data != nil:
			// The write that was under way: its first bytes.
			if k := r.IntN(len(w.data) + 1); k > 0 {
				data = memWrite{off: w.off, data: w.data[:k]}.apply(data)
			}
		case mode == crashRandom && w.data != nil:
			data = tornWrite(data, w, r)
		case keepChange(mode, i, prefix, r):
			data = w.apply(data)
		}
	}
	return data
}

// tornWrite keeps some of the write's sectors. Those lost inside the file's new
// size hold what was there before, or zeros.
func tornWrite(data []byte, w memWrite, r *rand.Rand) []byte {
	for at := 0; at < len(w.data); {
		pos := w.off + int64(at)
		n := min(len(w.data)-at, sector-int(pos%sector))
		if r.IntN(2) == 0 {
			data = memWrite{off: pos, data: w.data[at : at+n]}.apply(data)
		}
		at += n
	}
	return data
}
