package logstore

import (
	"os"
	"path/filepath"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// lookBatch is the header of a batch and nothing else.
func lookBatch(magic byte, attributes uint16) []byte {
	b := make([]byte, 61)
	b[11] = 61 - 12
	b[16] = magic
	b[21], b[22] = byte(attributes>>8), byte(attributes) // of magic 2
	return b
}

// TestLook looks at directories of every kind, and at what is in them.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data ...[]byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, d := range data {
			all = append(all, d...)
		}
		if err := os.WriteFile(path, all, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	id, err := protocol.ParseUUID("5h-9lbAMROaPKZCP22Zvgg")
	if err != nil {
		t.Fatal(err)
	}
	put("meta.properties", []byte("version=0\n"))
	put("old-0/00000000000000000000.log", lookBatch(1, 0))
	put("old-0/00000000000000000009.log", lookBatch(2, 0), lookBatch(2, 0))
	put("old-0/partition.metadata", encodePartitionMetadata(id))
	put("txn-1/00000000000000000000.log", lookBatch(2, 0), lookBatch(2, 0x10), lookBatch(2, 0))
	open := newProducer()
	open.txnFirstOffset = 1
	put("txn-1/00000000000000000002.snapshot", encodeSnapshot(map[int64]*producer{7: newProducer(), 8: open}))
	put("aborted-0/00000000000000000000.txnindex", []byte("x"))
	put("aborted-0/00000000000000000000.log", make([]byte, 100)) // preallocated
	put("bare-0/00000000000000000000.kafka", []byte("x"))
	put("gone-0.0123456789abcdef0123456789abcdef-delete/00000000000000000000.log")
	put("remote-log-index-cache/x")
	before := filesBelow(t, dir)

	logs, others, err := LookAtLogs(vfs.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]LogLook{}
	for _, l := range logs {
		if len(l.Problems) > 0 {
			t.Errorf("%s: %v", l.Path, l.Problems)
		}
		found[l.Partition.String()] = l
	}
	if l := found["old-0"]; l.Segments != 2 || l.OldFormat != 1 || l.TopicID != id || l.Transactional || l.Bytes == 0 || len(l.Files) != 3 {
		t.Errorf("old-0: %+v", l)
	}
	if l := found["txn-1"]; !l.Transactional || l.OpenTransactions != 1 || !l.TopicID.IsZero() {
		t.Errorf("txn-1: %+v", l)
	}
	if l := found["aborted-0"]; !l.Transactional || l.OldFormat != 0 {
		t.Errorf("aborted-0: %+v", l)
	}
	if !found["bare-0"].Ancient || found["gone-0"].Kind != DirDeleted {
		t.Errorf("bare-0: %+v, gone-0: %+v", found["bare-0"], found["gone-0"])
	}
	if len(others) != 1 || others[0] != "remote-log-index-cache" {
		t.Errorf("other directories: %v", others)
	}
	if after := filesBelow(t, dir); after != before {
		t.Errorf("files were %s, are %s", before, after)
	}
}

// filesBelow lists all files with their times.
func filesBelow(t *testing.T, dir string) (list string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			list += path + " " + info.ModTime().String() + "\n"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLookAtALock looks at a lock before it is taken, while it is held and after. Looking does not take it.
func TestLookAtALock(t *testing.T) {
	path := LockFile(t.TempDir())
	if _, err := (vfs.OS{}).Locked(path); !os.IsNotExist(err) {
		t.Errorf("without the file: %v", err)
	}
	lock, err := vfs.OS{}.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := (vfs.OS{}).Locked(path); !held || err != nil {
		t.Errorf("held: %t, %v", held, err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if held, err := (vfs.OS{}).Locked(path); held || err != nil {
		t.Errorf("given up: %t, %v", held, err)
	}
	lock, err = vfs.OS{}.Lock(path)
	if err != nil {
		t.Fatalf("after looking: %v", err)
	}
	lock.Close()
}
