package replica

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/protocol"
)

// followedLog is what a fetcher needs of a partition that this broker follows; *Partition is one. Each change of the log names the leader epoch of
// the role that it is made in.
type followedLog interface {
	AppendAsFollower(records []byte, fetchOffset, leaderHW, leaderLogStart int64, leaderEpoch int32) (end int64, err error)
	TruncateAsFollower(offset int64, leaderEpoch int32) error
	TruncateFullyAndStartAt(offset int64, leaderEpoch int32) error
	HighWatermark() int64
	Log() *logstore.Log
}

// fetchOrder has a partition fetched from at on, in a role.
type fetchOrder struct {
	tp          protocol.TopicPartition
	topicID     protocol.UUID
	leader      int32
	leaderEpoch int32
	at          fetchPosition
	truncating  bool
	inSync      bool
	throttled   func() bool // whether the replica here is throttled now; it must not block; nil for never
	log         followedLog
}

// positionOf gives where a log is.
func positionOf(l *logstore.Log) (at fetchPosition) {
	at.start, at.offset = l.Offsets()
	at.epoch = l.LatestEpoch()
	return at
}

// fetcher copies some of the partitions that a broker leads, over one connection, with one goroutine (ReplicaFetcherThread of Apache Kafka). What it
// does is decided by its fetchState.
//
// mu is held while a log is changed, so that after a partition was removed no change is under way. It is not held while the leader is waited for.
type fetcher struct {
	pool   *fetcherPool
	o      *Options
	key    fetcherKey
	logger *slog.Logger
	wake   chan struct{} // has one element when there is something new

	mu    sync.Mutex
	state *fetchState // guarded by mu
	// Guarded by mu: the connection, nil while there is none; how many Fetches were sent; and whether the last one is under way.
	conn    LeaderConn
	sent    uint64
	waiting bool
	// Guarded by mu: what ends the attempt to replace the connection, nil while there is none; and whether it was replaced, so that the Fetch that is
	// under way fails.
	endReplacing func()
	replaced     bool

	// The goroutine alone uses the last delay in a row, and the time when it looks at each partition again. In ms.
	backoffMs, nextLooksMs int64
}

const (
	// interruptMs is how long a Fetch that is under way may hold up partitions that were added meanwhile, before the connection is replaced. A leader
	// with nothing to send holds the Fetch for replica.fetch.wait.max.ms, 500 ms by default, and producers with acks=all would wait so long after a
	// failover.
	interruptMs = 10
	// looksMs is how often each partition is looked at, whose log start offset retention moves and which may be throttled or not any more.
	looksMs = 1000
	// idleMs is how long a fetcher without partitions keeps its connection. An order of the controller with a new leader epoch takes a
	// partition away and gives it back.
	idleMs = 5000
)

// run fetches until ctx ends, or until there has been nothing to fetch for a while.
func (f *fetcher) run(ctx context.Context) {
	defer f.close()
	for ctx.Err() == nil {
		switch pauseMs := f.step(ctx); {
		case pauseMs > 0:
			f.pause(ctx, pauseMs)
		case pauseMs < 0 && f.pause(ctx, idleMs) && f.retire():
			return
		}
	}
}

// step does what there is to do: at most one Fetch is sent. pauseMs is how long there will be nothing to do unless something comes from outside;
// -1 for ever.
func (f *fetcher) step(ctx context.Context) (pauseMs int64) {
	set := f.o.Settings()
	f.logRefusals()
	f.truncateToHighWatermarks(&set)
	f.lookUp(ctx, &set)
	req, pauseMs := f.next(&set)
	if req == nil {
		return pauseMs
	}
	return f.fetch(ctx, req, &set)
}

// next gives the next request, or how long there will be none unless something comes from outside; -1 for ever.
func (f *fetcher) next(set *Settings) (req *kmsg.FetchRequest, pauseMs int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	nowMs := f.pool.nowMs()
	if nowMs >= f.nextLooksMs {
		f.nextLooksMs = nowMs + looksMs
		for _, p := range f.state.partitions {
			f.state.lookedAt(p, p.log.Log().StartOffset())
		}
	}
	if req = f.state.buildRequest(nowMs, set); req == nil {
		return nil, f.state.nextLook(nowMs)
	}
	return req, 0
}

// pause waits for a time, or until there is something new. It says whether the time is over.
func (f *fetcher) pause(ctx context.Context, ms int64) (over bool) {
	expired := make(chan struct{})
	stop := f.o.After(time.Duration(ms)*time.Millisecond, func() { close(expired) })
	defer stop()
	select {
	case <-expired:
		return true
	case <-f.wake:
	case <-ctx.Done():
	}
	return false
}

