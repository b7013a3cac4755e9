package replay

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// sleep sleeps in the kernel, at most so long.
func sleep(wait time.Duration) {
	ts := unix.NsecToTimespec(int64(wait))
	if err := unix.Nanosleep(&ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
		time.Sleep(wait)
	}
}
