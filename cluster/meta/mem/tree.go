package mem

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"klamm/cluster/meta"
)

// node is one node. All fields belong to Store.mu.
type node struct {
	data     []byte
	stat     meta.Stat // without ChildVersion, NumChildren and DataLength
	made     int32     // children ever created; sequential nodes get their numbers from it
	children map[string]bool
}

func (n *node) fullStat() meta.Stat {
	s := n.stat
	s.NumChildren = int32(len(n.children))
	s.ChildVersion = 2*n.made - s.NumChildren
	s.DataLength = int32(len(n.data))
	return s
}

// names are the names of the node's children, sorted.
func (n *node) names() []string {
	names := slices.AppendSeq([]string{}, maps.Keys(n.children))
	slices.Sort(names)
	return names
}

// write is one transaction under way.
type write struct {
	nodes   map[string]*node
	zxid    int64
	nowMs   int64
	session int64
	fired   []fired
	undo    []func() // what takes back what was done, in order
}

// fired is a watch event that waits for its transaction to be complete.
type fired struct {
	event    meta.Event
	children bool // whether watches on children get it; otherwise watches on data do. NodeDeleted goes to both
}

// do does all operations or none. Its error is of the operation at index.
func (w *write) do(ops []meta.Op) (results []meta.Result, index int, err error) {
	results = make([]meta.Result, len(ops))
	for i, op := range ops {
		if results[i], err = w.one(op); err != nil {
			for _, undo := range slices.Backward(w.undo) {
				undo()
			}
			return nil, i, err
		}
	}
	return results, 0, nil
}

func (w *write) one(op meta.Op) (meta.Result, error) {
	if err := meta.CheckPath(op.Path); err != nil && !op.Mode.IsSequential() {
		return meta.Result{}, err
	}
	if op.Kind == meta.OpCreate {
		return w.create(op)
	}
	n := w.nodes[op.Path]
	if n == nil {
		return meta.Result{}, meta.ErrNoNode
	}
	if op.Version != meta.AnyVersion && op.Version != n.stat.Version {
		return meta.Result{}, meta.ErrBadVersion
	}
	switch op.Kind {
	case meta.OpSet:
		return w.set(op, n), nil
	case meta.OpDelete:
		return meta.Result{}, w.delete(op.Path, n)
	case meta.OpCheck:
		return meta.Result{}, nil
	}
	return meta.Result{}, fmt.Errorf("unknown operation %d", op.Kind)
}

func (w *write) create(op meta.Op) (meta.Result, error) {
	path := op.Path
	if path == "/" {
		return meta.Result{}, meta.ErrNodeExists
	}
	parentPath, name := meta.Split(path)
	parent := w.nodes[parentPath]
	if parent == nil {
		return meta.Result{}, meta.ErrNoNode
	}
	if op.Mode.IsSequential() {
		number := fmt.Sprintf("%010d", parent.made)
		path, name = path+number, name+number
		if err := meta.CheckPath(path); err != nil {
			return meta.Result{}, err
		}
	}
	if w.nodes[path] != nil {
		return meta.Result{}, meta.ErrNodeExists
	}
	if parent.stat.EphemeralOwner != 0 {
		return meta.Result{}, meta.ErrNoChildrenForEphemerals
	}
	n := &node{
		data:     bytes.Clone(op.Data),
		stat:     meta.Stat{Czxid: w.zxid, Mzxid: w.zxid, Ctime: w.nowMs, Mtime: w.nowMs},
		children: map[string]bool{},
	}
	if op.Mode.IsEphemeral() {
		n.stat.EphemeralOwner = w.session
	}
	w.nodes[path] = n
	parent.children[name] = true
	parent.made++
	w.undo = append(w.undo, func() {
		delete(w.nodes, path)
		delete(parent.children, name)
		parent.made--
	})
	w.fire(meta.NodeCreated, path, false)
	w.fire(meta.NodeChildrenChanged, parentPath, true)
	return meta.Result{Path: path}, nil
}

func (w *write) set(op meta.Op, n *node) meta.Result {
	before := *n
	w.undo = append(w.undo, func() { *n = before })
	n.data = bytes.Clone(op.Data)
	n.stat.Version++
	n.stat.Mzxid, n.stat.Mtime = w.zxid, w.nowMs
	w.fire(meta.NodeDataChanged, op.Path, false)
	return meta.Result{Path: op.Path, Stat: n.fullStat()}
}

func (w *write) delete(path string, n *node) error {
	if path == "/" {
		return meta.ErrInvalidPath
	}
	if len(n.children) > 0 {
		return meta.ErrNotEmpty
	}
	parentPath, name := meta.Split(path)
	parent := w.nodes[parentPath]
	delete(w.nodes, path)
	delete(parent.children, name)
	w.undo = append(w.undo, func() {
		w.nodes[path] = n
		parent.children[name] = true
	})
	w.fire(meta.NodeDeleted, path, false) // and watches on its children
	w.fire(meta.NodeChildrenChanged, parentPath, true)
	return nil
}

func (w *write) fire(t meta.EventType, path string, children bool) {
	w.fired = append(w.fired, fired{meta.Event{Type: t, Path: path}, children})
}
