package logstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"klamm/logstore/vfs"
)

// BenchmarkOpen opens 2,000 partitions, each with records past the recovery
// point, as they are left by a kill and by a clean stop.
func BenchmarkOpen(b *testing.B) {
	const partitions, records = 2000, 20
	for _, clean := range []bool{false, true} {
		b.Run(fmt.Sprintf("partitions=%d/clean=%v", partitions, clean), func(b *testing.B) {
			dir := b.TempDir()
			s := openStore(b, testStore(vfs.OS{}, dir))
			for i := range int32(partitions) {
				ok(b, appendTo(create(b, s, tpOf("t", i), 1), records))
			}
			if clean {
				closeStore(b, s)
			} else {
				abandon(s)
			}
			for b.Loop() {
				s := openStore(b, testStore(vfs.OS{}, dir))
				b.StopTimer()
				if len(s.All()) != partitions {
					b.Fatalf("%d logs", len(s.All()))
				}
				abandon(s)
				if clean {
					ok(b, os.WriteFile(filepath.Join(dir, cleanShutdownName), nil, 0o644))
				}
				b.StartTimer()
			}
		})
	}
}

// abandon leaves the directories as a kill of the process does.
func abandon(s *Store) {
	close(s.stop)
	s.background.Wait()
	for _, l := range s.All() {
		l.Discard()
	}
	s.unlock()
}
