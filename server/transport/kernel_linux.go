package transport

import (
	"time"

	"golang.org/x/sys/unix"
)

// What only Linux tells about a socket, and how it is asked. kernel_other.go is for the other systems.

// pollEnded is the event of a peer that has ended its side.
const pollEnded = unix.POLLRDHUP

// sendMore says that more follows at once, so that a small head does not leave as a packet of its own.
const sendMore = unix.MSG_MORE | unix.MSG_NOSIGNAL

// unread is how many bytes a socket holds that can be read at once.
func unread(socket uintptr) (n int, ok bool) {
	n, err := unix.IoctlGetInt(int(socket), unix.SIOCINQ)
	return n, err == nil
}

// unsent is how many bytes a socket holds that have not reached the peer.
func unsent(socket uintptr) (n int, ok bool) {
	n, err := unix.IoctlGetInt(int(socket), unix.SIOCOUTQ)
	return n, err == nil
}

// lastHeard is for how long nothing has come from the peer.
func lastHeard(socket int) (time.Duration, error) {
	info, err := unix.GetsockoptTCPInfo(socket, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, err
	}
	return time.Duration(info.Last_data_recv) * time.Millisecond, nil
}
