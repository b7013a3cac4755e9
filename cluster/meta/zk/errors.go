package zk

import (
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"klamm/cluster/meta"
)

// known has the library's errors that say that a server refused the request: nothing was done then.
var known = []struct{ library, tree error }{
	{zk.ErrNoNode, meta.ErrNoNode},
	{zk.ErrNodeExists, meta.ErrNodeExists},
	{zk.ErrBadVersion, meta.ErrBadVersion},
	{zk.ErrNotEmpty, meta.ErrNotEmpty},
	{zk.ErrNoChildrenForEphemerals, meta.ErrNoChildrenForEphemerals},
	{zk.ErrNoAuth, meta.ErrNoAuth},
	{zk.ErrInvalidACL, fmt.Errorf("%w: the server does not know who this session is, so that it cannot own nodes", meta.ErrNoAuth)},
	{zk.ErrInvalidPath, meta.ErrInvalidPath},
	{zk.ErrBadArguments, meta.ErrInvalidPath},
}

// refusedOp is a Multi of which the server refused one operation.
type refusedOp struct {
	index int
	err   error
}

func (e *refusedOp) Error() string { return e.err.Error() }

// refuse blames an operation, whatever error the server gives.
func refuse(index int, err error) *refusedOp {
	if refused := refusalOf(err); refused != nil {
		err = refused
	}
	return &refusedOp{index, err}
}

// refusalOf gives the tree's error for a request that the server refused, nil if it is not known that it did.
func refusalOf(err error) error {
	for _, k := range known {
		if errors.Is(err, k.library) {
			return k.tree
		}
	}
	return nil
}
