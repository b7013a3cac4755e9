package data

// Fetch: key 1, versions 0 to 18.
//
//	0  messages of magic 0; a limit for each partition, which nothing may exceed
//	1  throttle time
//	2  messages of magic 1
//	3  a limit for all partitions, which the first batch may exceed
//	4  batches of magic 2; isolation level, last stable offset, aborted transactions
//	5  log start offset
//	7  sessions (KIP-227): session id and epoch, forgotten topics, error at the top
//	9  current leader epoch (KIP-320)
//	10 zstd
//	11 rack, preferred read replica (KIP-392)
//	12 flexible; last fetched epoch, diverging epoch
//	13 topic ids instead of names (KIP-516)
//	15 replica state instead of replica id
//	16 the current leader and its address beside NOT_LEADER_OR_FOLLOWER (KIP-951)
//	17 directory id of a replica
//	18 high watermark that a replica knows
//
// Refused, in this order: the whole request, for an unknown session
// (FETCH_SESSION_ID_NOT_FOUND), for another epoch than the session's next
// (INVALID_FETCH_SESSION_EPOCH), for the session of another follower
// (FETCH_SESSION_ID_NOT_FOUND), for a session that names topics by id where the
// request names them by name, or the reverse (FETCH_SESSION_TOPIC_ID_ERROR), for an
// isolation level that does not exist, if one of the partitions exists
// (UNKNOWN_SERVER_ERROR, as the reference answers); then partition by partition, an
// unknown topic id (UNKNOWN_TOPIC_ID), an unknown partition
// (UNKNOWN_TOPIC_OR_PARTITION; see view.Unknown), one that this broker has no replica of
// (NOT_LEADER_OR_FOLLOWER) or whose log directory failed (KAFKA_STORAGE_ERROR), a topic
// with compression.type=zstd before version 10 (UNSUPPORTED_COMPRESSION_TYPE), a topic
// with message.downconversion.enable=false before version 4 (UNSUPPORTED_VERSION), a
// topic that was deleted and made again under its name (INCONSISTENT_TOPIC_ID), another
// leader epoch than the partition's (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH), a
// partition that this broker does not lead, or from version 11 on neither leads nor
// follows (NOT_LEADER_OR_FOLLOWER), an offset outside the log, or a last fetched epoch
// that the log does not know (OFFSET_OUT_OF_RANGE), and before version 4 a first batch
// in zstd (UNSUPPORTED_COMPRESSION_TYPE).
//
// A follower (a replica id) reads up to the end of the log, and says by its offset how far
// its own log is: see readAsReplica. Only the leader serves it. It is refused as a client
// is, and besides, before its offset is looked at, if it is none of the partition's
// replicas (UNKNOWN_LEADER_EPOCH, and NOT_LEADER_OR_FOLLOWER if it gave no epoch).
//
// With replica.selector.class, a leader that knows a replica in the consumer's rack
// answers at once with that replica and without records: see preferred.
//
// Missing on purpose: the beginning of a batch that would fill a limit to the byte,
// which the reference sends and clients drop.
//
// Bounded, where the reference is bounded by its heap: a request that names more than
// 50,000 partitions cannot be read, on a listener for brokers 4,000,000; all sessions but
// those of followers together have 100,000 partitions at most, and a fetcher for which
// that leaves no room gets no session; while large fetches with 50,000 partitions
// together, of others than followers, are under way, a further one is held back and then
// answered at once (begin).

import (
	"iter"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/transport"
	"klamm/server/view"
)

// leaderVersion is the first version of Fetch whose answer names the current leader.
const leaderVersion = 16

// topicIDVersion is the first version of Fetch and of Produce that names topics by id.
const topicIDVersion = 13

// The isolation levels. A fetch with readCommitted reads up to the last stable offset.
const (
	readUncommitted = 0
	readCommitted   = 1
)

// fetchAnswer holds the parts of the answer to one fetch until they are sent. After that
// another fetch uses it.
type fetchAnswer struct {
	server  *Service
	encoder protocol.FetchEncoder
	parts   []transport.Part
	regions []logstore.Region // the regions that parts point to; it must not grow while they do
	old     int64             // the bytes of parts that oldBytes counts
}

