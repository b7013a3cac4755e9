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
// (INVALID_FETCH_SESSION_EPOCH), for a session that names topics by id where the
// request names them by name, or the reverse (FETCH_SESSION_TOPIC_ID_ERROR), for an
// isolation level that does not exist, if one of the partitions exists
// (UNKNOWN_SERVER_ERROR, as the reference answers); then partition by partition, an
// unknown topic id (UNKNOWN_TOPIC_ID), an unknown partition
// (UNKNOWN_TOPIC_OR_PARTITION), a topic with compression.type=zstd before version 10
// (UNSUPPORTED_COMPRESSION_TYPE), a topic with message.downconversion.enable=false
// before version 4 (UNSUPPORTED_VERSION), a topic that was deleted and made again
// under its name (INCONSISTENT_TOPIC_ID), another leader epoch than the partition's
// (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH), a broker that has no replica of the
// partition (NOT_LEADER_OR_FOLLOWER), an offset outside the log, or a last fetched
// epoch that the log does not know (OFFSET_OUT_OF_RANGE), and before version 4 a first
// batch in zstd (UNSUPPORTED_COMPRESSION_TYPE).
//
// Missing on purpose: preferred read replicas, since klamm has no followers yet; the
// beginning of a batch that would fill a limit to the byte, which the reference sends
// and clients drop.
//
// Bounded, where the reference is bounded by its heap: a request that names more than
// 50,000 partitions cannot be read; all sessions together have 100,000 partitions at
// most, and a fetcher for which that leaves no room gets no session; while large
// fetches with 50,000 partitions together are under way, a further one is held back
// and then answered at once (begin).

import (
	"iter"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
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
	size    int  // how many partitions the request and its session can have at most
	held    bool // begin held the request back, so that it must not wait for records
	req     protocol.FetchRequest
	resp    protocol.FetchResponse
	meta    *cluster.Metadata
	session *fetchSession      // the session of an incremental request; nil for others
	full    bool               // this is a full request that asks for a session
	targets []fetchTarget      // the partitions to read, in the order in which they are served
	results []fetchResult      // one for each target
	places  map[sessionKey]int // the index of each partition in targets

	deadline time.Time             // when the request is answered, however little there is to read
	delayed  *replica.DelayedFetch // the delayed fetch by which the request waits
	resumed  func()                // what delayed calls; it is resume
	waited   bool                  // the connection's goroutine no longer owns the context
	ends     []func()              // what free calls: see begin
}

