// Package await lets a test wait for a condition when no channel or callback tells the test
// about it. Only tests use it. A test that waits as long as Patience fails. Begin reading at
// Until.
package await

import (
	"runtime"
	"testing"
	"time"
)

// Patience is how long a test waits for a condition before it fails.
const Patience = 30 * time.Second

// Until calls ok each millisecond until it reports true. After Patience it fails the test with
// what, the name of the condition, and the stacks of all goroutines. Only the test's own
// goroutine may call it.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(Patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			stacks := make([]byte, 1<<20)
			t.Fatalf("never: %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
