package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/znode"
)

// memEnder is a store in memory that notes which sessions it is to end.
type memEnder struct {
	*mem.Store
	ended *[]string
}

func (m memEnder) EndSession(_ context.Context, session int64, password []byte) error {
	*m.ended = append(*m.ended, fmt.Sprint(session, " ", string(password)))
	return nil
}

func (m memEnder) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	tree, err := m.Store.Open(ctx, w)
	return withPassword{tree}, err
}

type withPassword struct{ meta.Tree }

func (w withPassword) Password() []byte { return fmt.Append(nil, "secret of ", w.SessionID()) }

// TestSessionRecord opens sessions as one process after the other does. Each ends the last one of its predecessor, once.
func TestSessionRecord(t *testing.T) {
	store, dir := mem.New(mem.Options{}), t.TempDir()
	file := filepath.Join(dir, sessionFile)
	var ended []string
	var log strings.Builder
	own := []cluster.Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: "h", Port: 9092}}
	process := func() *recordedStore {
		return &recordedStore{sessionEnder: memEnder{store, &ended}, file: file, brokerID: 7, endpoints: own, logger: slog.New(slog.NewTextHandler(&log, nil))}
	}
	setUp, err := store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.EnsurePaths(t.Context(), setUp); err != nil {
		t.Fatal(err)
	}
	path := znode.BrokerPath(7)
	register := func(tree meta.Tree, by []cluster.Endpoint) {
		t.Helper()
		if err := setUp.Delete(t.Context(), path, meta.AnyVersion); err != nil && !errors.Is(err, meta.ErrNoNode) {
			t.Fatal(err)
		}
		if _, err := tree.Create(t.Context(), path, (&znode.Broker{Endpoints: by, JMXPort: -1}).Encode(), meta.Ephemeral); err != nil {
			t.Fatal(err)
		}
	}
	// open opens a session, which registers the broker then.
	open := func(s *recordedStore) int64 {
		t.Helper()
		tree, err := s.Open(t.Context(), meta.Watcher{})
		if err != nil {
			t.Fatal(err)
		}
		register(tree, own)
		return tree.SessionID()
	}
	wantEnded := func(ids ...int64) {
		t.Helper()
		var want []string
		for _, id := range ids {
			want = append(want, fmt.Sprintf("%d secret of %d", id, id))
		}
		if fmt.Sprint(ended) != fmt.Sprint(want) {
			t.Fatalf("ended %q, should be %q", ended, want)
		}
		ended = nil
	}

	first := process()
	open(first)
	last := open(first) // after the first session has expired
	wantEnded()
	second := process()
	open(second)
	wantEnded(last)
	open(second)
	wantEnded()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}

	// Others have registered the broker.
	for _, other := range [][]cluster.Endpoint{nil, {{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: "h", Port: 9093}}} {
		before := process()
		tree, err := before.Open(t.Context(), meta.Watcher{})
		if err != nil {
			t.Fatal(err)
		}
		ended = nil
		if other != nil {
			register(tree, other) // at another address
		} else {
			register(setUp, own) // in another session
		}
		open(process())
		wantEnded()
	}
	if err := setUp.Delete(t.Context(), path, meta.AnyVersion); err != nil { // nobody has
		t.Fatal(err)
	}
	open(process())
	wantEnded()

	// Another boot of the machine, or another machine, and another device.
	for _, name := range []string{"boot", "device"} {
		var fields map[string]any
		record, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(record, &fields)
		}
		if err != nil {
			t.Fatal(err)
		}
		if fields[name] == nil {
			t.Fatalf("the record has no %s", name)
		}
		fields[name] = map[string]any{"boot": "another", "device": 12345}[name]
		if record, err = json.Marshal(fields); err == nil {
			err = os.WriteFile(file, record, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		open(process())
		wantEnded()
	}

	// A copy of the directory.
	record, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), sessionFile)
	if err := os.WriteFile(other, record, 0o600); err != nil {
		t.Fatal(err)
	}
	file = other
	last = open(process())
	wantEnded()
	open(process())
	wantEnded(last)

	// What cannot be read or written is said, and keeps nobody from a session.
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "has not registered this broker's addresses") {
		t.Errorf("logged %s", &log)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(process())
	wantEnded()
	if !strings.Contains(log.String(), "cannot be read") {
		t.Errorf("logged %s", &log)
	}
	file = filepath.Join(dir, "gone", sessionFile)
	open(process())
	wantEnded()
	if !strings.Contains(log.String(), "cannot be recorded") {
		t.Errorf("logged %s", &log)
	}
}
