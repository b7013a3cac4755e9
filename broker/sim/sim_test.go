package sim

import (
	"context"
	"flag"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cluster"
	"klamm/internal/history"
)

var (
	seeds   = flag.Int("seeds", fewSeeds, "how many seeds TestSeeds takes, from 1 on")
	lasting = flag.Duration("for", 0, "take new seeds for so long, in place of -seeds")
	seed    = flag.Uint64("seed", 0, "the one seed that TestSeeds takes, in place of -seeds")
	again   = flag.Int("again", 1, "how often TestSeeds takes -seed")
	debug   = flag.Bool("debug", false, "have the history contain what the brokers log for debugging")
)

// simulate runs a world of its own on virtual time, and prints its history if anything is wrong.
func simulate(t *testing.T, brokers int, timeout time.Duration, do func(t *testing.T, w *world), settings ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(newJournal(), brokers, timeout, settings...)
		do(t, w)
		for _, n := range w.nodes {
			if n.life != nil {
				n.stop()
			}
			w.forest.expireDead(n.name)
		}
		w.end("dead processes", w.ghosts.Wait)
		if found := w.found(); len(found) > 0 || t.Failed() {
			t.Errorf("%s", w)
			for _, f := range found {
				t.Error(f)
			}
		}
	})
}

// begin starts all brokers, and waits until they know each other.
func (w *world) begin() {
	for _, n := range w.nodes {
		n.start(true)
	}
	w.await("brokers", time.Minute, w.settled)
}

// settled says whether all brokers serve, and know each other and the same controller.
func (w *world) settled() bool {
	controllers := map[int32]bool{}
	for _, n := range w.nodes {
		if !n.serves() {
			return false
		}
		m := n.life.broker.Cluster().Metadata()
		if len(m.Brokers) != len(w.nodes) {
			return false
		}
		controllers[m.ControllerID] = true
	}
	return len(controllers) == 1 && !controllers[-1]
}

// misinformed says which broker tells clients something else of a topic than the tree, or gives "".
func (w *world) misinformed() string {
	for _, n := range w.serving() {
		if wrong := w.forest.differs(n.life.broker.Cluster().Metadata()); wrong != "" {
			return n.name + wrong
		}
	}
	return ""
}

// controller gives the broker that is the controller, by what it knows itself; nil if none is.
func (w *world) controller() *node {
	for _, n := range w.serving() {
		if n.life.broker.Cluster().IsController() {
			return n
		}
	}
	return nil
}

// create creates a topic.
func (w *world) create(name string, partitions int32) {
	res := w.controller().life.broker.Cluster().CreateTopics(context.Background(),
		[]cluster.NewTopic{{Name: name, Partitions: partitions, ReplicationFactor: int16(len(w.nodes))}}, false)
	if res[0].Err != nil {
		w.wrong("create %s: %v", name, res[0].Err)
	}
}

// TestSeeds does the runs of some seeds.
func TestSeeds(t *testing.T) {
	var next, done atomic.Uint64
	last := uint64(*seeds)
	began, over := time.Now(), time.Time{}
	switch {
	case *seed > 0:
		last = uint64(*again)
	case *lasting > 0:
		over = began.Add(*lasting)
		next.Store(uint64(began.Unix()) * 1_000_000)
		last = math.MaxUint64
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for over.IsZero() || time.Now().Before(over) {
				s := next.Add(1)
				if s > last {
					return
				}
				if *seed > 0 {
					s = *seed
				}
				t.Run(fmt.Sprint("seed=", s), func(t *testing.T) { simulateSeed(t, s) })
				done.Add(1)
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	t.Logf("%d seeds in %v, %.0f an hour", done.Load(), took.Round(time.Second), float64(done.Load())/took.Hours())
}

// TestClusterServesOnVirtualTime has three brokers serve a producer and a reader, and stops them. Nothing goes wrong.
func TestClusterServesOnVirtualTime(t *testing.T) {
	simulate(t, 3, 18*time.Second, func(t *testing.T, w *world) {
		w.begin()
		w.create("events", 3)
		topic := history.Topic{Name: "events", Partitions: 3, Client: func(opts ...kgo.Opt) *kgo.Client { return w.client("c1", opts...) }}
		p := history.StartProducer(t.Context(), topic, "once", history.Steady(20*time.Millisecond))
		r := history.NewReader(topic)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx, topic) }()
		time.Sleep(10 * time.Second)
		w.end("the producer", p.Finish)
		var ends []int64
		for partition := range topic.Partitions {
			sent, acked := p.Counts(partition)
			if sent < 100 || acked != sent {
				w.wrong("partition %d: %d records are sent and %d acknowledged", partition, sent, acked)
			}
			ends = append(ends, int64(sent))
		}
		w.await("the reader", time.Minute, func() bool { return r.CaughtUp(ends) })
		cancel()
		w.end("the reader", func() { <-done })
		w.all("given up", p.Failed.All())
		w.all("read", r.Faults.All())
		for partition := range topic.Partitions {
			w.all("read where it is not stored", p.Misplaced(partition, r.Seen(partition)))
			w.all("not once and in order", p.Disordered(partition, r.Seen(partition)))
		}
	})
}

// TestDeadBrokerIsReplacedAtOnce kills the controller. The others have to find out by the network that they were given, long before its session
// ends.
func TestDeadBrokerIsReplacedAtOnce(t *testing.T) {
	simulate(t, 3, 18*time.Second, func(t *testing.T, w *world) {
		w.begin()
		w.create("events", 6)
		w.await("all replicas in sync", time.Minute, func() bool { return w.forest.unwell() == "" })
		dead := w.controller()
		dead.kill(false, 0)
		w.await("other leaders", time.Second, func() bool {
			for p := range int32(6) {
				if s, there := w.forest.state("events", p); !there || s.Leader == dead.id || s.Leader < 0 {
					return false
				}
			}
			return true
		})
	})
}
