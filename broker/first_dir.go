package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"klamm/cluster/meta/local"
	"klamm/logstore"
	"klamm/logstore/vfs"
)

// lostTree is asked when there is no tree in the first log directory. It refuses a start
// that would begin one while another directory has it, since log.dirs names them in
// another order, or in a first directory that is new while klamm has run on another: its
// disk is not mounted. Topics would lose their properties, and those of the first
// directory their records. On directories that only Apache's broker has run on there
// never was a tree.
func lostTree(disk vfs.FS, dirs []string) error {
	for _, dir := range dirs[1:] {
		if _, err := disk.Stat(filepath.Join(dir, local.FileName)); err == nil {
			return fmt.Errorf("%s: the first log directory has no metadata tree (%s), and %s has one; name that one first (log.dirs)",
				dirs[0], local.FileName, dir)
		}
	}
	if _, err := logstore.ReadMetaProperties(disk, dirs[0]); !errors.Is(err, fs.ErrNotExist) {
		return err // not new, or nobody knows
	}
	for _, dir := range dirs[1:] {
		used, err := logstore.HasReserve(disk, dir)
		if err != nil {
			return err
		}
		if used {
			return fmt.Errorf("%s: the first log directory is new, and klamm has run on %s, so that its metadata tree is missing; "+
				"is the disk mounted that the first directory is on? If it is lost, remove %s from each other directory: "+
				"the topics there are taken over without their own properties", dirs[0], dir, logstore.ReserveName)
		}
	}
	return nil
}
