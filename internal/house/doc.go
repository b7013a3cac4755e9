// Package house holds the rules of the house that a machine can check. Its test reads the
// module's sources. A failure says what is wrong, where, and what to do instead. The
// package's other tests show each rule a bad snippet, which the rule has to find.
//
// The rules: rooms import downward only; no panic in protocol and server; no
// clock in pure code, and in the stillest of it no goroutine and no I/O; no file call in logstore outside logstore/vfs; TODO only
// with what it waits for; one file in server for each API of the table and none
// for another; a doc for each package; files and functions of a readable size; no time.Duration in a log line;
// what docs/life-of-a-request.md names exists.
//
// Begin reading at rules.go. Nothing imports this package.
package house
