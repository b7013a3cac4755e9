package logstore

import (
	"errors"
	"io/fs"
	"sync"

	"klamm/logstore/vfs"
)

// FileBudget bounds how many files all logs of a broker hold open. A segment's
// files are opened when first used and closed, least recently used first, when
// there are more than the bound. Files in use (a region that is being sent) are
// never closed, so the bound may be passed by as many as are in use.
type FileBudget struct {
	mu   sync.Mutex
	max  int
	open int
	// idle is the ring of open files that nobody uses; idle.next was used last.
	idle cachedFile
}

// NewFileBudget makes a budget of max open files; below 1 counts as 1.
func NewFileBudget(max int) *FileBudget {
	b := &FileBudget{max: max}
	b.idle.prev, b.idle.next = &b.idle, &b.idle
	return b
}

// Open gives the number of files that are open now.
func (b *FileBudget) Open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// cachedFile is a file that is open when it is needed. Its fields below budget
// are guarded by budget.mu; opening serialises those who open it.
type cachedFile struct {
	fs      vfs.FS
	path    string
	opening sync.Mutex

	budget     *FileBudget
	file       vfs.File
	refs       int
	retired    bool
	leaving    bool // its directory is being renamed: see leave
	prev, next *cachedFile
}

// errRetired says that the file was deleted or renamed away.
var errRetired = errors.New("file is gone")

// acquire gives the open file; release must follow.
func (c *cachedFile) acquire() (vfs.File, error) {
	if f, err := c.tryAcquire(); f != nil || err != nil {
		return f, err
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if f, err := c.tryAcquire(); f != nil || err != nil {
		return f, err
	}
	f, err := c.fs.Open(c.path)
	b := c.budget
	b.mu.Lock()
	if err != nil {
		if c.retired || c.leaving && errors.Is(err, fs.ErrNotExist) { // meanwhile, and its file renamed
			err = errors.Join(errRetired, err)
		}
		b.mu.Unlock()
		return nil, err
	}
	if c.retired {
		b.mu.Unlock()
		return nil, errors.Join(errRetired, f.Close())
	}
	c.file, c.refs = f, 1
	b.open++
	victims := b.evictLocked(max(b.max, 1))
	b.mu.Unlock()
	closeAll(victims)
	return f, nil
}

func (c *cachedFile) tryAcquire() (vfs.File, error) {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.retired {
		return nil, errRetired
	}
	if c.file == nil {
		return nil, nil
	}
	if c.refs == 0 {
		c.unlinkLocked()
	}
	c.refs++
	return c.file, nil
}

// release gives the file back.
func (c *cachedFile) release() {
	b := c.budget
	b.mu.Lock()
	c.refs--
	if c.refs > 0 {
		b.mu.Unlock()
		return
	}
	var victims []vfs.File
	if c.retired {
		victims = append(victims, c.file)
		c.file = nil
		b.open--
	} else {
		c.prev, c.next = &b.idle, b.idle.next
		c.next.prev, b.idle.next = c, c
		victims = b.evictLocked(max(b.max, 1))
	}
	b.mu.Unlock()
	closeAll(victims)
}

// retire closes the file once nobody uses it and lets nobody open it again.
func (c *cachedFile) retire() {
	b := c.budget
	b.mu.Lock()
	var f vfs.File
	if !c.retired {
		c.retired = true
		if c.file != nil && c.refs == 0 {
			c.unlinkLocked()
			f, c.file = c.file, nil
			b.open--
		}
	}
	b.mu.Unlock()
	if f != nil {
		_ = f.Close() // what had to last was synced before
	}
}

// leave says whether the file's directory is being renamed. Meanwhile a file that is not
// found counts as retired.
func (c *cachedFile) leave(leaving bool) {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	c.leaving = leaving
}

func (c *cachedFile) unlinkLocked() {
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
}

// CloseIdle closes files that nobody uses, because the process has no descriptor left for something else: an eighth of the open
// ones, and leastClosed at least. It gives how many it closed. leastKept stay with the logs: with none they could neither
// write nor read, and a stop, which closes many logs at once, would leave no mark.
func (b *FileBudget) CloseIdle() int {
	b.mu.Lock()
	victims := b.evictLocked(max(b.open-max(b.open/8, leastClosed), min(leastKept, b.max/4)))
	b.mu.Unlock()
	closeAll(victims)
	return len(victims)
}

const (
	leastClosed = 16  // so that CloseIdle is not called again for each descriptor
	leastKept   = 128 // or a quarter of the bound, if that is less
)

// evictLocked takes out idle files, those first that were not used for longest, until no more than most are open. The caller closes them.
func (b *FileBudget) evictLocked(most int) (victims []vfs.File) {
	for b.open > most && b.idle.prev != &b.idle {
		c := b.idle.prev
		c.unlinkLocked()
		victims = append(victims, c.file)
		c.file = nil
		b.open--
	}
	return victims
}

func closeAll(files []vfs.File) {
	for _, f := range files {
		_ = f.Close() // closing a file syncs nothing, so nothing is lost by it failing
	}
}

// frugalFS is the disk of all logs: what finds no file descriptor gets those of files that no log uses, one after the other. A descriptor
// that was freed may be gone at once to a connection.
type frugalFS struct {
	vfs.FS
	files *FileBudget
}

// again calls op until it does not want for a descriptor, as long as there are idle files to close, and leastClosed times at most:
// whoever takes each descriptor that is freed shall not have all.
func (d frugalFS) again(op func() error) error {
	err := op()
	for n := 0; n < leastClosed && tooManyFiles(err) && d.files.closeOne(); n++ {
		err = op()
	}
	return err
}

// closeOne closes the idle file that was not used for longest, and reports whether there was one.
func (b *FileBudget) closeOne() bool {
	b.mu.Lock()
	victims := b.evictLocked(b.open - 1)
	b.mu.Unlock()
	closeAll(victims)
	return len(victims) > 0
}

// Open implements vfs.FS.
func (d frugalFS) Open(path string) (f vfs.File, err error) {
	err = d.again(func() error { f, err = d.FS.Open(path); return err })
	return f, err
}

// OpenRead implements vfs.FS.
func (d frugalFS) OpenRead(path string) (f vfs.File, err error) {
	err = d.again(func() error { f, err = d.FS.OpenRead(path); return err })
	return f, err
}

// Create implements vfs.FS.
func (d frugalFS) Create(path string) (f vfs.File, err error) {
	err = d.again(func() error { f, err = d.FS.Create(path); return err })
	return f, err
}

// ReadFile implements vfs.FS.
func (d frugalFS) ReadFile(path string) (data []byte, err error) {
	err = d.again(func() error { data, err = d.FS.ReadFile(path); return err })
	return data, err
}

// ReadDir implements vfs.FS.
func (d frugalFS) ReadDir(path string) (list []fs.DirEntry, err error) {
	err = d.again(func() error { list, err = d.FS.ReadDir(path); return err })
	return list, err
}

// RemoveAll implements vfs.FS.
func (d frugalFS) RemoveAll(path string) error {
	return d.again(func() error { return d.FS.RemoveAll(path) })
}

// SyncDir implements vfs.FS. Without a descriptor nothing was synced, so that it may be tried again.
func (d frugalFS) SyncDir(path string) error {
	return d.again(func() error { return d.FS.SyncDir(path) })
}
