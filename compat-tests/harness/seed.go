package harness

import (
	"math/rand/v2"
	"testing"
)

// Rand gives a test's source of random numbers and prints its seed, which the test's flag -seed takes. For
// seed 0 it takes a new seed.
func Rand(t testing.TB, seed uint64) *rand.Rand {
	t.Helper()
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
