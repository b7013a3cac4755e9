package logstore

import (
	"fmt"
	"testing"

	"klamm/logstore/vfs"
)

// BenchmarkRollWithProducers rolls a log that knows many producers: each roll writes them to a snapshot, and appends wait.
func BenchmarkRollWithProducers(b *testing.B) {
	for _, n := range []int{0, 1000, DefaultConfig().ProducersMax} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := testOptions(vfs.OS{}, DefaultConfig())
			o.Dir, o.Background = b.TempDir(), nil
			l := mustOpen(b, o)
			for id := range int64(n) {
				h := toAppend(b, build(b, spec{idem: true, pid: id})).Header
				l.producers.apply(&h, nil)
			}
			one := build(b, spec{})
			for b.Loop() {
				b.StopTimer()
				l.tasks.Wait() // what no append waits for is not measured
				if r := appendOne(b, l, one, 0, testNow); r.Err != nil {
					b.Fatal(r.Err)
				}
				b.StartTimer()
				if err := l.Roll(testNow); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
