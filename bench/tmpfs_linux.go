package main

import "golang.org/x/sys/unix"

// memoryLeft says how many bytes a file system has left, and whether it is a tmpfs.
func memoryLeft(dir string) (free int64, isTmpfs bool, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, false, err
	}
	return int64(fs.Bavail) * fs.Bsize, fs.Type == unix.TMPFS_MAGIC, nil
}