// Release implements transport.Releaser.
func (a *fetchAnswer) Release() {
	for i := range a.regions {
		a.regions[i].Release()
	}
	a.server.oldBytes.Add(-a.old)
	a.old = 0
	clear(a.parts)
	if len(a.parts) > 2*maxFetchTargets {
		a.parts, a.regions = nil, nil
	}
	a.server.fetchAnswers.Put(a)
}

// fetchContext is one Fetch request that is being served. After the answer another
// request uses it, with the memory of its slices.
//
// The connection's goroutine owns it until it waits for records. From then on the
// goroutine that wakes it owns it: see wait.
type fetchContext struct {
	server  *Service
	call    *request.Call
	version int16
	size    int  // how many partitions the request can have at most, and its session has to look at
	held    bool // begin held the request back, so that it must not wait for records
	req     protocol.FetchRequest
	resp    protocol.FetchResponse
	meta    *cluster.Metadata
	session *fetchSession      // the session of an incremental request; nil for others
	full    bool               // this is a full request that asks for a session
	targets []fetchTarget      // the partitions to read, in the order in which they are served
	results []fetchResult      // one for each target
	toldHW  []int64            // in a session, the high watermark that the fetcher was told last of each target, -1 for none
	places  map[sessionKey]int // the index of each partition in targets

	deadline time.Time             // when the request is answered, however little there is to read
	delayed  *replica.DelayedFetch // the delayed fetch by which the request waits
	resumed  func()                // what delayed calls; it is resume
	waited   bool                  // the connection's goroutine no longer owns the context
	quiet    bool                  // the session has partitions that can be read and are no targets
	counted  bool                  // what the request says of a follower's log was taken in
	// throttled is how many bytes the answer has that count against leader.replication.throttled.rate.
	throttled int
	ends      []func() // what free calls: see begin
}

// fetchResult is the outcome of reading one partition.
type fetchResult struct {
	code      int16
	refused   int8 // what refused the partition before it was read, for the order of the answer
	format    bool // code says that this version cannot carry the records
	hw        int64
	lso       int64
	logStart  int64
	end       int64 // where the log ended before a follower read it
	epoch     int32 // the leader epoch with which the partition was read
	region    logstore.Region
	old       oldRecords               // in place of region before version 4
	diverging *protocol.EpochEndOffset // in place of both: the fetcher's log has diverged from this one
	preferred int32                    // the replica to read from instead of this broker; -1 for none
	partition *replica.Partition       // nil if the partition was not read
}

// size returns how many bytes of records were read.
func (r *fetchResult) size() int { return r.region.Size() + r.old.Size() }

// What refused a partition before it was read. As the reference does, the answer has
// these partitions last: first those with an unknown topic id, then the unknown ones.
const (
	refusedNot       = iota // the partition was read, or refused by its log
	refusedID               // the topic's id is not known
	refusedPartition        // the partition is not known
)

// Fetch serves Fetch: see above.
func (s *Service) Fetch(c *request.Call) error {
	f := s.fetchContexts.Get().(*fetchContext)
	if f.resumed == nil {
		f.resumed = f.resume // made once, since each wait would allocate a closure of its own
	}
	f.server, f.call, f.version, f.meta = s, c, c.Header.Version, s.broker.Metadata()
	waits, err := f.serve()
	if !waits {
		f.free()
	}
	return err
}

// serve answers the request, or reports that the request waits for records.
func (f *fetchContext) serve() (waits bool, err error) {
	s, c := f.server, f.call
	if err := f.admit(); err != nil {
		return false, err
	}
	if err := f.req.Parse(c.Body, c.Header.Version, c.MaxPartitions()); err != nil {
		return false, err
	}
	if f.req.SessionID != 0 {
		if fs := s.sessions.get(f.req.SessionID); fs != nil {
			if err := f.begin(fs.looksAt()); err != nil {
				return false, err
			}
		}
	}
	if f.held {
		f.req.MaxWaitMs = 0
	}
	f.resp.Topics, f.resp.NodeEndpoints, f.resp.SessionID = f.resp.Topics[:0], nil, 0
	f.resp.ErrorCode = f.open(s.ticksMs())
	switch {
	case f.resp.ErrorCode != 0:
	case f.req.Isolation != readUncommitted && f.req.Isolation != readCommitted && f.knowsAny():
		f.refuseAll(kerr.UnknownServerError.Code)
	default:
		f.deadline = s.now().Add(time.Duration(f.req.MaxWaitMs) * time.Millisecond)
		if f.wait() {
			return true, nil
		}
		f.respond(s.ticksMs())
	}
	return false, f.reply()
}

