package vfs

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
)

// OpKind names an operation of FS or File for rules and hooks.
type OpKind string

// The operations. OpOpen stands for Open and OpenRead, OpRead for ReadFile and
// ReadAt, OpWrite for WriteAt and WritevAt, OpStat for Stat and Lock.Check.
const (
	OpOpen      OpKind = "open"
	OpCreate    OpKind = "create"
	OpRead      OpKind = "read"
	OpWrite     OpKind = "write"
	OpTruncate  OpKind = "truncate"
	OpAllocate  OpKind = "allocate"
	OpSync      OpKind = "sync"
	OpSyncDir   OpKind = "syncdir"
	OpRename    OpKind = "rename"
	OpRemove    OpKind = "remove"
	OpRemoveAll OpKind = "removeall"
	OpMkdir     OpKind = "mkdir"
	OpReadDir   OpKind = "readdir"
	OpStat      OpKind = "stat"
	OpLock      OpKind = "lock"
	OpSpace     OpKind = "space"
)

// Changes says whether the operation changes the disk's content or what of it is
// durable. Tests crash the disk right before such operations.
func (k OpKind) Changes() bool {
	switch k {
	case OpCreate, OpWrite, OpTruncate, OpAllocate, OpSync, OpSyncDir, OpRename, OpRemove, OpRemoveAll, OpMkdir:
		return true
	}
	return false
}

// Syncs says whether the operation makes something durable.
func (k OpKind) Syncs() bool { return k == OpSync || k == OpSyncDir }

// Op is one operation about to happen. Path is as the caller gave it; for a
// rename it is the old name, for an open file the name it was opened by.
type Op struct {
	Kind OpKind
	Path string
}

// Rule makes operations fail.
type Rule struct {
	Kind OpKind // "" is any
	// Only, if set, must say true of an operation for it to match.
	Only func(Op) bool
	// Path is a pattern as for filepath.Match. The whole path or its last element must
	// match it; "" matches any. "dir/..." matches dir and all below it.
	Path string
	// Nth is the number of the matching operation that fails, counted from 1; with 0
	// each of them fails.
	Nth int
	// On says that all matching operations after the Nth fail too.
	On  bool
	Err error // for instance syscall.ENOSPC
	// Short says that a write writes half, and a RemoveAll removes half, before it fails.
	Short bool
}

func (r *Rule) matches(op Op) bool {
	if r.Kind != "" && r.Kind != op.Kind {
		return false
	}
	if r.Only != nil && !r.Only(op) {
		return false
	}
	if r.Path == "" {
		return true
	}
	if dir, below := strings.CutSuffix(r.Path, "/..."); below {
		return op.Path == dir || strings.HasPrefix(op.Path, dir+"/")
	}
	whole, _ := filepath.Match(r.Path, op.Path)
	last, _ := filepath.Match(r.Path, filepath.Base(op.Path))
	return whole || last
}

type faults struct {
	mu    sync.Mutex
	rules []*activeRule
	hook  func(Op)
}

type activeRule struct {
	Rule
	seen int
}

// Fail adds a rule; the first rule that applies decides. stop removes the rule.
func (m *Mem) Fail(r Rule) (stop func()) {
	a := &activeRule{Rule: r}
	m.faults.mu.Lock()
	m.faults.rules = append(m.faults.rules, a)
	m.faults.mu.Unlock()
	return func() {
		m.faults.mu.Lock()
		defer m.faults.mu.Unlock()
		for i, x := range m.faults.rules {
			if x == a {
				m.faults.rules = append(m.faults.rules[:i:i], m.faults.rules[i+1:]...)
				return
			}
		}
	}
}

// SetHook sets a function that is called before each operation, on its goroutine and
// without a lock held, so that it may call CrashClone. nil removes the hook.
func (m *Mem) SetHook(f func(Op)) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.hook = f
}

// Rot changes a file's bytes as a failing disk may: no operation, no modification time
// and no error shows it.
func (m *Mem) Rot(path string, b []byte, off int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.findLocked(path)
	if err != nil {
		return pathError("rot", path, err)
	}
	rotten := memWrite{off: off, data: bytes.Clone(b)}
	n.data, n.durable = rotten.apply(n.data), rotten.apply(n.durable)
	return nil
}

// before calls the hook and says whether and how the operation fails.
func (m *Mem) before(kind OpKind, path string) (short bool, err error) {
	op := Op{Kind: kind, Path: path}
	m.faults.mu.Lock()
	hook := m.faults.hook
	for _, r := range m.faults.rules {
		if !r.matches(op) {
			continue
		}
		r.seen++
		if err == nil && (r.Nth == 0 || r.Nth == r.seen || r.On && r.seen > r.Nth) {
			short, err = r.Short, r.Err
		}
	}
	m.faults.mu.Unlock()
	if hook != nil {
		hook(op)
	}
	return short, err
}
