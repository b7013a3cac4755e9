// Package packages tests klamm as people install it: the binaries of a release, the Debian package and the image for containers.
//
//	go test -count=1 ./compat-tests/packages
package packages