// fetchResult is the outcome of reading one partition.
type fetchResult struct {
	code      int16
	refused   int8 // what refused the partition before it was read, for the order of the answer
	format    bool // code says that this version cannot carry the records
	hw        int64
	lso       int64
	logStart  int64
	region    logstore.Region
	old       oldRecords               // in place of region before version 4
	diverging *protocol.EpochEndOffset // in place of both: the fetcher's log has diverged from this one
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
	if err := f.begin(len(c.Body) / leastFetchPartition); err != nil {
		return false, err
	}
	if err := f.req.Parse(c.Body, c.Header.Version); err != nil {
		return false, err
	}
	if n := s.sessions.sizeOf(f.req.SessionID); n > 0 {
		if err := f.begin(n); err != nil {
			return false, err
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

const (
	// leastFetchPartition is how many bytes a partition takes in a request at least.
	leastFetchPartition = 16
	// maxFetching bounds the partitions of all large fetches that are being served or
	// wait. Each takes some 500 bytes. A fetch for which that leaves no room waits for
	// heldFetch before it is parsed, and then for a place; it is then answered at once.
	maxFetching = 50_000
	// heldFetch is how long a fetch is held back.
	heldFetch = 200 * time.Millisecond
)

// begin counts size more partitions for this fetch, and free uncounts them. If too many
// partitions are under way, begin holds the fetch back.
func (f *fetchContext) begin(size int) error {
	s := f.server
	f.size += size
	if size <= maxFetchTargets || f.held {
		return nil
	}
	if s.fetching.Add(int64(size)) <= maxFetching {
		f.ends = append(f.ends, func() { s.fetching.Add(-int64(size)) })
		return nil
	}
	s.fetching.Add(-int64(size))
	conn := f.call.Conn
	s.limits.Hit("partitions of fetches", "a fetch of many partitions is held back", "client", conn.RemoteAddr().String())
	if err := conn.Park(s.now().Add(heldFetch), nil); err != nil {
		return err
	}
	done, err := s.places.Take(request.WaitsForNothing, conn.Quit())
	if err != nil {
		return err
	}
	f.held = true
	f.ends = append(f.ends, done)
	return nil
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
	f.delayed, f.waited = nil, false
	f.targets, f.results = f.targets[:0], f.results[:0]
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
	for p := fs.head.next; p != &fs.head; p = p.next {
		f.nameTopic(&p.target)
		f.targets = append(f.targets, p.target)
	}
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

// wait reads the targets until there is enough to answer, the client's max_wait is over, the
// client has left, or the server stops, and returns false. If there is not enough, it makes a
// delayed fetch and returns true: from then on the delayed fetch owns the context, and calls
// resume once.
func (f *fetchContext) wait() bool {
	conn := f.call.Conn
	for {
		size, urgent := f.read()
		missing := int64(f.minBytes()) - int64(size)
		if urgent || missing <= 0 || f.req.MaxWaitMs <= 0 || !f.server.now().Before(f.deadline) || conn.Ending() {
			return false
		}
		f.release()
		f.call.Body = nil // a request that waits must not keep its bytes in memory
		waited := f.waited
		f.delayed, f.waited = replica.NewDelayedFetch(missing, len(f.results), f.resumed), true
		conn.Await(f.delayed, f.deadline.Sub(f.server.now()))
		if f.watch(f.delayed) && !conn.Ending() && f.delayed.Arm() {
			return true
		}
		f.delayed.Unwatch()
		if waited { // this may be the goroutine of an append, which must not read again and again
			go f.goOn()
			return true
		}
		f.waited = false
		conn.AwaitsNothing()
	}
}

// fewTargets is the largest number of partitions that resume reads on the goroutine of an
// append.
const fewTargets = 64

// resume goes on with a request that has waited. Mostly the goroutine that appended the
// awaited records calls it. That goroutine must not spend much time here, so resume leaves
// many targets, and the conversion of records, to another.
func (f *fetchContext) resume() {
	f.delayed.Unwatch()
	if f.version < firstBatchFetch || len(f.targets) > fewTargets {
		go f.goOn()
	} else {
		f.goOn()
	}
}

// goOn answers a request that has waited, or has it wait again.
func (f *fetchContext) goOn() {
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
// log refused one, or a target has more records in its next segment, which a region
// cannot reach into.
func (f *fetchContext) read() (size int, urgent bool) {
	f.results = resized(f.results, len(f.targets))
	left, atLeastOne, readable := f.maxBytes(), f.version >= firstSoftFetch, false
	for i := range f.targets {
		t, r := &f.targets[i], &f.results[i]
		*r = fetchResult{hw: -1, lso: -1, logStart: -1}
		if r.code, r.refused = f.locate(t); r.code != 0 {
			continue
		}
		readable = true
		if r.code = f.readPartition(t, r, left, atLeastOne); r.code != 0 {
			urgent = true
			continue
		}
		urgent = urgent || r.diverging != nil
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
		return kerr.UnknownTopicOrPartition.Code, refusedPartition
	}
	return 0, refusedNot
}

// readPartition reads at most left bytes from one partition. With atLeastOne it reads one
// batch even if that is larger. It returns the code of an error, 0 for none.
func (f *fetchContext) readPartition(t *fetchTarget, r *fetchResult, left int, atLeastOne bool) int16 {
	p, err := f.server.partition(t.topicPartition())
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
	if err := p.CheckEpoch(t.leaderEpoch); err != nil {
		return codes.Of(err)
	}
	if f.fromReplica() {
		return kerr.NotLeaderForPartition.Code // no other broker has a replica
	}
	log := p.Log()
	if t.lastFetchedEpoch >= 0 {
		if r.diverging, err = divergence(log, t); err != nil {
			return codes.Of(err)
		}
	}
	r.hw, r.lso = p.HighWatermark(), p.LastStableOffset()
	if r.diverging != nil {
		r.logStart = log.StartOffset()
		return 0
	}
	upTo := r.hw
	if f.req.Isolation == readCommitted {
		upTo = r.lso
	}
	r.region, err = log.Read(t.offset, min(int(t.maxBytes), left), upTo, atLeastOne)
	if err != nil {
		r.hw, r.lso = -1, -1
		p.ReadFailed(err)
		return codes.Of(err)
	}
	r.logStart = log.StartOffset()
	r.partition = p
	if f.version < firstBatchFetch {
		if err := f.convert(t, r, log, upTo); err != nil {
			r.hw, r.lso, r.logStart = -1, -1, -1
			p.ReadFailed(err)
			r.format = codes.Is[*batch.CodecError](err)
			return codes.Of(err)
		}
	}
	return 0
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

// watch makes w wait for every partition that was read. It returns false if the high
// watermark of one has moved since it was read.
func (f *fetchContext) watch(w *replica.DelayedFetch) bool {
	unmoved := true
	for i := range f.results {
		if r := &f.results[i]; r.partition != nil {
			unmoved = w.Watch(r.partition, r.hw) && unmoved
		}
	}
	return unmoved
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
		if f.session.epoch != nextEpoch(f.req.SessionEpoch) {
			// Meanwhile another request has used the session.
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
			if r.refused == refused && (f.session == nil || f.tellLocked(t, r)) {
				f.add(t, r)
			}
		}
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
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset = r.hw, r.lso, r.logStart
	switch {
	case r.code != 0 && r.refused == refusedNot && !r.format:
		p.AbortedTransactions = nil
	case r.code == 0 && r.diverging == nil && f.req.Isolation == readCommitted:
		p.AbortedTransactions = []protocol.AbortedTransaction{}
	}
	switch {
	case r.region.Size() > 0:
		p.Records = &r.region
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
	fs := f.server.sessions.create(f.fromReplica(), f.version >= topicIDVersion, len(f.targets), nowMs, func(fs *fetchSession) {
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
// records or an error, or its high watermark or log start offset has moved. tellLocked
// notes in the session what the answer says. A partition with records goes to the end of
// the order, so that the next answer begins with others.
func (f *fetchContext) tellLocked(t *fetchTarget, r *fetchResult) bool {
	p := f.session.partitions[t.key]
	if p == nil {
		return false
	}
	tell := r.size() > 0 || r.code != 0 || r.diverging != nil || p.hw != r.hw || p.logStart != r.logStart
	p.hw, p.logStart = r.hw, r.logStart
	if r.code != 0 {
		p.hw = -1 // so that an answer names the partition when its error is over
	}
	if r.size() > 0 {
		p.unlink()
		f.session.pushLocked(p)
	}
	return tell
}