// knowsAny reports whether at least one of the targets exists.
func (f *fetchContext) knowsAny() bool {
	return slices.ContainsFunc(f.targets, func(t fetchTarget) bool {
		code, _ := f.locate(&t)
		return code == 0
	})
}

// refuseAll answers with an error alone. The error stands at the top, beside the session
// id of the request, and up to version 12 at every partition of the request too
// (FetchRequest.getErrorResponse).
func (f *fetchContext) refuseAll(code int16) {
	f.resp.ErrorCode, f.resp.SessionID = code, f.req.SessionID
	if f.version >= topicIDVersion {
		return
	}
	for i := range f.req.Topics {
		in := &f.req.Topics[i]
		out := protocol.FetchTopicResponse{Name: in.Name, ID: in.ID}
		for _, p := range in.Partitions {
			refused := protocol.NewFetchPartitionResponse(p.Index, code)
			refused.NullRecords = true
			out.Partitions = append(out.Partitions, refused)
		}
		f.resp.Topics = append(f.resp.Topics, out)
	}
}

// maxFetchTargets is the largest number of partitions with which a context is used
// again. The next request would pay for clearing a larger one.
const maxFetchTargets = 1000

// free gives the context back to its pool. The caller has released the files that it read
// from, or has given them to the answer.
func (f *fetchContext) free() {
	for _, end := range f.ends {
		end()
	}
	f.ends = nil
	if len(f.targets) > maxFetchTargets || f.size > maxFetchTargets {
		return
	}
	clear(f.results)
	clear(f.targets)
	clear(f.places)
	pool := &f.server.fetchContexts
	f.server, f.call, f.meta, f.session, f.full, f.size, f.held = nil, nil, nil, nil, false, 0, false
	f.delayed, f.waited, f.quiet, f.counted = nil, false, false, false
	f.targets, f.results, f.toldHW, f.throttled = f.targets[:0], f.results[:0], f.toldHW[:0], 0
	pool.Put(f)
}

// open finds the targets: the partitions of the request, or those of its session
// (kafka.server.FetchManager.newContext). It returns the code of the error that refuses
// the whole request, 0 for none.
func (f *fetchContext) open(nowMs int64) int16 {
	cache, req := f.server.sessions, &f.req
	if req.SessionEpoch == initialEpoch || req.SessionEpoch == finalEpoch {
		if req.SessionID != 0 {
			cache.remove(req.SessionID)
		}
		f.full = req.SessionEpoch == initialEpoch
		f.collect()
		return 0
	}
	fs := cache.get(req.SessionID)
	if fs == nil {
		return kerr.FetchSessionIDNotFound.Code
	}
	fs.mu.Lock()
	if fs.epoch != req.SessionEpoch {
		fs.mu.Unlock()
		return kerr.InvalidFetchSessionEpoch.Code
	}
	if fs.follower != nil && (fs.replica != req.ReplicaID || fs.peer != f.fromPeer()) {
		fs.mu.Unlock()
		return kerr.FetchSessionIDNotFound.Code
	}
	if fs.usesTopicIDs != (f.version >= topicIDVersion) {
		fs.mu.Unlock()
		return kerr.FetchSessionTopicIDError.Code
	}
	for t := range f.requested() {
		fs.setLocked(t)
	}
	f.forgetLocked(fs)
	size := len(fs.partitions)
	fs.epoch = nextEpoch(fs.epoch)
	if fs.follower != nil {
		fs.follower.Fetched(f.server.replicas.NowMs())
	}
	f.lookLocked(fs)
	fs.mu.Unlock()
	if size == 0 {
		// A session without partitions has nothing to answer, so it is closed.
		cache.remove(fs.id)
		return 0
	}
	cache.touch(fs, size, nowMs)
	f.session = fs
	return 0
}

