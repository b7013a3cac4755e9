package metatest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"klamm/cluster/meta"
)

// Model is a tree as a map. It shows what a tree must look like after the same operations.
type Model struct {
	nodes map[string]*modelNode
}

type modelNode struct {
	data          []byte
	version, made int32
	owner         int64
}

// NewModel gives an empty tree.
func NewModel() *Model { return &Model{nodes: map[string]*modelNode{"/": {}}} }

// Dump lists the persistent nodes, one a line. With ephemerals it lists the ephemeral nodes too.
func (m *Model) Dump(ephemerals bool) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(m.nodes)) {
		n := m.nodes[path]
		if n.owner == 0 || ephemerals {
			fmt.Fprintf(&b, "%s %q v%d made %d ephemeral %v\n", path, n.data, n.version, n.made, n.owner != 0)
		}
	}
	return b.String()
}

// DumpSorted lists a tree as Dump lists a model, without ZooKeeper's own node /zookeeper.
func DumpSorted(t *testing.T, tree meta.Tree) string { return sorted(dumpTree(t, tree, "/")) }

func dumpTree(t *testing.T, tree meta.Tree, path string) string {
	t.Helper()
	data, stat, err := tree.Get(t.Context(), path)
	ok(t, err)
	names, childStat, err := tree.Children(t.Context(), path)
	ok(t, err)
	equal(t, childStat, stat)
	equal(t, int(stat.NumChildren), len(names))
	if path == "/" {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "zookeeper" })
	}
	made := (stat.ChildVersion + stat.NumChildren) / 2
	lines := fmt.Sprintf("%s %q v%d made %d ephemeral %v\n", path, data, stat.Version, made, stat.EphemeralOwner != 0)
	for _, name := range names {
		lines += dumpTree(t, tree, strings.TrimSuffix(path, "/")+"/"+name)
	}
	return lines
}

// sorted orders a dump's lines by path, as Dump has them.
func sorted(dump string) string {
	lines := strings.SplitAfter(dump, "\n")
	slices.SortFunc(lines, func(a, b string) int {
		pa, _, _ := strings.Cut(a, " ")
		pb, _, _ := strings.Cut(b, " ")
		return strings.Compare(pa, pb)
	})
	return strings.Join(lines, "")
}

// change is a change that a watch may report.
type change struct {
	event    meta.Event
	children bool
}

// do does all operations or none. failed is the index of the first operation that fails.
func (m *Model) do(session int64, ops []meta.Op) (changes []change, failed int, err error) {
	next := &Model{nodes: map[string]*modelNode{}}
	for path, n := range m.nodes {
		copied := *n
		next.nodes[path] = &copied
	}
	for i, op := range ops {
		more, err := next.one(session, op)
		if err != nil {
			return nil, i, err
		}
		changes = append(changes, more...)
	}
	m.nodes = next.nodes
	return changes, 0, nil
}

func (m *Model) one(session int64, op meta.Op) ([]change, error) {
	parent, _ := meta.Split(op.Path)
	n, up := m.nodes[op.Path], m.nodes[parent]
	if op.Kind == meta.OpCreate {
		path := op.Path
		switch {
		case up == nil:
			return nil, meta.ErrNoNode
		case op.Mode.IsSequential():
			path += fmt.Sprintf("%010d", up.made)
			n = m.nodes[path]
		}
		if n != nil {
			return nil, meta.ErrNodeExists
		}
		if up.owner != 0 {
			return nil, meta.ErrNoChildrenForEphemerals
		}
		up.made++
		n = &modelNode{data: bytes.Clone(op.Data)}
		if op.Mode.IsEphemeral() {
			n.owner = session
		}
		m.nodes[path] = n
		return []change{
			{meta.Event{Type: meta.NodeCreated, Path: path}, false},
			{meta.Event{Type: meta.NodeChildrenChanged, Path: parent}, true},
		}, nil
	}
	if n == nil {
		return nil, meta.ErrNoNode
	}
	if op.Version != meta.AnyVersion && op.Version != n.version {
		return nil, meta.ErrBadVersion
	}
	switch op.Kind {
	case meta.OpSet:
		n.version++
		n.data = bytes.Clone(op.Data)
		return []change{{meta.Event{Type: meta.NodeDataChanged, Path: op.Path}, false}}, nil
	case meta.OpDelete:
		for path := range m.nodes {
			if strings.HasPrefix(path, op.Path+"/") {
				return nil, meta.ErrNotEmpty
			}
		}
		return m.drop(op.Path), nil
	}
	return nil, nil
}

func (m *Model) drop(path string) []change {
	delete(m.nodes, path)
	parent, _ := meta.Split(path)
	gone := meta.Event{Type: meta.NodeDeleted, Path: path}
	return []change{{gone, false}, {gone, true}, {meta.Event{Type: meta.NodeChildrenChanged, Path: parent}, true}}
}

// end deletes the ephemeral nodes of a session.
func (m *Model) end(session int64) (changes []change) {
	for _, path := range slices.Sorted(maps.Keys(m.nodes)) {
		if m.nodes[path].owner == session {
			changes = append(changes, m.drop(path)...)
		}
	}
	return changes
}
