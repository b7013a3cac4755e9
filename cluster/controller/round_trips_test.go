package controller

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"klamm/cluster/meta"
	"klamm/internal/await"
	"klamm/protocol"
)

// TestBadVersionReadsOneTransaction: somebody else wrote one of many states. The states of the transaction that was refused for it are read again,
// and not the tree.
func TestBadVersionReadsOneTransaction(t *testing.T) {
	c := newCluster(t)
	m, tree := c.startCounted(1)
	two := c.start(2)
	c.seen(2)
	if res := m.create(t, "t", []int32{2, 1}, []int32{2, 1}, []int32{2, 1}); res.Err != nil {
		t.Fatal(res.Err)
	}
	if res := m.create(t, "others", slices.Repeat([][]int32{{1}}, 10)...); res.Err != nil {
		t.Fatal(res.Err)
	}
	foreign := `{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":4,"isr":[1,2]}`
	if _, err := m.tree.Set(t.Context(), "/brokers/topics/t/partitions/1/state", []byte(foreign), meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	tree.reset()
	c.end(two)
	await.Until(t, "all have their leader", func() bool {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		for i := range int32(3) {
			if p, _ := c.net.brokers[1].shown(protocol.TopicPartition{Topic: "t", Partition: i}); p.Leader != 1 {
				return false
			}
		}
		return true
	})
	data, _, _ := m.tree.Get(t.Context(), "/brokers/topics/t/partitions/1/state")
	if want := `{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":5,"isr":[1]}`; string(data) != want {
		t.Errorf("the state is %s, want %s", data, want)
	}
	if read := tree.states(); read != 3 {
		t.Errorf("%d states were read, want the three of the transaction that was refused", read)
	}
}

// countingTree counts what is read of states, and the calls.
type countingTree struct {
	meta.Tree
	mu           sync.Mutex
	read, trips  int
	transactions int
}

func (c *countingTree) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.trips, c.transactions = 0, 0, 0
}

func (c *countingTree) states() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

func (c *countingTree) counts() (trips, transactions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trips, c.transactions
}

func (c *countingTree) count(paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trips++
	for _, path := range paths {
		if strings.HasSuffix(path, "/state") {
			c.read++
		}
	}
}

func (c *countingTree) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	c.count(paths)
	return c.Tree.GetAll(ctx, paths)
}

func (c *countingTree) GetAllW(ctx context.Context, paths []string) ([]meta.Node, error) {
	c.count(paths)
	return c.Tree.GetAllW(ctx, paths)
}

func (c *countingTree) ChildrenW(ctx context.Context, path string) ([]string, meta.Stat, error) {
	c.count(nil)
	return c.Tree.ChildrenW(ctx, path)
}

func (c *countingTree) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	c.count(nil)
	c.mu.Lock()
	c.transactions += len(txs)
	c.mu.Unlock()
	return c.Tree.MultiAll(ctx, txs)
}

// TestTenThousandPartitionsTakeFewRoundTrips: their leader dies, and another controller reads them all.
func TestTenThousandPartitionsTakeFewRoundTrips(t *testing.T) {
	c := newCluster(t)
	m, tree := c.startCounted(1)
	two := c.start(2)
	c.seen(2)
	assignment := slices.Repeat([][]int32{{2, 1}}, 10_000)
	if res := m.create(t, "large", assignment...); res.Err != nil {
		t.Fatal(res.Err)
	}
	if trips, transactions := tree.counts(); trips > 40 || transactions > 30 {
		t.Errorf("the creation took %d round trips and %d transactions", trips, transactions)
	}
	tree.reset()
	c.end(two)
	await.Until(t, "all have their leader", func() bool {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		led := 0
		for _, role := range c.net.brokers[1].roles {
			if role.Leader == 1 {
				led++
			}
		}
		return led == len(assignment)
	})
	if trips, transactions := tree.counts(); trips > 10 || transactions > 20 {
		t.Errorf("the death took %d round trips and %d transactions", trips, transactions)
	}
	next, tree := c.joinCounted(3)
	c.end(m)
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if trips, transactions := tree.counts(); trips > 30 || transactions > 20 || !next.IsActive() {
		t.Errorf("the next controller took %d round trips and %d transactions", trips, transactions)
	}
}
