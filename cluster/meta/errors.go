package meta

import (
	"errors"
	"fmt"
)

// These errors say why a tree refuses an operation. An [*Error] wraps each of them; ask with errors.Is.
var (
	ErrNoNode                  = errors.New("no such node")
	ErrNodeExists              = errors.New("node exists")
	ErrBadVersion              = errors.New("node is at another version")
	ErrNotEmpty                = errors.New("node has children")
	ErrNoChildrenForEphemerals = errors.New("an ephemeral node cannot have children")
	ErrSessionExpired          = errors.New("session has ended")
	ErrInvalidPath             = errors.New("invalid path")
	// ErrNoAuth says that the node's access control list does not let this session do it.
	ErrNoAuth = errors.New("not authorized")
	// ErrTooLarge says that a transaction has more than MaxTransactionBytes. Nothing was sent.
	ErrTooLarge = errors.New("transaction is too large")
	// ErrOutcomeUnknown says that the connection was lost while a write was in flight: it was done or not.
	ErrOutcomeUnknown = errors.New("connection lost, the write was done or not")
)

// Error is any failure of a tree: the operation ("get", "create", ...), its path and the cause.
type Error struct {
	Op   string
	Path string
	Err  error
}

// Error names the operation and its path, and gives the cause.
func (e *Error) Error() string { return fmt.Sprintf("metadata tree: %s %s: %v", e.Op, e.Path, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// MultiError says which operation of a Multi failed. The tree has then done none of them.
type MultiError struct {
	// Index counts from 0 in the operations given.
	Index int
	// Err is that operation's own error, an [*Error].
	Err error
}

// Error names the operation that failed, and gives its error.
func (e *MultiError) Error() string {
	return fmt.Sprintf("operation %d of a multi: %v", e.Index, e.Err)
}

// Unwrap gives the operation's error.
func (e *MultiError) Unwrap() error { return e.Err }
