package replay

import (
	"runtime"
	"time"
)

// KeepThread reserves a thread for a goroutine that sleeps in the kernel, so that the goroutine takes none from the
// others, until the caller calls end.
func KeepThread() (end func()) {
	runtime.LockOSThread()
	was := runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	return func() {
		runtime.GOMAXPROCS(was)
		runtime.UnlockOSThread()
	}
}

// SleepUntil wakes some tens of microseconds after t. Go's own timers are up to a millisecond late in a process that
// otherwise only waits for its connections, which is more than the latency that is measured.
func SleepUntil(t time.Time) {
	for wait := time.Until(t); wait > 0; wait = time.Until(t) {
		sleep(wait)
	}
}
