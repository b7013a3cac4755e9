package replica

import (
	"math/rand/v2"
	"testing"
)

// TestUnreadCountsAtLeastWhatIsReadable plays appends and moves of the high watermark against a list of all batches: a fetch sleeps on
// bytes that were not counted. As long as there are few runs, and appends are told in order, each byte counts once.
func TestUnreadCountsAtLeastWhatIsReadable(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 3))
		var u unread
		var batches []run // those past the high watermark
		hw, end := int64(0), int64(0)
		exact, steps := true, 1+random.IntN(8)
		for range 500 {
			if random.IntN(3) > 0 {
				told := make([]run, 1+random.IntN(2))
				for i := range told {
					told[i] = run{end, end + 1 + random.Int64N(5), 1 + random.Int64N(100)}
					end = told[i].end
				}
				batches = append(batches, told...)
				if len(told) > 1 && random.IntN(2) == 0 {
					told[0], told[1] = told[1], told[0]
					exact = false
				}
				for _, b := range told {
					u.add(hw, b.end, b.bytes)
				}
				exact = exact && len(batches) <= maxRuns
				continue
			}
			var readable int64
			n := random.IntN(min(len(batches), steps) + 1)
			for _, b := range batches[:n] {
				readable += b.bytes
				hw = b.end
			}
			batches = batches[n:]
			counted := u.take(hw)
			if counted < readable || exact && counted != readable {
				t.Fatalf("seed %d: %d bytes count with high watermark %d, and %d are readable (each told once in order: %t)", seed, counted, hw, readable, exact)
			}
			if again := u.take(hw); again != 0 {
				t.Fatalf("seed %d: %d bytes count again without a move", seed, again)
			}
			if len(batches) == 0 {
				exact = true
			}
		}
		if u.take(end); len(u.runs) > 0 {
			t.Fatalf("seed %d: %v is left", seed, u.runs)
		}
	}
}
