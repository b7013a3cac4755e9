package data

// Fetch: key 1, versions 0 to 18.
//
//	0  messages of magic 0; a limit for each partition, kept to the byte
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
// Refused, in this order: for the whole request, a session that is not known
// (FETCH_SESSION_ID_NOT_FOUND), an epoch that is not the next
// (INVALID_FETCH_SESSION_EPOCH), a session of the other kind of topic naming
// (FETCH_SESSION_TOPIC_ID_ERROR), an isolation level that is none, where one of the
// partitions is there (UNKNOWN_SERVER_ERROR, as with the reference); for a
// partition, an id that is not known (UNKNOWN_TOPIC_ID), a partition that is not (UNKNOWN_TOPIC_OR_PARTITION), a
// topic with compression.type=zstd before version 10 (UNSUPPORTED_COMPRESSION_TYPE),
// one with message.downconversion.enable=false before version 4 (UNSUPPORTED_VERSION), an
// id that was another topic's (INCONSISTENT_TOPIC_ID), an epoch that is not
// ours (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH), a replica that is none
// (NOT_LEADER_OR_FOLLOWER), an offset outside of the log, or a last fetched epoch
// that the log knows nothing of (OFFSET_OUT_OF_RANGE), a batch in zstd that comes first before version 4 (UNSUPPORTED_COMPRESSION_TYPE).
//
// Missing on purpose: preferred read replicas, which only other replicas are; the
// part of a batch that fills a limit to the byte, which the reference sends and
// clients drop.
//
// Bounded, where the reference goes by its heap: a request names 50,000 partitions
// at most, or it cannot be read; sessions have 100,000 together, and a fetcher beyond
// that gets none; with 50,000 in large fetches under way, another one is held back and
// then answered at once (begin).

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

// leaderVersion is the first version of Fetch that tells who leads instead.
const leaderVersion = 16

// topicIDVersion is the first version of Fetch and of Produce that names topics by id.
const topicIDVersion = 13

// The isolation levels; readCommitted stops at the last stable offset.
const (
	readUncommitted = 0
	readCommitted   = 1
)

