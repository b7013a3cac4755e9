package broker_test

import (
	"errors"
	"math"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/logstore/vfs"
)

// countingDisk counts the files that are open.
type countingDisk struct {
	vfs.FS
	open atomic.Int32
}

func (d *countingDisk) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	return &countedFile{f, d}, nil
}

// Open implements vfs.FS.
func (d *countingDisk) Open(path string) (vfs.File, error) { return d.file(d.FS.Open(path)) }

// Create implements vfs.FS.
func (d *countingDisk) Create(path string) (vfs.File, error) { return d.file(d.FS.Create(path)) }

type countedFile struct {
	vfs.File
	disk *countingDisk
}

// Close implements vfs.File.
func (f *countedFile) Close() error {
	f.disk.open.Add(-1)
	return f.File.Close()
}

// starvedListener has no descriptor for a connection while the logs have as many as most files open.
type starvedListener struct {
	net.Listener
	disk *countingDisk
	most *atomic.Int32
}

// Accept implements net.Listener.
func (l *starvedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil && l.disk.open.Load() >= l.most.Load() {
		return nil, errors.Join(&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}, nc.Close())
	}
	return nc, err
}

// TestIdleLogsKeptTheDescriptorsOfConnections: when connections and logs had all descriptors of the process, no further client was served, though
// the logs held files that nobody used.
func TestIdleLogsKeptTheDescriptorsOfConnections(t *testing.T) {
	disk, most := &countingDisk{FS: vfs.OS{}}, &atomic.Int32{}
	most.Store(math.MaxInt32)
	b := brokertest.RunWith(t, broker.Options{FS: disk, Listen: func(addr string) (net.Listener, error) {
		ln, err := net.Listen("tcp", addr)
		return &starvedListener{ln, disk, most}, err
	}})
	const partitions = 160 // more than the logs keep in any case
	b.Topic("t", partitions)
	c := b.Dial()
	for p := range int32(partitions) {
		brokertest.Produced(t, c.Ask(brokertest.Produce("t", p, 1, brokertest.BatchOf(t, 10))))
	}
	most.Store(partitions)
	await.Until(t, "the logs close files", func() bool {
		_ = b.Dial().Conn.Close() // is refused
		return disk.open.Load() < partitions
	})
	b.Dial().Alive()
	for p := range int32(partitions) {
		brokertest.Produced(t, c.Ask(brokertest.Produce("t", p, 1, brokertest.BatchOf(t, 10))))
	}
	b.Logged("RLIMIT_NOFILE")
}
