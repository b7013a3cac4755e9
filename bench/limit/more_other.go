//go:build !linux

package limit

const sendMore = 0
