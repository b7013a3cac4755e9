package logstore

import (
	"crypto/sha256"
	"encoding/binary"
)

// keyMap knows the last offset of each key of a stretch of a log, in a bounded
// piece of memory: an open hash table of slots of 24 bytes, a key's hash and its
// offset. Keys themselves are not kept. Two keys of one hash would be taken for
// one and the older be lost, so that the hash is 128 bits of SHA-256, which nobody
// can find two keys for; Apache's SkimpyOffsetMap takes MD5, for which anybody can.
type keyMap struct {
	slots []keySlot
	// most is how many keys are taken before the map says that it is full.
	most  int
	count int
	// latest is the last offset that the map speaks for, -1 for none.
	latest int64
}

type keySlot struct {
	hash [2]uint64
	next int64 // the offset plus 1; 0 for a free slot
}

// keySlotSize is the bytes of a slot, as many as one of Apache's map.
const keySlotSize = 24

// reset empties the map and fits it for some keys, as far as the memory in bytes
// goes, of which only the part loadFactor is filled. The memory is kept for the
// next time unless it is much more than that needs.
func (m *keyMap) reset(keys, memory int64, loadFactor float64) {
	n := memory / keySlotSize
	if want := float64(keys)/loadFactor + 2; want < float64(n) {
		n = int64(want)
	}
	if int64(cap(m.slots)) < n || int64(cap(m.slots)) > 4*n {
		m.slots = make([]keySlot, n)
	}
	m.slots = m.slots[:n]
	clear(m.slots)
	m.most, m.count, m.latest = int(float64(n)*loadFactor), 0, -1
}

// full says that no key is to be added.
func (m *keyMap) full() bool { return m.count >= m.most }

// put notes a key's offset, higher than all before.
func (m *keyMap) put(key []byte, offset int64) {
	hash := hashKey(key)
	s := m.find(hash)
	if s.next == 0 {
		s.hash = hash
		m.count++
	}
	s.next = offset + 1
	m.latest = offset
}

// get gives the last offset of a key, -1 if it is not known.
func (m *keyMap) get(key []byte) int64 { return m.find(hashKey(key)).next - 1 }

// find gives the slot of a hash, or the free one where it belongs. There is one,
// since the map is never filled up.
func (m *keyMap) find(hash [2]uint64) *keySlot {
	n := uint64(len(m.slots))
	for i := hash[0] % n; ; {
		s := &m.slots[i]
		if s.next == 0 || s.hash == hash {
			return s
		}
		if i++; i == n {
			i = 0
		}
	}
}

func hashKey(key []byte) [2]uint64 {
	sum := sha256.Sum256(key)
	return [2]uint64{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}
