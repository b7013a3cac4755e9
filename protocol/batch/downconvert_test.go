package batch

import (
	"runtime"
	"testing"
)

// A large record out of a packed batch leaves as much garbage as it has bytes, beside itself.
func TestLargeRecordLeavesLittleGarbage(t *testing.T) {
	const size = 6 << 20
	b := NewBuilder(Gzip)
	b.Add(5, nil, make([]byte, size))
	packed := build(t, b)
	convert := func() {
		if _, err := (&Downconversion{Magic: 1}).Append(nil, packed); err != nil {
			t.Fatal(err)
		}
	}
	convert() // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	convert()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 3*size {
		t.Errorf("%d bytes were allocated for a record of %d", took, size)
	}
}
