// Package command tests what only klamm has: its command line, what it says at
// its start, the one line and exit code when it cannot start, clean stops, and
// the listeners' addresses that it gives to clients without configuration.
//
//	go test -count=1 ./compat-tests/command
package command
