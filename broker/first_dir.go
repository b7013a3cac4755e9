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

// lostTree returns an error if the broker must not make a new metadata tree in the first
// log directory, which has none. It must not if another directory has the tree: somebody
// has changed the order of log.dirs. And it must not if the first directory is new and klamm
// has run on another: the disk of the first directory is not mounted. With a new tree all
// topics would lose their properties, and those of the missing directory their records.
// Directories on which only Apache's broker has run never had a tree.
//
// Nor must it after the tree's content went to ZooKeeper: the broker is one of a cluster there.
func lostTree(disk vfs.FS, dirs []string) error {
	for _, dir := range dirs {
		if _, err := disk.Stat(filepath.Join(dir, joinedName)); err == nil {
			return fmt.Errorf("%s: this broker has joined a cluster, and its metadata tree is in ZooKeeper: set zookeeper.connect, or take it out of the cluster with klamm cluster leave", dir)
		}
	}
	for _, dir := range dirs[1:] {
		if _, err := disk.Stat(filepath.Join(dir, local.FileName)); err == nil {
			return fmt.Errorf("%s: the first log directory has no metadata tree (%s), and %s has one; name that one first (log.dirs)",
				dirs[0], local.FileName, dir)
		}
	}
	if _, err := logstore.ReadMetaProperties(disk, dirs[0]); !errors.Is(err, fs.ErrNotExist) {
		return err // nil if the directory is not new
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

// treeAlone returns an error if a broker must not start on a tree that others share, since a log directory has the tree of a broker alone. That broker has left
// its cluster, and zookeeper.connect is still there; or it has run alone since, and ZooKeeper does not know what changed. Whichever of the two trees the
// broker used, the other one would lack what changes from now on, and ZooKeeper may be deleted, since the broker is taken for one that runs alone.
func treeAlone(disk vfs.FS, dirs []string) error {
	for _, dir := range dirs {
		file := filepath.Join(dir, local.FileName)
		if _, err := disk.Stat(file); err == nil {
			return fmt.Errorf("%s: this broker has left its cluster, or ran alone: its metadata tree is in that file, and not in ZooKeeper; "+
				"remove zookeeper.connect, or, for the broker to go by what ZooKeeper has, move the file away", file)
		}
	}
	return nil
}