// requested returns the partitions that the request itself names.
func (f *fetchContext) requested() iter.Seq[fetchTarget] {
	return func(yield func(fetchTarget) bool) {
		for i := range f.req.Topics {
			t := &f.req.Topics[i]
			for _, p := range t.Partitions {
				if !yield(fetchTarget{
					key:              sessionKey{topic: t.Name, id: t.ID, partition: p.Index},
					offset:           p.FetchOffset,
					maxBytes:         p.MaxBytes,
					leaderEpoch:      p.CurrentLeaderEpoch,
					lastFetchedEpoch: p.LastFetchedEpoch,
					logStart:         p.LogStartOffset,
				}) {
					return
				}
			}
		}
	}
}

// collect makes the request's partitions the targets. A partition that is named again
// keeps its place, and the last mention counts.
func (f *fetchContext) collect() {
	named := 0
	for i := range f.req.Topics {
		named += len(f.req.Topics[i].Partitions)
	}
	f.targets = slices.Grow(f.targets, named)
	if named > maxFetchTargets {
		f.places = make(map[sessionKey]int, named)
	}
	for t := range f.requested() {
		at, again := f.places[t.key]
		if !again {
			at = len(f.targets)
			f.targets = append(f.targets, t)
			f.places[t.key] = at
		}
		f.targets[at] = t
		f.nameTopic(&f.targets[at])
	}
}

// nameTopic sets the name of a target's topic. It looks the topic id up once and keeps
// the name: a partition of a session still has it after its topic was deleted.
func (f *fetchContext) nameTopic(t *fetchTarget) {
	if t.name != "" {
		return
	}
	t.name = t.key.topic
	if f.version >= topicIDVersion {
		if topic := f.meta.TopicByID(t.key.id); topic != nil {
			t.name = topic.Name
		}
	}
}

// forgetLocked takes the partitions out of the session that the request wants forgotten.
func (f *fetchContext) forgetLocked(fs *fetchSession) {
	for i := range f.req.Forgotten {
		t := &f.req.Forgotten[i]
		for _, p := range t.Partitions {
			fs.forgetLocked(sessionKey{topic: t.Name, id: t.ID, partition: p})
		}
	}
}

// fromReplica reports whether a broker sent the request, and not a consumer.
func (f *fetchContext) fromReplica() bool { return f.req.ReplicaID >= 0 }

// fromPeer reports whether a broker sent the request on a listener for brokers. On others anybody may say that it is a replica.
func (f *fetchContext) fromPeer() bool { return f.call.Peer && f.fromReplica() }

// wait reads the targets until there is enough to answer, the client's max_wait is over, the
// client has left, or the server stops, and returns false. If there is not enough, it makes a
// delayed fetch and returns true: from then on the delayed fetch owns the context, and calls
// resume once.
func (f *fetchContext) wait() bool {
	conn := f.call.Conn
	for {
		size, urgent := f.read()
		missing := int64(f.minBytes()) - int64(size)
		if urgent || missing <= 0 || f.req.MaxWaitMs <= 0 || !f.server.now().Before(f.deadline) || conn.Ending() || f.ended() {
			return false
		}
		f.release()
		f.call.Body = nil // a request that waits must not keep its bytes in memory
		waited := f.waited
		f.delayed, f.waited = replica.NewDelayedFetch(missing, len(f.results), f.resumed), true
		f.call.Waits()
		conn.Await(f.delayed, f.deadline.Sub(f.server.now()))
		if f.watch(f.delayed) && !conn.Ending() && f.delayed.Arm() {
			return true
		}
		f.unwatch()
		if waited { // this may be the goroutine of an append, which must not read again and again
			go f.goOn()
			return true
		}
		f.waited = false
		conn.AwaitsNothing()
		f.lookAgain()
	}
}

// fewTargets is the largest number of partitions that resume reads on the goroutine of an
// append.
const fewTargets = 64

// resume goes on with a request that has waited. Mostly the goroutine that appended the
// awaited records calls it. That goroutine must not spend much time here, so resume leaves
// many targets, and the conversion of records, to another.
func (f *fetchContext) resume() {
	f.unwatch()
	if f.version < firstBatchFetch || len(f.targets)+f.noted() > fewTargets {
		go f.goOn()
	} else {
		f.goOn()
	}
}

