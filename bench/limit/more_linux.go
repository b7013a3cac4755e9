package limit

import "golang.org/x/sys/unix"

// sendMore says that more follows at once.
const sendMore = unix.MSG_MORE
