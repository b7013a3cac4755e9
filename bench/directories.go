package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// directories are where a run keeps what it makes, named after its process so that
// the next run finds what a killed one left.
type directories struct {
	tmpfs, disk string
}

// shared is where a Linux machine has a tmpfs.
const shared = "/dev/shm"

func makeDirectories(onDisk string) (*directories, error) {
	onDisk, err := filepath.Abs(onDisk)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(onDisk, 0o755); err != nil {
		return nil, err
	}
	d := &directories{}
	for parent, to := range map[string]*string{shared: &d.tmpfs, onDisk: &d.disk} {
		sweep(parent)
		*to = filepath.Join(parent, fmt.Sprintf("klamm-bench-%d", os.Getpid()))
		if err := os.MkdirAll(*to, 0o755); err != nil {
			d.remove()
			return nil, err
		}
	}
	return d, nil
}

// on is the directory for a medium.
func (d *directories) on(medium string) string {
	if medium == tmpfs {
		return d.tmpfs
	}
	return d.disk
}

// room says whether the tmpfs is one and has room for so many bytes.
func (d *directories) room(bytes int64) error {
	free, isTmpfs, err := memoryLeft(d.tmpfs)
	if err != nil {
		return err
	}
	if !isTmpfs {
		return fmt.Errorf("%s is no tmpfs; give -media disk, which needs none", shared)
	}
	if free < bytes {
		return fmt.Errorf("%s has %d MB left and a load wants %d; mount it larger, or give -volume or -media disk", shared, free/1e6, bytes/1e6)
	}
	return nil
}

func (d *directories) remove() {
	for _, dir := range []string{d.tmpfs, d.disk} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
}

// sweep removes the directories of runs whose process is gone.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, "klamm-bench-*"))
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "klamm-bench-%d", &pid); err != nil {
			continue
		}
		if syscall.Kill(pid, 0) == syscall.ESRCH {
			os.RemoveAll(dir)
		}
	}
}
