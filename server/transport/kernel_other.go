//go:build !linux

package transport

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Other systems do not tell what Linux tells about a socket. There the broker reads a request as it arrives and does not
// leave it to the kernel until all of it is there; a goroutine of its own always sends the answer of a fetch that waited;
// and the time for which a client has been idle counts from the last read, also within a request.

const (
	pollEnded = unix.POLLHUP
	sendMore  = 0
)

func unread(uintptr) (n int, ok bool) { return 0, false }

func unsent(uintptr) (n int, ok bool) { return 0, false }

func lastHeard(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
