package controller

import (
	"bytes"

	"klamm/cluster/meta"
)

// nodeWrite is the part of a change that writes one node.
type nodeWrite struct {
	op meta.Op
	// before and after are operations of the same transaction.
	before, after []meta.Op
}

func setNode(path string, data []byte, version int32) nodeWrite {
	return nodeWrite{op: meta.SetOp(path, data, version)}
}

func createNode(path string, data []byte) nodeWrite {
	return nodeWrite{op: meta.CreateOp(path, data, meta.Persistent)}
}

func deleteNode(path string) nodeWrite {
	return nodeWrite{op: meta.DeleteOp(path, meta.AnyVersion)}
}

func (w *nodeWrite) ops() []meta.Op {
	return append(append(append([]meta.Op(nil), w.before...), w.op), w.after...)
}

func (w *nodeWrite) look() string { return w.op.Path }

// made says whether the node is as the write makes it. The version tells it from an equal body of another's.
func (w *nodeWrite) made(n meta.Node) bool {
	switch w.op.Kind {
	case meta.OpDelete:
		return isMissing(n)
	case meta.OpSet:
		return n.Err == nil && (w.op.Version == meta.AnyVersion || n.Stat.Version == w.op.Version+1) && bytes.Equal(n.Data, w.op.Data)
	default:
		return n.Err == nil && n.Stat.Version == 0 && bytes.Equal(n.Data, w.op.Data)
	}
}

func (w *nodeWrite) packs() bool { return false }

// cleanUp is a change that nobody waits for: a notification or mark that was taken in. If it fails, it is logged and left to the
// next time.
type cleanUp struct{ nodeWrite }

func (c *cleanUp) packs() bool            { return c.op.Kind == meta.OpDelete }
func (c *cleanUp) done(*State, *Decision) {}
func (c *cleanUp) lost(*State, *Decision, meta.Node, error) {
}
