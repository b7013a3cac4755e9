package batch

import (
	"fmt"
	"testing"
)

// typical is a batch of 1000 records of 100 bytes.
func typical(t testing.TB, codec Codec) []byte {
	b := NewBuilder(codec)
	for i := range 1000 {
		b.Add(int64(i), []byte(fmt.Sprint("key-", i)), fmt.Appendf(nil, "%090d", i*i))
	}
	return build(t, b)
}

func BenchmarkValidate(b *testing.B) {
	for _, codec := range Codecs() {
		b.Run(codec.String(), func(b *testing.B) {
			batch := typical(b, codec)
			b.ReportAllocs()
			b.SetBytes(int64(len(typical(b, None))))
			for b.Loop() {
				if _, err := Validate(batch, open); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRecords(b *testing.B) {
	for _, codec := range []Codec{None, Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			batch := typical(b, codec)
			b.ReportAllocs()
			b.SetBytes(int64(len(typical(b, None))))
			for b.Loop() {
				for _, err := range Records(batch, 0) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// Validating costs no memory that grows with the records: none at all for
// records as they are, and a few small pieces of the libraries for packed ones.
func TestValidateAllocates(t *testing.T) {
	if raceEnabled {
		return // the race detector empties pools at random
	}
	for codec, most := range map[Codec]float64{None: 0, Gzip: 2, Snappy: 0, LZ4: 2, Zstd: 2} {
		batch := typical(t, codec)
		got := testing.AllocsPerRun(200, func() {
			if _, err := Validate(batch, open); err != nil {
				t.Fatal(err)
			}
		})
		if got > most {
			t.Errorf("%v: %v allocations", codec, got)
		}
	}
}
