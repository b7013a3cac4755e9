package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// aside is what a cluster is asked to do while something happens to it: to move a partition and to delete a topic.
type aside struct {
	*load
	moves, goes string // topics
	to          []int32
	wait        time.Duration // before it asks
	asked       chan struct{} // closed when the cluster has taken both requests
}

// asideRecords is how many records the partition that moves has.
const asideRecords = 300

// startAside makes the topics.
func (l *load) startAside(rnd *rand.Rand) *aside {
	l.Helper()
	name := fmt.Sprintf("aside-%d", rnd.Uint32())
	order := []int32{1, 2, 3}
	rnd.Shuffle(3, func(i, j int) { order[i], order[j] = order[j], order[i] })
	a := &aside{load: l, moves: name + "-moves", goes: name + "-goes", to: order[1:], wait: time.Duration(rnd.IntN(1500)) * time.Millisecond, asked: make(chan struct{})}
	createTopic(l, a.moves, nil, order[:2])
	createTopic(l, a.goes, nil, []int32{1, 2, 3}, []int32{2, 3, 1})
	l.awaitFull()
	cl := newClient(l)
	defer cl.Close()
	for n := range asideRecords {
		cl.Produce(l.Context(), &kgo.Record{Topic: a.moves, Key: fmt.Append(nil, n), Value: make([]byte, 1000)}, nil)
	}
	if err := harness.Flush(l.Context(), cl); err != nil {
		l.Fatal(err)
	}
	return a
}

// ask asks until the cluster has taken both requests.
func (a *aside) ask() {
	a.running.Go(func() {
		defer close(a.asked)
		time.Sleep(a.wait)
		req := kadm.AlterPartitionAssignmentsReq{}
		req.Assign(a.moves, 0, a.to)
		for moved, gone := false, false; (!moved || !gone) && a.ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			if !moved {
				resps, err := a.admin.AlterPartitionAssignments(a.ctx, req)
				moved = err == nil && resps.Error() == nil
			}
			if !gone {
				resps, err := a.admin.DeleteTopics(a.ctx, a.goes)
				gone = err == nil && (resps.Error() == nil || errors.Is(resps.Error(), kerr.UnknownTopicOrPartition))
			}
		}
	})
}

// check waits until the partition has moved, with all its records, and the topic is gone. Then it deletes the other topic, too.
func (a *aside) check() {
	a.Helper()
	a.finish("a reassignment and a deletion to be taken", func() { <-a.asked })
	await(a.load, fmt.Sprintf("%s to be on %d alone and %s to be gone", a.moves, a.to, a.goes), func() bool {
		m := a.metadata()
		if !full(m, a.moves) {
			return false
		}
		for _, t := range m.Topics {
			if *t.Topic == a.goes || *t.Topic == a.moves && !slices.Equal(t.Partitions[0].Replicas, a.to) {
				return false
			}
		}
		under, err := harness.Reassignments(a.Context(), a.client)
		return err == nil && len(under) == 0 && a.left() == nil
	})
	for i, r := range harness.ReadPartition(a, a.c.Addrs()[0], a.moves, 0, 0, asideRecords, kgo.SeedBrokers(a.c.Addrs()...)) {
		if string(r.Key) != fmt.Sprint(i) {
			a.Fatalf("%s has record %q where %d is due", a.moves, r.Key, i)
		}
	}
	resps, err := a.admin.DeleteTopics(a.Context(), a.moves)
	if err == nil {
		err = resps.Error()
	}
	if err != nil {
		a.Fatalf("deleting %s: %v", a.moves, err)
	}
}

// left are the directories of the topic that goes; those that are to be deleted do not count. A replica that moves away from a broker that is dead at
// the moment stays on its disk, as it does with Apache Kafka.
func (a *aside) left() (found []string) {
	for i := range a.c.Brokers {
		for _, dir := range a.c.Dirs(int32(i + 1)) {
			all, _ := filepath.Glob(filepath.Join(dir, a.goes+"-[0-9]"))
			found = append(found, all...)
		}
	}
	return found
}
