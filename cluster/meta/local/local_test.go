package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/metatest"
)

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func session(t *testing.T, s *Store) meta.Tree {
	t.Helper()
	ses, err := s.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	return ses
}

func fresh(t *testing.T) meta.Store { return openStore(t, filepath.Join(t.TempDir(), FileName)) }

func TestConformance(t *testing.T) { metatest.Run(t, fresh) }

func TestHeldByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	s := openStore(t, path)
	if _, err := Open(Options{Path: path}); !errors.Is(err, ErrHeld) {
		t.Fatalf("a second opening: %v, want ErrHeld", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, path)
}

func TestNotATree(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	text := []byte("this is a text that somebody put where the tree should be, and long enough\n")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); err == nil {
		t.Fatal("a text was opened as a tree")
	}
	if got, _ := os.ReadFile(path); string(got) != string(text) {
		t.Fatal("opening changed a file that is not a tree")
	}
}

// TestReopenAfterKill opens what a killed process leaves behind: the file as it is on the disk while it is open.
func TestReopenAfterKill(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, FileName))
	tree := session(t, s)
	for _, n := range []struct {
		path string
		mode meta.Mode
	}{{"/brokers", meta.Persistent}, {"/brokers/ids", meta.Persistent}, {"/brokers/ids/1", meta.Ephemeral}, {"/controller", meta.Ephemeral}} {
		if _, err := tree.Create(t.Context(), n.path, []byte(n.path), n.mode); err != nil {
			t.Fatal(err)
		}
	}
	_, before, err := tree.Get(t.Context(), "/brokers")
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy")
	if err := os.WriteFile(copied, left, 0o644); err != nil {
		t.Fatal(err)
	}

	again := session(t, openStore(t, copied))
	for path, want := range map[string]bool{"/brokers": true, "/brokers/ids": true, "/brokers/ids/1": false, "/controller": false} {
		if there, _, err := again.Exists(t.Context(), path); err != nil || there != want {
			t.Errorf("%s: there %v (%v), want %v", path, there, err, want)
		}
	}
	data, after, err := again.Get(t.Context(), "/brokers")
	if err != nil || string(data) != "/brokers" || after.Czxid != before.Czxid || after.Ctime != before.Ctime {
		t.Errorf("/brokers came back as %q %+v (%v), was %+v", data, after, err, before)
	}
	if after.NumChildren != 1 {
		t.Errorf("/brokers has %d children, want ids", after.NumChildren)
	}
	if again.SessionID() == tree.SessionID() {
		t.Error("a session's number was given twice")
	}
	if _, err := again.Create(t.Context(), "/brokers/ids/1", nil, meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	_, stat, err := again.Exists(t.Context(), "/brokers/ids/1")
	if err != nil {
		t.Fatal(err)
	}
	if stat.Czxid <= before.Czxid+2 {
		t.Errorf("transaction %d after a restart, was %d before", stat.Czxid, before.Czxid)
	}
}

// TestPeekChangesNothing checks that Peek does not change a byte of the file, also after a kill.
func TestPeekChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	if _, err := Peek(path, "/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without a file: %v", err)
	}
	store, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	session := session(t, store)
	if _, err := session.Create(t.Context(), "/a", []byte("x"), meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	if _, err := Peek(path, "/a"); !errors.Is(err, ErrHeld) {
		t.Fatalf("while another has it: %v, want ErrHeld", err)
	}
	if err := store.db.Close(); err != nil { // as a kill does: the ephemeral stays in the file
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := Peek(path, "/a", "/b")
	if err != nil {
		t.Fatal(err)
	}
	if string(nodes[0].Data) != "x" || nodes[0].Err != nil || !errors.Is(nodes[1].Err, meta.ErrNoNode) {
		t.Errorf("peeked %+v", nodes)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the file changed")
	}
}

// TestCutShort checks that Open refuses a file that has lost its end, and does not read past that end.
func TestCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	s := openStore(t, path)
	tree := session(t, s)
	for i := range 200 {
		if _, err := tree.Create(t.Context(), fmt.Sprintf("/n%d", i), make([]byte, 500), meta.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opened, refused := 0, 0
	for size := info.Size() - 4096; size > 0; size -= 8192 {
		cut := fmt.Sprintf("%s-%d", path, size)
		if err := os.WriteFile(cut, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Path: cut})
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), cut) {
				t.Errorf("a file cut short is refused without its name: %v", err)
			}
			continue
		}
		// What was cut was room to grow: nothing is missing.
		opened++
		names, _, err := session(t, s).Children(t.Context(), "/")
		if err != nil || len(names) != 200 {
			t.Errorf("%d of %d bytes were opened, and have %d nodes of 200 (%v)", size, len(whole), len(names), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if refused == 0 || opened == 0 {
		t.Errorf("%d opened, %d refused: nothing was tried", opened, refused)
	}
}
