package vfs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mem is a disk in memory that knows what would survive a crash. Data written
// to a file is durable once the file was synced, names (creations, renames,
// removals) once their directory was; CrashClone gives the disk after a crash.
// Fail makes operations fail, SetHook sees each one before it happens.
//
// It is stricter than most file systems: to sync a file does not make its name
// durable, and unsynced changes may survive in any combination.
//
// Mem is safe for concurrent use. "/a" and "a" are the same path.
type Mem struct {
	faults faults

	mu       sync.Mutex // guards the whole tree: nodes, locks, used
	root     *memNode
	locks    map[*memNode]bool
	capacity int64 // bytes; 0 is unlimited
	used     int64 // bytes in files that have a name
}

var _ FS = (*Mem)(nil)

// NewMem gives an empty disk without a limit on its size.
func NewMem() *Mem {
	return &Mem{root: newMemDir(), locks: map[*memNode]bool{}}
}

// SetCapacity bounds the disk to so many bytes of file content; a write beyond
// writes what fits and fails with ENOSPC. 0 lifts the bound.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// memNode is a file or a directory (entries != nil).
type memNode struct {
	modTime time.Time
	linked  bool // has a name; its bytes count as used

	// A file: what reads see, what a crash leaves at least, and the changes in between.
	data    []byte
	durable []byte
	writes  []memWrite

	// A directory, likewise.
	entries        map[string]*memNode
	durableEntries map[string]*memNode
	changes        []memChange
}

// memWrite is an unsynced change to a file: data at off, or a truncation to
// off when data is nil.
type memWrite struct {
	off  int64
	data []byte
	lost bool // a sync failed: it stays visible and never reaches the disk
}

// memChange is an unsynced change to a directory: name now is node (nil:
// removed), and from, if set, is gone.
type memChange struct {
	name string
	node *memNode
	from string
}

func newMemDir() *memNode {
	return &memNode{linked: true, modTime: time.Now(), entries: map[string]*memNode{}, durableEntries: map[string]*memNode{}}
}

