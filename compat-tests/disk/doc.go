// Package disk tests klamm on real file systems that are small, full, read-only or
// unmounted. Apache's broker is no reference here: it halts, or takes the directory
// offline for good.
//
//	go test -count=1 ./compat-tests/disk
//
// The tests run in a mount namespace of their own, so that nothing that they mount
// is seen outside or outlives them. That takes root or a kernel that lets everybody
// have user namespaces; where there is neither they fail.
package disk
