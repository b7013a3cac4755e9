package broker_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/cluster"
	"klamm/internal/await"
	"klamm/logstore/vfs"
)

// hangingDisk is a disk on which all that changes something below dir waits, from hang on until release.
type hangingDisk struct {
	vfs.FS
	dir     string
	on      atomic.Bool
	hung    atomic.Int32
	waits   chan struct{}
	release func()
}

func newHangingDisk(dir string) *hangingDisk {
	h := &hangingDisk{FS: vfs.OS{}, dir: dir, waits: make(chan struct{})}
	h.release = sync.OnceFunc(func() { close(h.waits) })
	return h
}

func (h *hangingDisk) wait(path string) {
	if h.on.Load() && strings.HasPrefix(path, h.dir) {
		h.hung.Add(1)
		<-h.waits
	}
}

func (h *hangingDisk) file(path string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &hangingFile{f, path, h}, nil
}

// Open implements vfs.FS.
func (h *hangingDisk) Open(path string) (vfs.File, error) {
	f, err := h.FS.Open(path)
	return h.file(path, f, err)
}

// Create implements vfs.FS.
func (h *hangingDisk) Create(path string) (vfs.File, error) {
	h.wait(path)
	f, err := h.FS.Create(path)
	return h.file(path, f, err)
}

// Rename implements vfs.FS.
func (h *hangingDisk) Rename(from, to string) error {
	h.wait(from)
	return h.FS.Rename(from, to)
}

type hangingFile struct {
	vfs.File
	path string
	disk *hangingDisk
}

// WritevAt implements vfs.File.
func (f *hangingFile) WritevAt(bufs [][]byte, off int64) (int64, error) {
	f.disk.wait(f.path)
	return f.File.WritevAt(bufs, off)
}

// Sync implements vfs.File.
func (f *hangingFile) Sync() error {
	f.disk.wait(f.path)
	return f.File.Sync()
}

// TestDiskThatHangsDelayedTheCleanMarkOfAnother: a stop waited without bound for what the groups and the controller had begun on one disk,
// and wrote nothing to the others.
func TestDiskThatHangsDelayedTheCleanMarkOfAnother(t *testing.T) {
	good, bad := filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "bad")
	disk := newHangingDisk(bad)
	b := brokertest.RunWith(t, broker.Options{FS: disk}, "log.dirs="+good+","+bad, "offsets.topic.num.partitions=1", "offsets.topic.replication.factor=1")
	t.Cleanup(disk.release)
	b.Topic("first", 1) // goes to the good directory, so that the offsets go to the bad one
	commitOffset(b, "t")
	// Nothing is being deleted in the good directory at the stop: that alone would keep it from being marked clean.
	for _, log := range []string{cluster.OffsetsTopic + "-0", "t-0"} {
		if _, err := os.Stat(filepath.Join(bad, log)); err != nil {
			t.Fatal(err)
		}
	}
	disk.on.Store(true)
	go b.Cluster().DeleteTopics(context.Background(), []cluster.TopicRef{{Name: "t"}})
	await.Until(t, "the groups and the controller hang", func() bool { return disk.hung.Load() >= 2 })
	// One disk of two is no reason to have a watchdog end the broker.
	turned := make(chan struct{})
	go func() { defer close(turned); b.Alive() }()
	await.Until(t, "the broker is alive all the same", func() bool {
		select {
		case <-turned:
			return true
		default:
			return false
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stopped := make(chan error)
	go func() { stopped <- b.Stop(ctx) }()
	await.Until(t, "the directory that works is marked clean", func() bool {
		_, err := os.Stat(filepath.Join(good, ".kafka_cleanshutdown"))
		return !errors.Is(err, fs.ErrNotExist)
	})
	b.End = func() error { return nil }
	disk.release()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// commitOffset makes a topic whose log goes to the second of two directories, and commits an offset for it.
func commitOffset(b *brokertest.Broker, topic string) {
	b.T.Helper()
	c := b.Dial()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = "g"
	await.Until(b.T, "the group has a coordinator", func() bool { return c.Ask(find).(*kmsg.FindCoordinatorResponse).ErrorCode == 0 })
	b.Topic("second", 1) // goes to the good directory, so that the next one goes to the bad one
	b.Topic(topic, 1)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 6, "g", -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
	commit.Topics = append(commit.Topics, rt)
	for _, p := range c.Ask(commit).(*kmsg.OffsetCommitResponse).Topics[0].Partitions {
		if p.ErrorCode != 0 {
			b.T.Fatalf("the commit failed with code %d", p.ErrorCode)
		}
	}
}
