//go:build linux && !race

package transport

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiveNow reads what the socket has, without telling the scheduler of the call. It gives
// EAGAIN when the socket has nothing.
func receiveNow(socket uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, socket, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// sendNow writes what the socket takes, without telling the scheduler of the call. It gives
// EAGAIN when the socket takes nothing.
func sendNow(socket uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, socket, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}