// goOn answers a request that has waited, or has it wait again.
func (f *fetchContext) goOn() {
	f.lookAgain()
	if f.wait() {
		return
	}
	c, s := f.call, f.server
	if c.Conn.Left() {
		f.release()
		c.Complete(transport.Aside)
	} else {
		f.respond(s.ticksMs())
		if err := f.reply(); err != nil {
			err = &request.RequestError{API: c.API.Name, Version: f.version, Err: err}
			s.clientErred(c.Conn, "a request was refused, closing the connection", err)
			c.Conn.Abort()
		}
	}
	f.free()
	c.Conn.AwaitsNothing()
}

func (f *fetchContext) minBytes() int { return min(int(f.req.MinBytes), f.maxBytes()) }

func (f *fetchContext) maxBytes() int {
	return min(int(f.req.MaxBytes), f.server.fetchMaxBytes)
}

// read reads every target once, within the limits. It returns the number of bytes, and
// whether the answer is urgent, so that it must not wait: no target can be read, or the
// log refused one, or another replica should be read, or a follower is to learn of the
// high watermark, or a target has more records in its next segment, which a region cannot
// reach into.
func (f *fetchContext) read() (size int, urgent bool) {
	f.results = resized(f.results, len(f.targets))
	defer func() { f.counted = true }()
	left, atLeastOne, readable := f.maxBytes(), f.version >= firstSoftFetch, f.quiet
	for i := range f.targets {
		t, r := &f.targets[i], &f.results[i]
		*r = fetchResult{hw: -1, lso: -1, logStart: -1, preferred: -1}
		if r.code, r.refused = f.locate(t); r.code != 0 {
			continue
		}
		readable = true
		if r.code = f.readPartition(t, r, left, atLeastOne); r.code != 0 {
			urgent = true
			continue
		}
		urgent = urgent || r.diverging != nil || r.preferred >= 0 || f.owesHighWatermark(i)
		if n := r.size(); n > 0 {
			size += n
			left = max(0, left-n)
			atLeastOne = false
			urgent = urgent || r.region.More
		}
	}
	return size, urgent || !readable
}

// locate refuses a target that the metadata does not know. The answer has its error. The
// request waits for records of the other targets all the same.
func (f *fetchContext) locate(t *fetchTarget) (code int16, refused int8) {
	if t.name == "" && f.version >= topicIDVersion {
		return kerr.UnknownTopicID.Code, refusedID
	}
	if f.meta.Partition(t.topicPartition()) == nil {
		return codes.Of(view.Unknown(f.server.broker, t.topicPartition())), refusedPartition
	}
	return 0, refusedNot
}

// readPartition reads at most left bytes from one partition. With atLeastOne it reads one
// batch even if that is larger. It returns the code of an error, 0 for none.
func (f *fetchContext) readPartition(t *fetchTarget, r *fetchResult, left int, atLeastOne bool) int16 {
	p, err := view.Replica(f.server.broker, f.server.replicas, t.topicPartition())
	if err != nil {
		return codes.Of(err)
	}
	if code := f.refuseFormat(p.Config()); code != 0 {
		r.format = true
		return code
	}
	if !view.IsOfTopic(p, t.key.id) {
		return kerr.InconsistentTopicID.Code
	}
	return f.readIn(p.State(), t, r, p, left, atLeastOne)
}

// readIn is readPartition for a partition that is in state s. A follower's position counts in the leader epoch that was
// compared with the request's: in a later one the logs may have diverged.
func (f *fetchContext) readIn(s *replica.State, t *fetchTarget, r *fetchResult, p *replica.Partition, left int, atLeastOne bool) int16 {
	err := p.CheckEpoch(s, t.leaderEpoch)
	if err == nil {
		err = f.refusesRole(s)
	}
	if err != nil {
		return codes.Of(err)
	}
	if f.fromReplica() {
		if err := p.CheckReplica(s, f.req.ReplicaID); err != nil {
			return replicaCode(t, err)
		}
	}
	r.epoch = s.LeaderEpoch
	log := p.Log()
	if r.preferred = f.preferred(t, p); r.preferred >= 0 {
		b := p.Bounds()
		r.hw, r.lso, r.logStart = b.HighWatermark, b.LastStable, b.LogStart
		return 0
	}
	if t.lastFetchedEpoch >= 0 {
		if r.diverging, err = divergence(log, t); err != nil {
			return codes.Of(err)
		}
	}
	if f.fromReplica() {
		return f.readAsReplica(t, r, p, left, atLeastOne)
	}
	return f.readAsConsumer(t, r, p, left, atLeastOne)
}

