package replica

import (
	"sync"
	"testing"
	"time"

	"klamm/cluster/controller"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

var tp = protocol.TopicPartition{Topic: "t", Partition: 0}

// heldDisk is a disk whose syncs of logs wait until they are let go, one by one.
type heldDisk struct {
	vfs.FS
	begun, release chan struct{}
}

type heldFile struct {
	vfs.File
	disk *heldDisk
}

func (d *heldDisk) Create(path string) (vfs.File, error) { return d.hold(d.FS.Create(path)) }
func (d *heldDisk) Open(path string) (vfs.File, error)   { return d.hold(d.FS.Open(path)) }

func (d *heldDisk) hold(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &heldFile{f, d}, nil
}

func (f *heldFile) Sync() error {
	f.disk.begun <- struct{}{}
	<-f.disk.release
	return f.File.Sync()
}
