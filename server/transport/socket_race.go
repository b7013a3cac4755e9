//go:build race || !linux

package transport

import (
	"errors"
	"syscall"
)

// On systems other than Linux, and under the race detector, the broker reads and writes through the syscall package, which
// tells the scheduler of each call. The race detector takes it from syscall.Read and syscall.Write that a write on one end
// of a connection comes before the read on the other end, as when a test's client runs in the broker's process. It cannot
// take that from the calls in socket_raw.go.

func receiveNow(socket uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(socket), p)
	return n, errnoOf(err)
}

func sendNow(socket uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(socket), p)
	return n, errnoOf(err)
}

func errnoOf(err error) (errno syscall.Errno) {
	errors.As(err, &errno)
	return errno
}