// divergence compares the fetcher's log with this one (KIP-595;
// kafka.cluster.Partition.readRecords). It returns nil if this log has the leader epoch of
// the fetcher's last record, and that epoch reaches to the fetch offset. Otherwise it returns
// the largest epoch up to the fetcher's and its end offset, to which the fetcher has to
// truncate.
func divergence(log *logstore.Log, t *fetchTarget) (*protocol.EpochEndOffset, error) {
	epoch, end, found := log.EndOffsetForEpoch(t.lastFetchedEpoch)
	if !found || t.offset < log.StartOffset() {
		return nil, kerr.OffsetOutOfRange
	}
	if epoch < t.lastFetchedEpoch || end < t.offset {
		return &protocol.EpochEndOffset{Epoch: epoch, EndOffset: end}, nil
	}
	return nil, nil
}

// release gives back the files that were read, and the memory of converted records.
func (f *fetchContext) release() {
	for i := range f.results {
		f.results[i].region.Release()
		f.server.oldBytes.Add(-int64(len(f.results[i].old)))
		f.results[i].region, f.results[i].old = logstore.Region{}, nil
	}
}

// respond turns the results into the response, and notes in the session which high
// watermarks and log start offsets the response has.
func (f *fetchContext) respond(nowMs int64) {
	switch {
	case f.session != nil:
		f.resp.SessionID = f.session.id
		f.session.mu.Lock()
		defer f.session.mu.Unlock()
		if !f.isNewestLocked() {
			f.release()
			f.resp.ErrorCode = kerr.InvalidFetchSessionEpoch.Code
			return
		}
	case f.full:
		f.resp.SessionID = f.newSession(nowMs)
	}
	for refused := int8(refusedNot); refused <= refusedPartition; refused++ {
		for i := range f.targets {
			t, r := &f.targets[i], &f.results[i]
			if r.refused == refused {
				f.countRead(t, r)
			}
			if r.refused == refused && (f.session == nil || f.tellLocked(t, r)) {
				f.add(t, r)
			}
		}
	}
	if f.throttled > 0 {
		f.server.replicas.Sent(int64(f.throttled))
	}
}

// add appends one partition's answer. It goes into the last topic of the response if that
// is the partition's topic.
func (f *fetchContext) add(t *fetchTarget, r *fetchResult) {
	topics := f.resp.Topics
	if n := len(topics); n == 0 || topics[n-1].Name != t.key.topic || topics[n-1].ID != t.key.id {
		topics = slices.Grow(topics, 1)[:n+1]
		topics[n].Name, topics[n].ID, topics[n].Partitions = t.key.topic, t.key.id, topics[n].Partitions[:0]
		f.resp.Topics = topics
	}
	p := protocol.NewFetchPartitionResponse(t.key.partition, r.code)
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset, p.PreferredReadReplica = r.hw, r.lso, r.logStart, r.preferred
	switch {
	case r.code != 0 && r.refused == refusedNot && !r.format:
		p.AbortedTransactions = nil
	case r.code == 0 && r.diverging == nil && r.preferred < 0 && f.req.Isolation == readCommitted:
		p.AbortedTransactions = []protocol.AbortedTransaction{}
	}
	switch {
	case r.region.Size() > 0:
		p.Records = &r.region
		if f.fromReplica() && r.partition.ThrottlesLeader() {
			f.throttled += r.region.Size()
		}
	case r.old.Size() > 0:
		p.Records = r.old
	}
	p.NullRecords, p.DivergingEpoch = r.format, r.diverging
	if f.version >= leaderVersion && (r.code == kerr.NotLeaderForPartition.Code || r.code == kerr.FencedLeaderEpoch.Code) {
		p.CurrentLeader = f.leader(t)
	}
	last := &topics[len(topics)-1]
	last.Partitions = append(last.Partitions, p)
}

