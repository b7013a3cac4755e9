//go:build !linux

package limit

// sendMore is no flag where the system has no MSG_MORE.
const sendMore = 0
