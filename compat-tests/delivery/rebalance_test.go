package delivery

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
)

// TestRebalances: consumers come, leave, hang and are killed while records flow. A partition has one owner in each
// generation, and the offsets of a group that shares its partitions eagerly never go back.
func TestRebalances(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{"range", "cooperative-sticky"} {
		t.Run(balancer, func(t *testing.T) {
			t.Parallel()
			const partitions = 8
			b := harness.Start(t, harness.Options{Properties: sessionProperties})
			topic := harness.Topic(t, b.Addr, partitions)
			p := newProducer(t, topic, append(idempotent, harness.Seeds(b.Addr))...)
			c := newCrew(t, b.Addr, topic, partitions, processFirst, false, 5, "DELIVERY_BALANCER="+balancer, "DELIVERY_PAUSE=5ms")
			ctx, cancel := context.WithCancel(harness.Context(t))
			defer cancel()
			stop := make(chan struct{})
			var working, watching sync.WaitGroup
			working.Go(func() { p.run(ctx, stop, 300) })
			watchCtx, unwatch := context.WithCancel(ctx)
			// A cooperative member goes on with what it has while it joins. One that hung, or that a coordinator which took over has
			// forgotten, joins as a new member, and commits for a partition that another has read further. No broker can tell that from
			// a good commit.
			w := &watcher{highest: map[int32]int64{}}
			if balancer != "cooperative-sticky" {
				adm := harness.Admin(t, b.Addr)
				watching.Go(func() { w.run(t, watchCtx, adm, topic, c.group) })
			}
			made := comeAndGo(t, c)
			close(stop)
			working.Wait()
			c.catchUp()
			unwatch()
			watching.Wait()
			if balancer != "cooperative-sticky" && w.looks == 0 {
				t.Errorf("the group's offsets were never answered: %v", w.last)
			}
			journals := c.stop()
			// Members learn a generation's number before it is written down, so that a coordinator that takes over gives the number to another.
			if balancer != "cooperative-sticky" || harness.Brokers() == 1 {
				oneOwner(t, journals)
			}
			refused := 0
			for _, entries := range journals {
				for _, e := range entries {
					if e.what == "refused" {
						refused++
					}
				}
			}
			lost, doubled := 0, 0
			times := did(journals)
			for n := range p.sent() {
				switch {
				case times[n] == 0:
					lost++
				default:
					doubled += times[n] - 1
				}
			}
			if lost > 0 {
				t.Errorf("%d records were not processed", lost)
			}
			account{
				sent: p.sent(), processed: len(times), lost: lost, doubled: doubled, faults: made,
				how: fmt.Sprintf("%d commits refused; offsets looked at %d times", refused, w.looks),
			}.tell(t)
		})
	}
}

// comeAndGo has consumers start, leave, hang and die, and says how often.
func comeAndGo(t *testing.T, c *crew) string {
	t.Helper()
	rnd := harness.Rand(t, *seed)
	var came, left, hung, died int
	start := func(i int) {
		c.start(i)
		came++
	}
	start(0)
	start(1)
	for n := range max(8, consumerCrashes()/2) {
		time.Sleep(time.Duration(300+rnd.IntN(700)) * time.Millisecond)
		c.check()
		i := rnd.IntN(len(c.consumers))
		hangs := n%3 == 2
		if c.consumers[i] == nil {
			start(i)
			if !hangs {
				continue
			}
			time.Sleep(time.Second) // it joins
		}
		switch {
		case hangs: // for longer than its session
			c.consumers[i].Signal(syscall.SIGSTOP)
			time.Sleep(sessionTimeout * 2)
			c.consumers[i].Signal(syscall.SIGCONT)
			hung++
		case rnd.IntN(2) == 0:
			c.end(i)
			left++
		default:
			c.consumers[i].Kill()
			c.consumers[i] = nil
			died++
		}
	}
	for i := range c.consumers {
		if c.consumers[i] == nil {
			start(i)
		}
	}
	return fmt.Sprintf("%d consumers came, %d left, %d hung, %d were killed", came, left, hung, died)
}

// oneOwner checks that in each generation only one member processes a partition's records.
func oneOwner(t *testing.T, journals [][]entry) {
	t.Helper()
	type turn struct {
		partition  int32
		generation int32
	}
	owners := map[turn]string{}
	for _, entries := range journals {
		for _, e := range entries {
			if e.what != "did" {
				continue
			}
			at := turn{e.partition, e.generation}
			if owner, ok := owners[at]; ok && owner != e.member {
				t.Errorf("in generation %d both %s and %s processed partition %d", e.generation, owner, e.member, e.partition)
			}
			owners[at] = e.member
		}
	}
	if len(owners) == 0 {
		t.Error("nobody processed anything")
	}
}

// watcher looks at a group's offsets all the time.
type watcher struct {
	highest map[int32]int64
	looks   int
	last    error // of the last look that failed: a broker may be away
}

func (w *watcher) run(t *testing.T, ctx context.Context, adm *kadm.Client, topic, group string) {
	for ctx.Err() == nil {
		offsets, err := adm.FetchOffsets(ctx, group)
		if err != nil && ctx.Err() == nil {
			w.last = err
		}
		if err == nil {
			w.looks++
			for partition, o := range offsets[topic] {
				if o.Err == nil && o.At < w.highest[partition] {
					t.Errorf("the offset of partition %d went back from %d to %d", partition, w.highest[partition], o.At)
				}
				w.highest[partition] = max(w.highest[partition], o.At)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
