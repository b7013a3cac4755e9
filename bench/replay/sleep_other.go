//go:build !linux

package replay

import "time"

// sleep sleeps by Go's timer, which may be late.
func sleep(wait time.Duration) { time.Sleep(wait) }