func (n *memNode) isDir() bool { return n.entries != nil }

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func memParts(path string) []string {
	path = strings.TrimPrefix(filepath.Clean(path), "/")
	if path == "." || path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// findLocked walks to the node.
func (m *Mem) findLocked(path string) (*memNode, error) {
	n := m.root
	for _, name := range memParts(path) {
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		next := n.entries[name]
		if next == nil {
			return nil, syscall.ENOENT
		}
		n = next
	}
	return n, nil
}

// parentLocked walks to the directory that holds path's last name.
func (m *Mem) parentLocked(path string) (dir *memNode, name string, err error) {
	parts := memParts(path)
	if len(parts) == 0 {
		return nil, "", syscall.EINVAL
	}
	dir, err = m.findLocked(strings.Join(parts[:len(parts)-1], "/"))
	if err == nil && !dir.isDir() {
		err = syscall.ENOTDIR
	}
	return dir, parts[len(parts)-1], err
}

// changeLocked makes and remembers a change of names.
func (n *memNode) changeLocked(c memChange) {
	applyChange(n.entries, c)
	n.changes = append(n.changes, c)
	n.modTime = time.Now()
}

func applyChange(entries map[string]*memNode, c memChange) {
	if c.node == nil {
		delete(entries, c.name)
		return
	}
	if c.from != "" && entries[c.from] == c.node {
		delete(entries, c.from)
	}
	// A lost rename before a kept one must not leave the node under two names.
	for name, node := range entries {
		if node == c.node {
			delete(entries, name)
		}
	}
	entries[c.name] = c.node
}

func (m *Mem) unlinkLocked(n *memNode) {
	if n.linked && !n.isDir() {
		m.used -= int64(len(n.data))
	}
	n.linked = false
}

// Open opens an existing file for reading and writing.
func (m *Mem) Open(path string) (File, error) { return m.open(path, true) }

// OpenRead opens an existing file for reading.
func (m *Mem) OpenRead(path string) (File, error) { return m.open(path, false) }

func (m *Mem) open(path string, writable bool) (File, error) {
	if _, err := m.before(OpOpen, path); err != nil {
		return nil, pathError("open", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.findLocked(path)
	if err == nil && n.isDir() && writable {
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return &memFile{m: m, n: n, path: path, writable: writable}, nil
}

// Create makes or truncates the file.
func (m *Mem) Create(path string) (File, error) {
	if _, err := m.before(OpCreate, path); err != nil {
		return nil, pathError("open", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.createLocked(path)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	if len(n.data) > 0 {
		m.truncateLocked(n, 0)
	}
	return &memFile{m: m, n: n, path: path, writable: true}, nil
}

func (m *Mem) createLocked(path string) (*memNode, error) {
	dir, name, err := m.parentLocked(path)
	if err != nil {
		return nil, err
	}
	n := dir.entries[name]
	if n != nil && n.isDir() {
		return nil, syscall.EISDIR
	}
	if n == nil {
		n = &memNode{linked: true, modTime: time.Now()}
		dir.changeLocked(memChange{name: name, node: n})
	}
	return n, nil
}

// Lock takes the lock; all users of this Mem exclude each other.
func (m *Mem) Lock(path string) (Lock, error) {
	if _, err := m.before(OpLock, path); err != nil {
		return nil, pathError("lock", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.createLocked(path)
	if err == nil && m.locks[n] {
		err = ErrLocked
	}
	if err != nil {
		return nil, pathError("lock", path, err)
	}
	m.locks[n] = true
	return &memLock{m: m, n: n, path: path}, nil
}

type memLock struct {
	m    *Mem
	n    *memNode
	path string
}

// Check looks whether the path still leads to the locked file.
func (l *memLock) Check() error {
	if _, err := l.m.before(OpStat, l.path); err != nil {
		return pathError("stat", l.path, err)
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if n, err := l.m.findLocked(l.path); err != nil || n != l.n {
		return pathError("look at", l.path, ErrMoved)
	}
	return nil
}

// Close gives the lock up.
func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.n)
	return nil
}

// ReadFile reads the whole file.
func (m *Mem) ReadFile(path string) ([]byte, error) {
	if _, err := m.before(OpRead, path); err != nil {
		return nil, pathError("read", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.findLocked(path)
	if err == nil && n.isDir() {
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return slices.Clone(n.data), nil
}

// Rename renames a file or directory, replacing a file of the new name.
func (m *Mem) Rename(from, to string) error {
	fail := func(err error) error { return &os.LinkError{Op: "rename", Old: from, New: to, Err: err} }
	if _, err := m.before(OpRename, from); err != nil {
		return fail(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fromDir, fromName, err := m.parentLocked(from)
	if err != nil {
		return fail(err)
	}
	n := fromDir.entries[fromName]
	if n == nil {
		return fail(syscall.ENOENT)
	}
	toDir, toName, err := m.parentLocked(to)
	if err != nil {
		return fail(err)
	}
	if old := toDir.entries[toName]; old != nil && old != n {
		switch {
		case old.isDir() && !n.isDir():
			return fail(syscall.EEXIST)
		case n.isDir() && !old.isDir():
			return fail(syscall.ENOTDIR)
		case old.isDir() && len(old.entries) > 0:
			return fail(syscall.ENOTEMPTY)
		}
		m.unlinkLocked(old)
	}
	if fromDir == toDir {
		fromDir.changeLocked(memChange{name: toName, node: n, from: fromName})
		return nil
	}
	toDir.changeLocked(memChange{name: toName, node: n})
	fromDir.changeLocked(memChange{name: fromName})
	return nil
}

// Remove removes a file or an empty directory.
func (m *Mem) Remove(path string) error {
	if _, err := m.before(OpRemove, path); err != nil {
		return pathError("remove", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, name, err := m.parentLocked(path)
	if err != nil {
		return pathError("remove", path, err)
	}
	n := dir.entries[name]
	switch {
	case n == nil:
		return pathError("remove", path, syscall.ENOENT)
	case len(n.entries) > 0:
		return pathError("remove", path, syscall.ENOTEMPTY)
	}
	m.unlinkLocked(n)
	dir.changeLocked(memChange{name: name})
	return nil
}

// RemoveAll removes a directory and what is in it; a missing path is no error.
// Each file goes by a change of its own, so that a crash may leave some.
func (m *Mem) RemoveAll(path string) error {
	short, err := m.before(OpRemoveAll, path)
	if err != nil && !short {
		return pathError("unlinkat", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, name, perr := m.parentLocked(path)
	if perr != nil || dir.entries[name] == nil {
		if perr != nil && perr != syscall.ENOENT {
			return pathError("unlinkat", path, perr)
		}
		return nil
	}
	if err != nil { // short: half of it goes, then it fails
		n := dir.entries[name]
		for i, child := range slices.Sorted(maps.Keys(n.entries)) {
			if i%2 == 0 {
				m.removeAllLocked(n, child)
			}
		}
		return pathError("unlinkat", path, err)
	}
	m.removeAllLocked(dir, name)
	return nil
}

func (m *Mem) removeAllLocked(dir *memNode, name string) {
	n := dir.entries[name]
	for _, child := range slices.Sorted(maps.Keys(n.entries)) {
		m.removeAllLocked(n, child)
	}
	m.unlinkLocked(n)
	dir.changeLocked(memChange{name: name})
}

// MkdirAll makes the directory and its missing parents.
func (m *Mem) MkdirAll(path string) error {
	if _, err := m.before(OpMkdir, path); err != nil {
		return pathError("mkdir", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for _, name := range memParts(path) {
		next := n.entries[name]
		if next == nil {
			next = newMemDir()
			n.changeLocked(memChange{name: name, node: next})
		}
		if !next.isDir() {
			return pathError("mkdir", path, syscall.ENOTDIR)
		}
		n = next
	}
	return nil
}

// ReadDir lists the directory, sorted by name.
func (m *Mem) ReadDir(path string) ([]fs.DirEntry, error) {
	if _, err := m.before(OpReadDir, path); err != nil {
		return nil, pathError("readdir", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.findLocked(path)
	if err == nil && !n.isDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, pathError("readdir", path, err)
	}
	list := make([]fs.DirEntry, 0, len(n.entries))
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		list = append(list, fs.FileInfoToDirEntry(n.entries[name].info(name)))
	}
	return list, nil
}

// Stat describes the file.
func (m *Mem) Stat(path string) (fs.FileInfo, error) {
	if _, err := m.before(OpStat, path); err != nil {
		return nil, pathError("stat", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.findLocked(path)
	if err != nil {
		return nil, pathError("stat", path, err)
	}
	return n.info(filepath.Base(path)), nil
}

// SyncDir makes the names in the directory durable.
func (m *Mem) SyncDir(path string) error {
	if _, err := m.before(OpSyncDir, path); err != nil {
		return pathError("sync", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.findLocked(path)
	if err != nil {
		return pathError("open", path, err)
	}
	if n.isDir() {
		n.durableEntries = maps.Clone(n.entries)
		n.changes = nil
	}
	return nil
}

// memUnlimited is what Space gives for a disk without capacity: 1 TiB.
const memUnlimited = 1 << 40

// Space gives the capacity and what is left of it.
func (m *Mem) Space(path string) (total, usable int64, err error) {
	if _, err := m.before(OpSpace, path); err != nil {
		return 0, 0, pathError("statfs", path, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.findLocked(path); err != nil {
		return 0, 0, pathError("statfs", path, err)
	}
	total = m.capacity
	if total == 0 {
		total = memUnlimited
	}
	return total, max(0, total-m.used), nil
}

// memInfo implements fs.FileInfo.
type memInfo struct {
	name    string
	size    int64
	dir     bool
	modTime time.Time
}

func (n *memNode) info(name string) memInfo {
	return memInfo{name: name, size: int64(len(n.data)), dir: n.isDir(), modTime: n.modTime}
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) ModTime() time.Time { return i.modTime }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