// poke ends a pause.
func (f *fetcher) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// fetch sends a request and carries out what the answer asks for. pauseMs is how long to wait before the next request.
func (f *fetcher) fetch(ctx context.Context, req *kmsg.FetchRequest, set *Settings) (pauseMs int64) {
	conn, err := f.connect(ctx)
	if err != nil {
		return f.unanswered(ctx, set, err)
	}
	f.beginWaiting()
	resp, release, err := conn.Fetch(ctx, req)
	if replaced := f.endWaiting(); err != nil && replaced {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.state.lost()
		return 0
	}
	if err != nil {
		return f.unanswered(ctx, set, err)
	}
	defer release()
	f.mu.Lock()
	actions, err := f.state.handleResponse(f.pool.nowMs(), set, resp)
	f.mu.Unlock()
	if err != nil {
		return f.refused(set, err)
	}
	f.answered()
	for i := range actions {
		f.carryOut(&actions[i], set)
	}
	clear(actions) // they point into the answer
	return 0
}

// beginWaiting notes that a Fetch is under way.
func (f *fetcher) beginWaiting() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = true
	f.sent++
}

// endWaiting notes that no Fetch is under way, and says whether the connection was replaced meanwhile.
func (f *fetcher) endWaiting() (replaced bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.endReplacing != nil {
		f.endReplacing()
	}
	replaced = f.replaced
	f.waiting, f.endReplacing, f.replaced = false, nil, false
	return replaced
}

// connect gives the connection to the leader, and makes one if there is none.
func (f *fetcher) connect(ctx context.Context) (LeaderConn, error) {
	f.mu.Lock()
	conn := f.conn
	f.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	conn, err := f.o.DialLeader(ctx, f.key.leader)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn = conn
	return conn, nil
}

// answered takes in that the leader has answered.
func (f *fetcher) answered() {
	if f.backoffMs > 0 {
		f.logger.Info("the leader answers again")
		f.backoffMs = 0
	}
}

// unanswered takes in that a request got no answer. All partitions wait.
func (f *fetcher) unanswered(ctx context.Context, set *Settings, err error) (pauseMs int64) {
	f.mu.Lock()
	f.state.lost()
	if f.conn != nil {
		f.conn.Close()
	}
	f.conn = nil
	f.mu.Unlock()
	if ctx.Err() != nil {
		return 0
	}
	if f.backoffMs == 0 {
		f.logger.Warn("cannot fetch from the leader; trying again", "error", err)
	}
	f.backoffMs = nextBackoff(f.backoffMs, int64(set.FetchBackoffMs))
	return f.backoffMs
}

// refused takes in that the leader refused a request as a whole, or that its answer makes no sense. A session that the leader has forgotten is
// begun anew at once, the first time.
func (f *fetcher) refused(set *Settings, err error) (pauseMs int64) {
	var refusal *FetchAnswerError
	if errors.As(err, &refusal) {
		refusal.Leader = f.key.leader
	}
	first := f.backoffMs == 0
	f.backoffMs = nextBackoff(f.backoffMs, int64(set.FetchBackoffMs))
	if first && (errors.Is(err, kerr.FetchSessionIDNotFound) || errors.Is(err, kerr.InvalidFetchSessionEpoch)) {
		return 0
	}
	if first {
		f.logger.Warn("the fetch came to nothing; trying again", "error", err)
	}
	return f.backoffMs
}

// interruptLaterLocked has the Fetch that is under way be given up unless it is answered soon: partitions were added that it does not have. The
// caller holds mu.
func (f *fetcher) interruptLaterLocked() {
	if !f.waiting {
		return
	}
	sent := f.sent
	f.o.After(interruptMs*time.Millisecond, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.waiting && f.sent == sent && f.endReplacing == nil {
			ctx, cancel := context.WithCancel(f.pool.ctx)
			f.endReplacing = cancel
			f.pool.done.Go(func() { f.replace(ctx) }) // run has not returned, as a Fetch is under way
		}
	})
}

// replace makes a connection in place of the one whose Fetch is under way, until ctx ends with that Fetch. The Fetch is given up once the new
// connection is there, unless its answer has begun to come or the leader is far away.
//
// Connecting takes as long as the way to the leader and back, so that a near leader which does not hold the Fetch has answered by then. The answer of a
// distant one may be on its way all the same. It is lost when the Fetch is given up, and then all partitions wait for two ways there and back, which
// costs them more than the leader's wait costs the partitions that were added.
func (f *fetcher) replace(ctx context.Context) {
	begunMs := f.pool.nowMs()
	conn, err := f.o.DialLeader(ctx, f.key.leader)
	if err != nil {
		return // the Fetch goes on
	}
	distant := 4*(f.pool.nowMs()-begunMs) > int64(f.o.Settings().FetchWaitMaxMs)
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil || distant || f.conn.Answering() {
		conn.Close()
		return
	}
	f.conn.Close()
	f.conn, f.replaced = conn, true
}

// retire says whether the goroutine is to end, as it has no partitions. Then it gets none any more.
func (f *fetcher) retire() bool {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.state.partitions) > 0 {
		return false
	}
	delete(f.pool.fetchers, f.key)
	return true
}

// close closes the connection.
func (f *fetcher) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		f.conn.Close()
		f.conn = nil
	}
}
