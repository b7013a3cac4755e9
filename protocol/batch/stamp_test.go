package batch

import (
	"runtime"
	"testing"
)

// FindStamp finds what Records gives first, in every codec.
func TestFindStampFindsWhatRecordsGive(t *testing.T) {
	for _, codec := range Codecs() {
		b := sample(t, codec, 30)
		for from := range int64(32) {
			want, wanted := Stamp{}, false
			for r, err := range Records(b, 0) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Offset >= from {
					want, wanted = Stamp{r.Offset, r.Timestamp}, true
					break
				}
			}
			got, found, err := FindStamp(b, DefaultMaxExpandedBytes, func(s Stamp) bool { return s.Offset >= from })
			if err != nil || found != wanted || found && got != want {
				t.Errorf("%v, from %d: %+v, %t, %v; want %+v", codec, from, got, found, err, want)
			}
		}
		if _, _, err := FindStamp(b[:len(b)-1], DefaultMaxExpandedBytes, func(Stamp) bool { return false }); err == nil {
			t.Errorf("%v: half a batch is read", codec)
		}
	}
}

// Looking for a time in a batch that expands to hundreds of megabytes held them.
func TestFindStampHoldsNoRecord(t *testing.T) {
	b := NewBuilder(Gzip)
	b.Add(1, nil, make([]byte, 100<<20))
	b.Add(2, nil, []byte("last"))
	bomb := build(t, b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, found, err := FindStamp(bomb, 1<<31, func(s Stamp) bool { return s.Timestamp >= 2 })
	runtime.ReadMemStats(&after)
	if err != nil || !found || got != (Stamp{1, 2}) {
		t.Fatalf("%+v, %t, %v", got, found, err)
	}
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 2<<20 {
		t.Errorf("it cost %d bytes", cost)
	}
}
