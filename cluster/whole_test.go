package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/local"
	"klamm/cluster/meta/mem"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// source is the tree of a broker 7 that ran alone, with so many topics of one partition.
func source(t *testing.T, topics int) meta.Tree {
	t.Helper()
	tree := session(t, mem.New(mem.Options{}))
	if err := EnsurePaths(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureClusterID(t.Context(), tree, "the-cluster"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := GenerateBrokerID(t.Context(), tree, 1000); err != nil {
			t.Fatal(err)
		}
	}
	do(t, tree, meta.CreateOp(znode.ControllerEpoch, []byte("5"), meta.Persistent), meta.CreateOp(znode.Controller, []byte("gone"), meta.Ephemeral),
		meta.CreateOp(znode.ConfigChangePrefix, []byte("read"), meta.PersistentSequential),
		meta.SetOp(znode.LatestProducerIDBlock, znode.ProducerIDBlock{Broker: 7, Start: 1000, End: 1999}.Encode(), meta.AnyVersion))
	for i := range topics {
		addTopic(t, tree, fmt.Sprint("topic-", i), 7)
	}
	return tree
}

func addTopic(t *testing.T, tree meta.Tree, topic string, replicas ...int32) {
	t.Helper()
	tp := protocol.TopicPartition{Topic: topic}
	body := znode.Topic{ID: protocol.UUID{1}, Partitions: []znode.Replicas{{Replicas: replicas}}}
	state := znode.PartitionState{ControllerEpoch: 5, Leader: replicas[0], LeaderEpoch: 9, ISR: replicas}
	do(t, tree, meta.CreateOp(znode.ConfigPath(znode.EntityTopics, topic), znode.EncodeConfig(map[string]string{"retention.ms": strings.Repeat("1", 1000)}), meta.Persistent),
		meta.CreateOp(znode.TopicPath(topic), body.Encode(), meta.Persistent), meta.CreateOp(znode.PartitionsPath(topic), nil, meta.Persistent),
		meta.CreateOp(znode.PartitionPath(tp), nil, meta.Persistent), meta.CreateOp(znode.PartitionStatePath(tp), state.Encode(), meta.Persistent))
}

func session(t *testing.T, store meta.Store) meta.Tree {
	t.Helper()
	tree, err := store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func do(t *testing.T, tree meta.Tree, ops ...meta.Op) {
	t.Helper()
	if _, err := tree.Multi(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}

func whole(t *testing.T, tree meta.Tree) *Whole {
	t.Helper()
	w, err := ReadWhole(t.Context(), tree, 7)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// text is what a copy has of a tree.
func (w *Whole) text() string {
	var s strings.Builder
	fmt.Fprintln(&s, w.ClusterID, w.Topics, w.Partitions)
	for _, n := range w.nodes {
		fmt.Fprintf(&s, "%s %q %t", n.path, n.Data, n.Data == nil)
		if n.path == znode.BrokerSeqID {
			fmt.Fprint(&s, " version ", n.Stat.Version)
		}
		fmt.Fprintln(&s)
	}
	return s.String()
}

// killed is a tree whose process is killed after so many transactions.
type killed struct {
	meta.Tree
	left *int
}

var errKilled = errors.New("killed")

func (k killed) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	if *k.left == 0 {
		return nil, errKilled
	}
	*k.left--
	return k.Tree.Multi(ctx, ops...)
}

// TestCopyKilledAnywhere kills a copy after each of its transactions, changes the source, and kills the copy that goes on once more. The last one ends with a copy of what is
// there then, and the cluster's id is there only in the end.
func TestCopyKilledAnywhere(t *testing.T) {
	finished := false
	for kills := 0; !finished; kills++ {
		from, to := source(t, 600), session(t, mem.New(mem.Options{})) // more than one transaction
		do(t, to, meta.CreateOp("/zookeeper", nil, meta.Persistent))
		run := func(left int) error {
			handed := false
			err := whole(t, from).ShareInto(t.Context(), killed{to, &left}, func() error { handed = true; return nil })
			id, noID := ReadClusterID(t.Context(), to)
			if (noID == nil) != (err == nil) || err == nil && (id != "the-cluster" || !handed) {
				t.Fatalf("after %d transactions: %v; the id is %q, %v", kills, err, id, noID)
			}
			return err
		}
		err := run(kills)
		if finished = err == nil; !finished {
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			do(t, from, meta.DeleteOp(znode.ConfigPath(znode.EntityTopics, "topic-3"), meta.AnyVersion))
			if err := run(kills + 1); err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			} else if err != nil {
				if err := run(1 << 30); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got, want := whole(t, to).text(), whole(t, from).text(); got != want {
			t.Fatalf("after %d transactions the copy is\n%s\nand not\n%s", kills, got, want)
		}
		if claimed, _, err := to.Exists(t.Context(), znode.Claim); err != nil || claimed {
			t.Errorf("the claim is left: %v", err)
		}
		if finished && kills < 5 {
			t.Errorf("the copy took %d transactions only", kills)
		}
	}
}

// TestCopyLeavesOut ephemeral nodes, notifications, and what is not Kafka's.
func TestCopyLeavesOut(t *testing.T) {
	tree := source(t, 1)
	do(t, tree, meta.CreateOp("/zookeeper", nil, meta.Persistent), meta.CreateOp("/hbase", nil, meta.Persistent))
	w := whole(t, tree)
	if text := w.text(); strings.Contains(text, "config_change") || strings.Contains(text, "gone") || strings.Contains(text, "/hbase") || !strings.Contains(text, `/brokers/seqid "" true version 3`) {
		t.Errorf("the copy has\n%s", text)
	}
	if fmt.Sprint(w.Ephemeral, w.Other) != "[/controller] [/hbase]" {
		t.Errorf("%v %v", w.Ephemeral, w.Other)
	}
}

// TestTreesThatAreNotCopied: the errors say why, and nothing is changed.
func TestTreesThatAreNotCopied(t *testing.T) {
	for name, c := range map[string]struct {
		from, to func(t *testing.T, tree meta.Tree)
		why      string
	}{
		"a tree in use": {to: func(t *testing.T, tree meta.Tree) { do(t, tree, meta.CreateOp("/brokers", nil, meta.Persistent)) }, why: "it is not empty, it has /brokers"},
		"another's copy": {to: func(t *testing.T, tree meta.Tree) {
			do(t, tree, meta.CreateOp(znode.Claim, znode.EncodeClaim("the-cluster", 8), meta.Persistent))
		}, why: "broker 8 of cluster the-cluster has begun"},
		"a cluster on an unfinished copy": {to: func(t *testing.T, tree meta.Tree) {
			do(t, tree, meta.CreateOp(znode.Claim, znode.EncodeClaim("the-cluster", 7), meta.Persistent), meta.CreateOp(znode.Cluster, nil, meta.Persistent),
				meta.CreateOp(znode.ClusterID, znode.EncodeClusterID("another"), meta.Persistent))
		}, why: "then a broker was started there"},
		"another tree beside an unfinished copy": {to: func(t *testing.T, tree meta.Tree) {
			do(t, tree, meta.CreateOp(znode.Claim, znode.EncodeClaim("the-cluster", 7), meta.Persistent), meta.CreateOp("/hbase", nil, meta.Persistent))
		}, why: "now there is /hbase too"},
		"a registered broker": {from: func(t *testing.T, tree meta.Tree) {
			do(t, tree, meta.CreateOp(znode.BrokerPath(2), []byte("here"), meta.Ephemeral))
		}, why: "other brokers are registered (/brokers/ids): 2;"},
		"the broker itself": {from: func(t *testing.T, tree meta.Tree) {
			do(t, tree, meta.CreateOp(znode.BrokerPath(7), []byte("here"), meta.Ephemeral))
		}, why: "it runs, or its session has not ended yet"},
		"replicas elsewhere": {from: func(t *testing.T, tree meta.Tree) { addTopic(t, tree, "orders", 7, 2) }, why: "1 partitions have replicas on other brokers than 7: orders-0 has [7 2];"},
		"the largest node, which is copied": {from: func(t *testing.T, tree meta.Tree) {
			do(t, tree, meta.SetOp(znode.ControllerEpoch, make([]byte, meta.MaxTransactionBytes-200), meta.AnyVersion))
			do(t, tree, meta.CreateOp(znode.ConfigPath(znode.EntityTopics, strings.Repeat("t", 249)), make([]byte, meta.MaxTransactionBytes-400), meta.Persistent))
		}},
		"transactions": {from: func(t *testing.T, tree meta.Tree) { addTopic(t, tree, TransactionsTopic, 7) }, why: TransactionsTopic},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := source(t, 1), session(t, mem.New(mem.Options{}))
			if err := from.Delete(t.Context(), znode.Controller, meta.AnyVersion); err != nil {
				t.Fatal(err)
			}
			if c.from != nil {
				c.from(t, from)
			}
			if c.to != nil {
				c.to(t, to)
			}
			before, _, err := to.Children(t.Context(), "/")
			if err != nil {
				t.Fatal(err)
			}
			w := whole(t, from)
			err = errors.Join(w.OnlyHere(), w.Refused())
			if err == nil {
				err = w.ShareInto(t.Context(), to, func() error { return nil })
			}
			if c.why == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrNotCopied) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v", err)
			}
			if after, _, err := to.Children(t.Context(), "/"); err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("the other tree has %v, %v", after, err)
			}
		})
	}
}

// TestNodeThatZooKeeperDoesNotTake is named: the embedded tree has no such bound.
func TestNodeThatZooKeeperDoesNotTake(t *testing.T) {
	store, err := local.Open(local.Options{Path: filepath.Join(t.TempDir(), local.FileName)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	from := session(t, store)
	do(t, from, meta.CreateOp(znode.Brokers, nil, meta.Persistent), meta.CreateOp("/brokers/large", make([]byte, meta.MaxTransactionBytes), meta.Persistent))
	if err := whole(t, from).OnlyHere(); !errors.Is(err, ErrNotCopied) || !strings.HasPrefix(err.Error(), "/brokers/large has 524288 bytes") {
		t.Error(err)
	}
}
