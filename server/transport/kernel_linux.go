package transport

import (
	"time"

	"golang.org/x/sys/unix"
)

// These functions ask for what only Linux tells about a socket. kernel_other.go is for the other systems.

// pollEnded is the poll event which says that the peer has closed its sending side.
const pollEnded = unix.POLLRDHUP

// sendMore tells the kernel that more bytes follow at once, so that a small head does not leave as a packet of its own.
const sendMore = unix.MSG_MORE | unix.MSG_NOSIGNAL

// unread gives how many bytes the process can read from a socket at once.
func unread(socket uintptr) (n int, ok bool) {
	n, err := unix.IoctlGetInt(int(socket), unix.SIOCINQ)
	return n, err == nil
}

// unsent gives how many bytes a socket holds that the peer has not acknowledged.
func unsent(socket uintptr) (n int, ok bool) {
	n, err := unix.IoctlGetInt(int(socket), unix.SIOCOUTQ)
	return n, err == nil
}

// lastHeard gives the time since the peer last sent data.
func lastHeard(socket int) (time.Duration, error) {
	info, err := unix.GetsockoptTCPInfo(socket, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, err
	}
	return time.Duration(info.Last_data_recv) * time.Millisecond, nil
}
