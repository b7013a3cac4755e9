package meta

import (
	"errors"
	"fmt"
)

// Why a tree refuses an operation. Each comes wrapped in an [*Error]; ask with errors.Is.
var (
	ErrNoNode                  = errors.New("no such node")
	ErrNodeExists              = errors.New("node exists")
	ErrBadVersion              = errors.New("node is at another version")
	ErrNotEmpty                = errors.New("node has children")
	ErrNoChildrenForEphemerals = errors.New("an ephemeral node cannot have children")
	ErrSessionExpired          = errors.New("session has ended")
	ErrInvalidPath             = errors.New("invalid path")
)

// Error is any failure of a tree: the operation ("get", "create", ...), its path and the cause.
type Error struct {
	Op   string
	Path string
	Err  error
}

// Error tells operation, path and cause.
func (e *Error) Error() string { return fmt.Sprintf("metadata tree: %s %s: %v", e.Op, e.Path, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// MultiError says which operation of a Multi could not be done; none of them was.
type MultiError struct {
	// Index counts from 0 in the operations given.
	Index int
	// Err is that operation's own error, an [*Error].
	Err error
}

// Error tells the operation that failed.
func (e *MultiError) Error() string {
	return fmt.Sprintf("operation %d of a multi: %v", e.Index, e.Err)
}

// Unwrap gives the operation's error.
func (e *MultiError) Unwrap() error { return e.Err }
