package logstore

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"klamm/logstore/vfs"
)

// TestIndexLookups looks keys up in indexes of many blocks whose keys rise evenly, ever
// faster, in jumps and at random, and counts how often the file is read for one.
func TestIndexLookups(t *testing.T) {
	const entries, base = 40_000, 1_000
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	sum := int64(0)
	for name, c := range map[string]struct {
		key  func(i int64) int64
		most int // reads for a lookup
	}{
		"even":    {func(i int64) int64 { return 30 * i }, 1},
		"squares": {func(i int64) int64 { return i * i }, 14},
		"a jump":  {func(i int64) int64 { return i + i/39_000*2e9 }, 14},
		"random": {func(i int64) int64 {
			if i == 0 {
				sum = 0
			}
			sum += 1 + r.Int64N(1000)
			return sum
		}, 3},
	} {
		disk := newMemDisk(t)
		ok(t, disk.MkdirAll(testDir))
		s := newSegment(disk, NewFileBudget(10), testDir, base, testNow)
		ok(t, s.create(0))
		keys := make([]int64, entries)
		for i := range keys {
			keys[i] = base + c.key(int64(i))
			var entry [offsetEntrySize]byte
			binary.BigEndian.PutUint32(entry[:], uint32(keys[i]-base))
			binary.BigEndian.PutUint32(entry[4:], uint32(i))
			ok(t, s.offsets.append(entry[:]))
		}
		ok(t, s.offsets.write())
		reads := 0
		disk.SetHook(func(op vfs.Op) {
			if op.Kind == vfs.OpRead {
				reads++
			}
		})
		look := func(target, want int64) {
			t.Helper()
			reads = 0
			got, err := s.search(&s.offsets, target, offsetEntryOffset, offsetEntryPosition, -1)
			if err != nil || got != want {
				t.Fatalf("%s, seed %d: key %d is at %d, not %d (%v)", name, seed, target, want, got, err)
			}
			if reads > c.most {
				t.Fatalf("%s, seed %d: %d reads for key %d, more than %d", name, seed, reads, target, c.most)
			}
		}
		look(keys[0]-1, -1)
		look(keys[entries-1]+1, entries-1)
		for i := range int64(entries) {
			if i%7 == 0 || i < 1000 || i > entries-1000 {
				look(keys[i], i)
				if i > 0 {
					look(keys[i]-1, i-1)
				}
			}
		}
		disk.SetHook(nil)
	}
}
