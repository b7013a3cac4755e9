package replica

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"klamm/cluster/order"
	"klamm/protocol"
)

// alterations are the changes of ISRs that the controller has to be asked for. One request is under way at a time, with all that
// came together: a leader whose follower dies has thousands of them at once.
type alterations struct {
	manager *Manager
	more    chan struct{} // has one element when there is more to ask; it ends a rest

	mu      sync.Mutex
	waiting map[protocol.TopicPartition]asking // guarded by mu; the newest of each partition
	running bool                               // guarded by mu; a goroutine asks
	closed  bool                               // guarded by mu; nothing is asked any more
}

// asking is an alteration and its partition.
type asking struct {
	*Partition
	*alteration
	pauseMs, dueMs int64 // the last wait in a row, and when it is over; 0 for what was not asked yet
}

// What the controller refused is asked again after askAgainAfter, and then after twice as long each time, up to askAgainMost. What comes
// meanwhile does not wait, and does not have it asked earlier.
const (
	askAgainAfter = 50 * time.Millisecond
	askAgainMost  = time.Second
)

// errNoResult stands for an answer that the controller owes.
var errNoResult = errors.New("the controller's answer lacks the partition")

// add has an alteration asked for. The caller holds the partition's mu.
func (q *alterations) add(p *Partition, a *alteration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = make(map[protocol.TopicPartition]asking)
	}
	q.waiting[p.tp] = asking{Partition: p, alteration: a}
	if !q.running && !q.closed {
		q.running = true
		q.manager.background.Go(q.run)
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// close has nothing asked any more that is not under way.
func (q *alterations) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// run asks until nothing waits, or the manager is closed.
func (q *alterations) run() {
	for {
		list, restMs := q.take()
		switch {
		case len(list) > 0:
			q.ask(list)
		case restMs < 0 || !q.rest(time.Duration(restMs)*time.Millisecond):
			return
		}
	}
}

// take gives all that is due, in order, or else how long nothing will be. A time of -1 ends run.
func (q *alterations) take() (list []asking, restMs int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || q.closed {
		q.running = false
		return nil, -1
	}
	select { // all that there is
	case <-q.more:
	default:
	}
	nowMs := q.manager.NowMs()
	restMs = askAgainMost.Milliseconds()
	for tp, a := range q.waiting {
		if a.dueMs > nowMs {
			restMs = min(restMs, a.dueMs-nowMs)
			continue
		}
		list = append(list, a)
		delete(q.waiting, tp)
	}
	slices.SortFunc(list, func(a, b asking) int {
		return cmp.Or(strings.Compare(a.tp.Topic, b.tp.Topic), cmp.Compare(a.tp.Partition, b.tp.Partition))
	})
	return list, restMs
}

// ask asks the controller once. What is asked again gets a line in the log the first time.
func (q *alterations) ask(list []asking) {
	changes := make([]order.AlterPartition, len(list))
	for i, a := range list {
		changes[i] = order.AlterPartition{
			TopicPartition: a.tp, TopicID: a.TopicID(), LeaderEpoch: a.leaderEpoch, PartitionEpoch: a.partitionEpoch, ISR: a.isr,
		}
	}
	results, err := q.manager.o.AlterPartition(q.manager.ctx, changes)
	refused, first, why, nowMs := 0, asking{}, error(nil), q.manager.NowMs()
	for i, a := range list {
		res := order.AlterPartitionResult{Err: err}
		switch {
		case err != nil:
		case i < len(results):
			res = results[i]
		default:
			res.Err = errNoResult
		}
		if a.altered(a.alteration, &res) {
			if q.putBack(a, nowMs); a.told {
				continue
			}
			if a.told = true; refused == 0 {
				first, why = a, res.Err
			}
			refused++
		}
	}
	if refused > 0 && q.manager.ctx.Err() == nil {
		q.manager.logger.Warn("the controller did not change ISRs; it is asked again", "partitions", refused, "first", first.tp.String(),
			"asked", first.isr, "error", why)
	}
}

// putBack has an alteration asked for again later, unless its partition has a newer one.
func (q *alterations) putBack(a asking, nowMs int64) {
	a.pauseMs = min(max(2*a.pauseMs, askAgainAfter.Milliseconds()), askAgainMost.Milliseconds())
	a.dueMs = nowMs + a.pauseMs
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, newer := q.waiting[a.tp]; !newer {
		q.waiting[a.tp] = a
	}
}

// rest waits, unless there is more to ask. It gives false when the manager is closed.
func (q *alterations) rest(pause time.Duration) bool {
	over := make(chan struct{})
	stop := q.manager.o.After(pause, func() { close(over) })
	defer stop()
	select {
	case <-over:
		return true
	case <-q.more:
		return true
	case <-q.manager.ctx.Done():
		return false
	}
}
