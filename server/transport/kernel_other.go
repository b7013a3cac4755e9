//go:build !linux

package transport

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Where the system does not tell what Linux tells about a socket, a request is read as it comes and not left to the
// kernel until it is whole, an answer of a fetch that waited is always left to a goroutine, and a client that is within
// a request counts as idle by what was read of it.

const (
	pollEnded = unix.POLLHUP
	sendMore  = 0
)

func unread(uintptr) (n int, ok bool) { return 0, false }

func unsent(uintptr) (n int, ok bool) { return 0, false }

func lastHeard(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
