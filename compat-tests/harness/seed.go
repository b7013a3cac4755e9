package harness

import (
	"math/rand/v2"
	"testing"
)

// Rand gives the source of a test's moments, and prints its seed for the test's flag -seed; 0 takes a new one.
func Rand(t testing.TB, seed uint64) *rand.Rand {
	t.Helper()
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
