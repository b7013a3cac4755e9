package limit

import "golang.org/x/sys/unix"

// sendMore tells the kernel that more bytes follow at once.
const sendMore = unix.MSG_MORE
