package logstore

import (
	"fmt"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

func benchLog(b *testing.B) *Log {
	c := DefaultConfig()
	l := mustOpen(b, Options{FS: vfs.OS{}, Dir: b.TempDir(), Partition: protocol.TopicPartition{Topic: "t"}, Config: c, NowMs: testNow})
	b.Cleanup(func() { l.Discard() })
	return l
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := benchLog(b)
			one := []Append{toAppend(b, build(b, spec{size: size, ts: testNow}))}
			b.SetBytes(int64(len(one[0].Data)))
			b.ReportAllocs()
			for b.Loop() {
				l.Append(one, 0, testNow)
				if one[0].Result.Err != nil {
					b.Fatal(one[0].Result.Err)
				}
			}
		})
	}
}

func BenchmarkAppendParallel(b *testing.B) {
	l := benchLog(b)
	data := build(b, spec{size: 1000, ts: testNow})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		one := []Append{toAppend(b, append([]byte(nil), data...))}
		for pb.Next() {
			l.Append(one, 0, testNow)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	l := benchLog(b)
	one := []Append{toAppend(b, build(b, spec{size: 1000, ts: testNow}))}
	const batches = 100_000
	for range batches {
		l.Append(one, 0, testNow)
	}
	end := l.EndOffset()
	b.Run("sequential 64 KiB", func(b *testing.B) {
		b.ReportAllocs()
		from := int64(0)
		for b.Loop() {
			r, err := l.Read(from, 64<<10, end, true)
			if err != nil {
				b.Fatal(err)
			}
			from += int64(r.Len / len(one[0].Data))
			r.Release()
			if from == end {
				from = 0
			}
		}
	})
	b.Run("anywhere 1 MiB", func(b *testing.B) {
		b.ReportAllocs()
		from := int64(0)
		for b.Loop() {
			r, err := l.Read(from, 1<<20, end, true)
			if err != nil {
				b.Fatal(err)
			}
			r.Release()
			from = (from + 7919) % end
		}
	})
	b.Run("tail", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Append(one, 0, testNow)
			r, err := l.Read(one[0].Result.BaseOffset, 1<<20, 1<<62, true)
			if err != nil || r.Len == 0 {
				b.Fatal(err)
			}
			r.Release()
		}
	})
	b.Run("sealed 1 MiB, first time", func(b *testing.B) {
		ok(b, l.Roll(testNow))
		b.ReportAllocs()
		from := int64(0)
		for b.Loop() {
			r, err := l.Read(from, 1<<20, end, true)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(r.Len))
			from += int64(r.Len / len(one[0].Data))
			r.Release()
			if from == end {
				from = 0
				l.RecheckSegments()
			}
		}
	})
}

// BenchmarkOpenLog opens a log of one segment with 200 batches, as after a kill
// and as after a clean stop.
func BenchmarkOpenLog(b *testing.B) {
	for _, clean := range []bool{false, true} {
		b.Run(fmt.Sprintf("clean=%v", clean), func(b *testing.B) {
			o := Options{FS: vfs.OS{}, Dir: b.TempDir(), Partition: protocol.TopicPartition{Topic: "t"}, Config: DefaultConfig(), NowMs: testNow}
			l := mustOpen(b, o)
			one := []Append{toAppend(b, build(b, spec{size: 1000, ts: testNow, idem: true, pid: 1}))}
			for i := range 200 {
				one[0].Header.BaseSequence = int32(i)
				l.Append(one, 0, testNow)
			}
			if o.Clean = clean; clean {
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			} else {
				l.Discard()
			}
			b.ReportAllocs()
			for b.Loop() {
				mustOpen(b, o).Discard()
			}
		})
	}
}