// leader returns the leader of a partition. It adds the leader's address to the response
// unless the response has it already.
func (f *fetchContext) leader(t *fetchTarget) *protocol.Leader {
	p := f.meta.Partition(t.topicPartition())
	if p == nil {
		return nil
	}
	named := slices.ContainsFunc(f.resp.NodeEndpoints, func(e protocol.NodeEndpoint) bool { return e.ID == p.Leader })
	for _, b := range view.Brokers(f.server.broker, f.call, f.meta) {
		if b.ID == p.Leader && !named {
			f.resp.NodeEndpoints = append(f.resp.NodeEndpoints, protocol.NodeEndpoint{ID: b.ID, Host: b.Host, Port: b.Port, Rack: b.Rack})
		}
	}
	return &protocol.Leader{ID: p.Leader, Epoch: p.LeaderEpoch}
}

// reply sends the response as a list of parts: encoded bytes, and between them regions of
// files, which the transport sends without reading them.
func (f *fetchContext) reply() error {
	c := f.call
	a := f.server.fetchAnswers.Get().(*fetchAnswer)
	a.server = f.server
	size, pieces, err := a.encoder.Encode(f.version, c.Header.CorrelationID, &f.resp)
	if err != nil {
		f.release()
		a.parts, a.regions = a.parts[:0], a.regions[:0]
		a.Release()
		return err
	}
	a.parts = resized(a.parts, len(pieces))
	a.regions = slices.Grow(a.regions[:0], len(pieces))
	for i, piece := range pieces {
		switch records := piece.Records.(type) {
		case nil:
			a.parts[i].Bytes = piece.Bytes
		case oldRecords:
			a.parts[i].Bytes = records
			a.old += int64(len(records))
		case *logstore.Region:
			a.regions = append(a.regions, *records)
			*records = logstore.Region{} // the answer owns the region now
			a.parts[i].Region = &a.regions[len(a.regions)-1]
		}
	}
	f.count()
	c.Answer.SetParts(a.parts, size, a)
	c.Later()
	by := transport.Own
	if f.waited {
		by = transport.Here
	}
	c.Complete(by)
	return nil
}

// newSession opens a session with the targets and what this answer says of them. It
// returns the session's id, 0 if the cache has no room for one.
func (f *fetchContext) newSession(nowMs int64) int32 {
	if f.fromPeer() {
		f.server.sessions.giveWay(f.req.ReplicaID, f.targets)
	}
	fs := f.server.sessions.create(f.req.ReplicaID, f.fromPeer(), f.version >= topicIDVersion, len(f.targets), nowMs, func(fs *fetchSession) {
		for i := range f.targets {
			p := fs.setLocked(f.targets[i])
			p.hw, p.logStart = f.results[i].hw, f.results[i].logStart
		}
	})
	if fs == nil {
		return 0
	}
	return fs.id
}

// tellLocked reports whether an incremental answer must name the partition: it has
// records, an error or a preferred replica, or its high watermark or log start offset has moved. tellLocked
// notes in the session what the answer says. A partition with records goes to the end of
// the order, so that the next answer begins with others.
func (f *fetchContext) tellLocked(t *fetchTarget, r *fetchResult) bool {
	p := f.session.partitions[t.key]
	if p == nil {
		return false
	}
	tell := r.size() > 0 || r.code != 0 || r.diverging != nil || r.preferred >= 0 || p.hw != r.hw || p.logStart != r.logStart
	p.hw, p.logStart = r.hw, r.logStart
	if r.code != 0 {
		p.hw = -1 // so that an answer names the partition when its error is over
	}
	switch {
	case r.size() > 0:
		f.session.unlinkLocked(p)
		f.session.pushLocked(p)
	case r.code == 0 && r.diverging == nil && t.watch != nil && t.watch.CaughtUp():
		f.session.unlinkLocked(p) // what comes from now on is noted
	}
	return tell
}