// fetchAnswer is what the answer to a fetch is made of, until it is sent. Then it is used
// again for another.
type fetchAnswer struct {
	server  *Service
	encoder protocol.FetchEncoder
	parts   []transport.Part
	regions []logstore.Region // what parts point to: never grown while they do
	old     int64             // bytes of parts that are counted in oldBytes
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

// fetchContext is one Fetch request on its way. Once it is answered it is used
// again for another: what it holds of slices stays.
//
// It is its connection's goroutine's until it waits for records, and then who wakes it has it: see wait.
type fetchContext struct {
	server  *Service
	call    *request.Call
	version int16
	size    int  // how many partitions the request and its session may have
	held    bool // it waited to be read, and does not wait for records
	req     protocol.FetchRequest
	resp    protocol.FetchResponse
	meta    *cluster.Metadata
	session *fetchSession      // of an incremental request; nil otherwise
	full    bool               // a full request that asks for a session
	targets []fetchTarget      // what is asked, in the order in which it is served
	results []fetchResult      // one for each target
	places  map[sessionKey]int // where in targets a partition stands

	deadline time.Time             // when it is answered with whatever there is
	delayed  *replica.DelayedFetch // while it waits
	resumed  func()                // what delayed calls
	waited   bool                  // its connection's goroutine has left it to others
	ends     []func()              // called when it is served: see begin
}

// fetchResult is what one partition answers.
type fetchResult struct {
	code      int16
	refused   int8 // by whom, which gives the order of the answer
	format    bool // code says that the records cannot be sent in this version
	hw        int64
	lso       int64
	logStart  int64
	region    logstore.Region
	old       oldRecords               // in place of region before version 4
	diverging *protocol.EpochEndOffset // in place of both: what was fetched before is not ours
	partition *replica.Partition       // nil when it was not read
}

// size is how many bytes of records were read.
func (r *fetchResult) size() int { return r.region.Size() + r.old.Size() }

// What refused a partition before it was read. The answer has them last, those
// of topics without a name first, as with the reference.
const (
	refusedNot       = iota // read, or refused in reading
	refusedID               // the topic's id is not known
	refusedPartition        // the partition is not known
)

// Fetch serves Fetch.
func (s *Service) Fetch(c *request.Call) error {
	f := s.fetchContexts.Get().(*fetchContext)
	if f.resumed == nil {
		f.resumed = f.resume // once: a closure for each wait would be garbage for each
	}
	f.server, f.call, f.version, f.meta = s, c, c.Header.Version, s.broker.Metadata()
	waits, err := f.serve()
	if !waits {
		f.free()
	}
	return err
}

// serve answers the request, or reports that it waits.
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

// knowsAny reports whether one of the partitions that are asked is there.
func (f *fetchContext) knowsAny() bool {
	return slices.ContainsFunc(f.targets, func(t fetchTarget) bool {
		code, _ := f.locate(&t)
		return code == 0
	})
}

const (
	// leastFetchPartition is how many bytes a partition of a request takes at least.
	leastFetchPartition = 16
	// maxFetching bounds the partitions of all large fetches that are served or wait:
	// each takes some 500 bytes. A fetch beyond that waits for a while as the bytes
	// that it came in, and then for its turn to be read and answered at once.
	maxFetching = 50_000
	heldFetch   = 200 * time.Millisecond
)

// begin counts size more partitions of this fetch until it is served. With too many under way
// it holds the fetch back.
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

// refuseAll answers with nothing but an error: at the top, with the session id
// that was sent, and up to version 12 with every partition as it stands in the
// request (FetchRequest.getErrorResponse).
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

// maxFetchTargets is the number of partitions from which on a context is not
// used again: clearing it would cost the next request.
const maxFetchTargets = 1000

// free gives the context back. Files that it read from have been released, or
// are the answer's.
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

// open finds out what is asked: the request's partitions, or those of its
// session (kafka.server.FetchManager.newContext). It gives the error that
// refuses the whole request, 0 for none.
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
		// Nothing is left to tell: the session is closed.
		cache.remove(fs.id)
		return 0
	}
	cache.touch(fs, size, nowMs)
	f.session = fs
	return 0
}

// requested gives the partitions that stand in the request itself.
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

// collect makes the request's partitions the targets. One that is named again
// keeps its place and is asked what was said last.
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

// nameTopic finds the name that belongs to a topic's id, and lets it be once it
// was found: in a session the partition of a topic that is gone has a name still.
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

func (f *fetchContext) forgetLocked(fs *fetchSession) {
	for i := range f.req.Forgotten {
		t := &f.req.Forgotten[i]
		for _, p := range t.Partitions {
			fs.forgetLocked(sessionKey{topic: t.Name, id: t.ID, partition: p})
		}
	}
}

// fromReplica reports whether another broker asks, not a consumer.
func (f *fetchContext) fromReplica() bool { return f.req.ReplicaID >= 0 }

// wait reads until there is enough to answer with, the time that the client gave is over, the
// client has left, or the server stops. Where there is not enough it reports true: from then on the
// request belongs to its delayed fetch, which calls resume once.
func (f *fetchContext) wait() bool {
	conn := f.call.Conn
	for {
		size, urgent := f.read()
		missing := int64(f.minBytes()) - int64(size)
		if urgent || missing <= 0 || f.req.MaxWaitMs <= 0 || !f.server.now().Before(f.deadline) || conn.Ending() {
			return false
		}
		f.release()
		f.call.Body = nil // it is not kept by who waits
		waited := f.waited
		f.delayed, f.waited = replica.NewDelayedFetch(missing, len(f.results), f.resumed), true
		conn.Await(f.delayed, f.deadline.Sub(f.server.now()))
		if f.watch(f.delayed) && !conn.Ending() && f.delayed.Arm() {
			return true
		}
		f.delayed.Unwatch()
		if waited { // who appends does not go round and round with it
			go f.goOn()
			return true
		}
		f.waited = false
		conn.AwaitsNothing()
	}
}

