package broker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/znode"
	"klamm/server/config"
)

// memTree is a tree in memory that brokers share.
type memTree struct{ store *mem.Store }

func (m memTree) Peek(ctx context.Context, nodes ...string) ([]meta.Node, error) {
	tree, err := m.store.Open(ctx, meta.Watcher{})
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return tree.GetAll(ctx, nodes)
}

func (memTree) Shared() bool { return true }

func (m memTree) Open(func(write func() error) error) (meta.Store, error) {
	return openMem{m.store}, nil
}

type openMem struct{ *mem.Store }

func (openMem) Close() error { return nil }

// startShared starts a broker on a tree that others share.
func startShared(t *testing.T, store *mem.Store, dir string, sets ...string) (*Broker, error) {
	t.Helper()
	sets = append([]string{"listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + dir}, sets...)
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	return Start(context.Background(), Options{Config: cfg, Logger: slog.New(slog.DiscardHandler), Tree: memTree{store}})
}

func clusterIDOf(t *testing.T, store *mem.Store) string {
	t.Helper()
	nodes, err := memTree{store}.Peek(t.Context(), znode.ClusterID)
	if err != nil {
		t.Fatal(err)
	}
	if errors.Is(nodes[0].Err, meta.ErrNoNode) {
		return ""
	}
	id, err := znode.DecodeClusterID(nodes[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestFirstBrokersOfACluster starts several brokers without ids at the same time, on a tree that is empty. They are of one
// cluster, and each has an id of its own. Each used to take a cluster's id of its own into its directories first.
func TestFirstBrokersOfACluster(t *testing.T) {
	store := mem.New(mem.Options{})
	var mu sync.Mutex
	ids := map[int32]bool{}
	var all sync.WaitGroup
	for range 3 {
		dir := t.TempDir()
		all.Go(func() {
			b, err := startShared(t, store, dir)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = b.Stop(context.Background()) })
			mu.Lock()
			defer mu.Unlock()
			ids[b.Cluster().ID()] = true
			if got := b.store.ClusterID(); got != b.Cluster().ClusterID() {
				t.Errorf("the directory is of cluster %s, the broker of %s", got, b.Cluster().ClusterID())
			}
		})
	}
	all.Wait()
	if len(ids) != 3 || !ids[1001] || !ids[1002] || !ids[1003] {
		t.Errorf("the brokers have the ids %v", ids)
	}
}

// TestDirectoriesOfAnotherCluster starts a broker on a tree that is not the one of its directories. The start is refused
// with both ids, and changes neither the directories nor the tree.
func TestDirectoriesOfAnotherCluster(t *testing.T) {
	dir := t.TempDir()
	home := mem.New(mem.Options{})
	b, err := startShared(t, home, dir, "broker.id=1")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	other := mem.New(mem.Options{})
	b, err = startShared(t, other, t.TempDir(), "broker.id=2")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop(context.Background())
	before := contents(t, dir)
	for _, store := range []*mem.Store{other, mem.New(mem.Options{})} {
		inTree := clusterIDOf(t, store)
		_, err := startShared(t, store, dir, "broker.id=1")
		wrong, ok := errors.AsType[*cluster.ClusterIDError](err)
		if !ok || wrong.Directory != clusterIDOf(t, home) || wrong.Tree != inTree {
			t.Errorf("on the tree of cluster %q: %v", inTree, err)
		}
		if got := clusterIDOf(t, store); got != inTree {
			t.Errorf("the tree was of cluster %q, it is of %q", inTree, got)
		}
	}
	if !maps.Equal(contents(t, dir), before) {
		t.Error("the directory has changed")
	}
	b, err = startShared(t, home, dir, "broker.id=1")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestReplicasOfTransactionsAreRefused: a broker that has replicas of __transaction_state started, and led them without coordinating a transaction.
func TestReplicasOfTransactionsAreRefused(t *testing.T) {
	store, dir := mem.New(mem.Options{}), t.TempDir()
	tree, err := store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	set := func(path, body string) {
		for parent := range strings.SplitSeq(strings.TrimPrefix(path[:strings.LastIndex(path, "/")], "/"), "/") {
			if parent != "" {
				_, _ = tree.Create(t.Context(), path[:strings.Index(path, parent)+len(parent)], nil, meta.Persistent)
			}
		}
		if _, err := tree.Create(t.Context(), path, []byte(body), meta.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	set("/brokers/topics/__transaction_state", `{"partitions":{"0":[1,2],"1":[2,1],"2":[2,3],"4":[3,1]},"topic_id":"5h-9lbAMROaPKZCP22Zvgg","adding_replicas":{},"removing_replicas":{},"version":3}`)
	set("/controller", `{"version":2,"brokerid":3000,"timestamp":"1","kraftControllerEpoch":4}`)
	_, err = startShared(t, store, dir, "broker.id=1")
	if err == nil || !strings.Contains(err.Error(), "/brokers/topics/__transaction_state: this broker, 1, has replicas of the partitions 0-1, 4,") ||
		!strings.Contains(err.Error(), "kafka-reassign-partitions.sh") || !strings.Contains(err.Error(), "/controller: the controller is one of KRaft (kraftControllerEpoch 4)") {
		t.Errorf("the start ended with %v, want both reasons", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the refused start left %v in the directory, %v", files, err)
	}
	if err := tree.Delete(t.Context(), "/controller", meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	b, err := startShared(t, store, dir, "broker.id=7")
	if err != nil {
		t.Fatalf("a broker without a replica: %v", err)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
