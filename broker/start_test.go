package broker

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/groupcoord"
	"klamm/server/config"
)

// startIn starts a broker with its data in dir; it is stopped at the end if the test does not.
func startIn(t *testing.T, dir string, sets ...string) (*Broker, error) {
	t.Helper()
	sets = append([]string{"listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + dir}, sets...)
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	return Start(context.Background(), Options{Config: cfg, Logger: slog.New(slog.DiscardHandler)})
}

// contents are the files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A start that is refused because the directory is another cluster's or another
// broker's leaves every byte as it was.
func TestRefusedStartChangesNothing(t *testing.T) {
	dir := t.TempDir()
	b, err := startIn(t, dir, "broker.id=5")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(dir, "meta.properties")
	ours, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	var foreign []string
	for line := range strings.Lines(string(ours)) {
		if strings.HasPrefix(line, "cluster.id=") {
			line = "cluster.id=AAAAAAAAAAAAAAAAAAAAAA\n"
		}
		foreign = append(foreign, line)
	}
	for _, tc := range []struct{ name, meta, set, want string }{
		{"another cluster", strings.Join(foreign, ""), "broker.id=5", "cluster.id"},
		{"another broker", string(ours), "broker.id=6", "broker.id"},
		{"a version not known", "version=7\n", "broker.id=5", "version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.WriteFile(meta, []byte(tc.meta), 0o644); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			b, err := startIn(t, dir, tc.set)
			if err == nil {
				_ = b.Stop(context.Background())
				t.Fatal("the broker started")
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %q; want one line that names %s", err, tc.want)
			}
			after := contents(t, dir)
			if len(after) != len(before) {
				t.Errorf("%d files became %d", len(before), len(after))
			}
			for path, text := range before {
				if after[path] != text {
					t.Errorf("%s changed", path)
				}
			}
		})
	}
}

// A broker without an id draws one, keeps it, and draws it again after
// meta.properties got lost.
func TestBrokerIDIsDrawnOnce(t *testing.T) {
	dir := t.TempDir()
	start := func() int32 {
		t.Helper()
		b, err := startIn(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := b.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		return b.cluster.ID()
	}
	if id := start(); id != 1001 {
		t.Fatalf("first id is %d, want 1001 as Apache Kafka's", id)
	}
	if id := start(); id != 1001 {
		t.Fatalf("the second start has id %d", id)
	}
	if err := os.Remove(filepath.Join(dir, "meta.properties")); err != nil {
		t.Fatal(err)
	}
	if id := start(); id != 1002 {
		t.Errorf("without meta.properties the id is %d; want one that nobody had", id)
	}
}

// TestFailedStartLeftTheGroupsOpen: what a start had made of the groups went on reading and writing logs that were closed.
func TestFailedStartLeftTheGroupsOpen(t *testing.T) {
	cfg, _, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{o: Options{Config: cfg}, logger: slog.New(slog.DiscardHandler)}
	b.o.fill()
	b.groups = newGroups(b.o, config.NewDynamic(cfg, 1), b.offsetsTopic, b.logger)
	if err := b.release(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := b.groups.Heartbeat(&groupcoord.HeartbeatRequest{Group: "g"}); !errors.Is(err, groupcoord.ErrNotAvailable) {
		t.Errorf("a heartbeat after a start that failed: %v", err)
	}
}

// TestUnreachableZooKeeper: the error named a deadline of a context and a session, and neither property that an operator can change.
func TestUnreachableZooKeeper(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	closed.Close()
	_, err = startIn(t, t.TempDir(), "broker.id=1", "zookeeper.connect="+addr, "zookeeper.connection.timeout.ms=1000")
	want := "zookeeper.connect: no ZooKeeper server of " + addr + " could be reached: zookeeper.connection.timeout.ms (1000) is over"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
