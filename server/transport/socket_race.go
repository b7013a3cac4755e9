//go:build race || !linux

package transport

import (
	"errors"
	"syscall"
)

// Where the system is not Linux, the scheduler is told of each call. Under the race detector a client in the same process, as tests have it, and what it asked for are in order: the
// detector knows of that from syscall.Read and syscall.Write, and not from what socket_raw.go does.

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