// fewTargets is how many partitions are read again for who appends to one of them.
const fewTargets = 64

// resume goes on with a request that has waited, mostly for the goroutine that appends
// what it waited for. That must not be held up by much, such as converting records.
func (f *fetchContext) resume() {
	f.delayed.Unwatch()
	if f.version < firstBatchFetch || len(f.targets) > fewTargets {
		go f.goOn()
	} else {
		f.goOn()
	}
}

// goOn answers, or waits again.
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

// read reads every partition once, within the limits. It gives the bytes found,
// and whether the answer must not wait: no partition can be read at all, or one
// that should be erred, or there is more in a next segment, which a region does
// not go into.
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

// locate refuses what the metadata does not know. Such a partition is answered
// with its error and keeps nobody from waiting for the others.
func (f *fetchContext) locate(t *fetchTarget) (code int16, refused int8) {
	if t.name == "" && f.version >= topicIDVersion {
		return kerr.UnknownTopicID.Code, refusedID
	}
	if f.meta.Partition(t.topicPartition()) == nil {
		return kerr.UnknownTopicOrPartition.Code, refusedPartition
	}
	return 0, refusedNot
}

// readPartition reads from one partition, at most left bytes but for the first
// batch of the answer.
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
		return kerr.NotLeaderForPartition.Code // nobody else has a replica
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

// divergence compares what the fetcher says it has with the log: nil when its
// last record's leader epoch is ours and goes as far as the offset it asks for,
// and otherwise the largest epoch below with its end, to which the fetcher has to
// go back (KIP-595; kafka.cluster.Partition.readRecords).
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

// watch makes w wait for every partition that was read. It reports false when
// one has moved since.
func (f *fetchContext) watch(w *replica.DelayedFetch) bool {
	unmoved := true
	for i := range f.results {
		if r := &f.results[i]; r.partition != nil {
			unmoved = w.Watch(r.partition, r.hw) && unmoved
		}
	}
	return unmoved
}

// release gives back the files of what was read.
func (f *fetchContext) release() {
	for i := range f.results {
		f.results[i].region.Release()
		f.server.oldBytes.Add(-int64(len(f.results[i].old)))
		f.results[i].region, f.results[i].old = logstore.Region{}, nil
	}
}

// respond turns the results into the response, and notes in the session what
// the fetcher has been told.
func (f *fetchContext) respond(nowMs int64) {
	switch {
	case f.session != nil:
		f.resp.SessionID = f.session.id
		f.session.mu.Lock()
		defer f.session.mu.Unlock()
		if f.session.epoch != nextEpoch(f.req.SessionEpoch) {
			// Another request went on with the session meanwhile.
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

// add appends one partition's answer, to the topic before it if that is the same.
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

// leader tells who leads a partition, and once in the answer where that is.
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

// reply sends the response: small encoded pieces, and between them the regions
// of files, which go to the socket as they are.
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
			*records = logstore.Region{} // the answer has it now
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

// newSession opens a session that holds what this answer tells; 0 when none.
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

// tellLocked reports whether an incremental answer must name the partition, and
// notes that it does: it has records, or an error, or moved its high watermark
// or start. One with records goes to the end of the order, so that the next
// answer begins with others.
func (f *fetchContext) tellLocked(t *fetchTarget, r *fetchResult) bool {
	p := f.session.partitions[t.key]
	if p == nil {
		return false
	}
	tell := r.size() > 0 || r.code != 0 || r.diverging != nil || p.hw != r.hw || p.logStart != r.logStart
	p.hw, p.logStart = r.hw, r.logStart
	if r.code != 0 {
		p.hw = -1 // once the error is gone the partition is told again
	}
	if r.size() > 0 {
		p.unlink()
		f.session.pushLocked(p)
	}
	return tell
}
