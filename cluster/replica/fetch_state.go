package replica

import (
	"container/heap"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// fetchState decides what a fetcher asks of its leader, and what becomes of the answers (AbstractFetcherThread and FetchSessionHandler of
// Apache Kafka). It opens no connection, touches no log and looks at no clock: a fetcher carries out its actions, and tells what came of
// them. All times are in ms.
//
// A partition is in one of four states. It is truncating until its log was cut at the high watermark, which is needed where the log knows no
// leader epoch; otherwise the answers tell where the logs diverge. It is fetched from its position. It is delayed after an error, and fetched
// again when it is due. And it has failed until the controller's next order: when the leader has a newer leader epoch than this
// broker, or the log cannot be written.
//
// What a request costs depends on how many partitions changed, not on how many there are.
type fetchState struct {
	replica int32 // this broker's id
	// brokerEpoch gives the epoch of this broker's registration, -1 while it is not known.
	brokerEpoch func() int64
	// exceeded says whether the rate of throttled partitions was exceeded (follower.replication.throttled.rate), so that they have to wait. It
	// must not block. Nil: it never is.
	exceeded func() bool

	partitions map[protocol.TopicPartition]*fetched
	topics     map[fetchTopicKey]*fetchTopic
	byID       map[protocol.UUID]*fetchTopic
	named      map[protocol.TopicPartition]*fetched // those in the last request, while names is set
	withoutID  int                                  // how many partitions have no topic id

	session fetchSession
	names   bool // requests name topics, since not every partition has a topic id
	members int  // how many partitions the leader's session has, by what was sent last
	changed []*fetched
	delays  delays
	holding bool // throttled partitions were kept out of the last request

	req    kmsg.FetchRequest
	builds uint64     // counts requests
	found  []*fetched // the partitions of an answer, in its order
	todo   []fetchAction

	truncations, lookups []*fetched // partitions that came into these phases, some of which may have left them again
	refusals             []fetchRefusal
}

// fetchRefusal is an error of a leader that is worth a line in the log.
type fetchRefusal struct {
	tp     protocol.TopicPartition
	err    error
	failed bool // the partition has failed
}

// fetchTopicKey tells a topic from one of the same name that was deleted.
type fetchTopicKey struct {
	name string
	id   protocol.UUID
}

// fetchTopic has the partitions of a topic that are fetched, and those that the leader's session still has.
type fetchTopic struct {
	fetchTopicKey
	partitions map[int32]*fetched
	// Where the topic is in the request of a build.
	build, forgetBuild uint64
	at, forgetAt       int
}

// fetchPosition is where a follower's log is: the log end offset, the leader epoch of the last batch before it (-1 if the log knows
// none), and the log start offset.
type fetchPosition struct {
	offset, start int64
	epoch         int32
}

// fetched is one partition in a fetcher.
type fetched struct {
	tp    protocol.TopicPartition
	topic *fetchTopic
	log   followedLog // for the fetcher; fetchState only passes it on
	// throttled is that of its order.
	throttled func() bool

	leaderEpoch   int32 // of this role
	phase         fetchPhase
	at            fetchPosition
	lag           int64 // offsets up to the leader's high watermark, 0 at first for one in the ISR, -1 while it is not known
	due           int64 // when a delayed partition is fetched again, 0 if it is not delayed
	refusalLogged bool  // the log has a line about the present row of errors
	backoffMs     int64 // the last delay in a row, 0 after a good answer
	place         int   // in fetchState.delays, -1 if it is not in there

	gone      bool // it is not fetched any more, and stays until the leader's session has forgotten it
	isChanged bool // it is in fetchState.changed
	// What the leader's session has of it.
	member    bool
	sent      fetchPosition
	sentEpoch int32  // the leader epoch that was sent with it
	answer    uint64 // the build whose answer has it
}

// fetchPhase is what a partition's fetcher has to do next. Delayed partitions keep theirs.
type fetchPhase int8

const (
	fetching fetchPhase = iota
	truncating
	lookingUp // its position is out of the leader's range, which the leader is asked for
	failed
)

func newFetchState(replica int32, brokerEpoch func() int64, exceeded func() bool) *fetchState {
	if brokerEpoch == nil {
		brokerEpoch = func() int64 { return -1 }
	}
	return &fetchState{
		replica: replica, brokerEpoch: brokerEpoch, exceeded: exceeded,
		partitions: map[protocol.TopicPartition]*fetched{}, topics: map[fetchTopicKey]*fetchTopic{},
		byID: map[protocol.UUID]*fetchTopic{}, named: map[protocol.TopicPartition]*fetched{},
	}
}

// set has a partition fetched in a role. If it is fetched in this leader epoch already, only its topic id may be news.
func (s *fetchState) set(o *fetchOrder) *fetched {
	old := s.partitions[o.tp]
	if old != nil && old.leaderEpoch == o.leaderEpoch && (old.topic.id == o.topicID || o.topicID.IsZero()) {
		return old
	}
	s.remove(o.tp)
	t := s.topic(fetchTopicKey{o.tp.Topic, o.topicID})
	p := t.partitions[o.tp.Partition]
	if p == nil {
		p = &fetched{tp: o.tp, topic: t, place: -1}
		t.partitions[o.tp.Partition] = p
	}
	p.log, p.throttled, p.leaderEpoch, p.gone = o.log, o.throttled, o.leaderEpoch, false
	p.phase, p.at, p.lag, p.due, p.backoffMs, p.refusalLogged = fetching, o.at, -1, 0, 0, false
	if o.truncating {
		p.phase = truncating
	}
	if o.inSync {
		p.lag = 0
	}
	if old != nil && old.leaderEpoch == o.leaderEpoch { // the topic's id alone is news
		p.phase, p.at, p.lag = old.phase, old.at, old.lag
	}
	s.partitions[o.tp] = p
	if o.topicID.IsZero() {
		s.withoutID++
	}
	s.touch(p)
	s.enqueue(p)
	return p
}

// enqueue lists a partition that the fetcher has to do something with before it can be fetched.
func (s *fetchState) enqueue(p *fetched) {
	switch p.phase {
	case truncating:
		s.truncations = append(s.truncations, p)
	case lookingUp:
		s.lookups = append(s.lookups, p)
	}
}

// nextTruncating gives a partition whose log has to be truncated to its position, nil if there is none.
func (s *fetchState) nextTruncating(nowMs int64) *fetched {
	s.wakeDue(nowMs)
	for len(s.truncations) > 0 {
		last := len(s.truncations) - 1
		p := s.truncations[last]
		s.truncations[last], s.truncations = nil, s.truncations[:last]
		if !p.gone && p.phase == truncating && p.due == 0 {
			return p
		}
	}
	return nil
}

// takeLookups gives the partitions whose range the leader has to be asked for.
func (s *fetchState) takeLookups(nowMs int64) (list []lookup) {
	s.wakeDue(nowMs)
	for _, p := range s.lookups {
		if !p.gone && p.phase == lookingUp && p.due == 0 {
			list = append(list, lookup{p: p, leaderEpoch: p.leaderEpoch})
		}
	}
	s.lookups = nil
	return list
}

// take removes a partition, and gives the order by which another fetcher goes on with it; false if it has failed.
func (s *fetchState) take(tp protocol.TopicPartition) (o fetchOrder, ok bool) {
	p := s.partitions[tp]
	if p == nil || p.phase == failed {
		return o, false
	}
	o = fetchOrder{tp: tp, topicID: p.topic.id, leaderEpoch: p.leaderEpoch, at: p.at, truncating: p.phase == truncating,
		inSync: p.lag == 0, throttled: p.throttled, log: p.log}
	s.remove(tp)
	return o, true
}

// lookedAt notes the log start offset, which retention moves. While throttled partitions are held back, the next request looks whether this one
// still is one of them.
func (s *fetchState) lookedAt(p *fetched, start int64) {
	if s.holding {
		s.touch(p)
	}
	at := p.at
	at.start = start
	s.moveTo(p, at)
}

func (s *fetchState) topic(key fetchTopicKey) *fetchTopic {
	t := s.topics[key]
	if t == nil {
		t = &fetchTopic{fetchTopicKey: key, partitions: map[int32]*fetched{}}
		s.topics[key] = t
		if !key.id.IsZero() {
			s.byID[key.id] = t
		}
	}
	return t
}

// remove ends the fetching of a partition, and says whether it was fetched. What is under way for it comes to nothing.
func (s *fetchState) remove(tp protocol.TopicPartition) bool {
	p := s.partitions[tp]
	if p == nil {
		return false
	}
	delete(s.partitions, tp)
	if p.topic.id.IsZero() {
		s.withoutID--
	}
	s.undelay(p)
	p.gone, p.log, p.throttled = true, nil, nil
	if p.member {
		s.touch(p)
	} else {
		s.drop(p)
	}
	return true
}

// drop forgets a partition that is neither fetched nor in the leader's session.
func (s *fetchState) drop(p *fetched) {
	t := p.topic
	delete(t.partitions, p.tp.Partition)
	if len(t.partitions) == 0 {
		delete(s.topics, t.fetchTopicKey)
		delete(s.byID, t.id)
	}
}

// touch has the next request look at a partition.
func (s *fetchState) touch(p *fetched) {
	if !p.isChanged {
		p.isChanged = true
		s.changed = append(s.changed, p)
	}
}

// touchAll has the next request look at all partitions.
func (s *fetchState) touchAll() {
	for _, p := range s.partitions {
		s.touch(p)
	}
}

// forgetAll takes it that the leader's session has no partition.
func (s *fetchState) forgetAll() {
	for _, t := range s.topics {
		for _, p := range t.partitions {
			if p.member = false; p.gone {
				s.drop(p)
			}
		}
	}
	s.members = 0
}

// isThrottled says whether the replica here is one of those that are throttled now.
func (p *fetched) isThrottled() bool { return p.throttled != nil && p.throttled() }

// ready says whether a partition may be fetched now.
func (p *fetched) ready() bool { return !p.gone && p.phase == fetching && p.due == 0 }

// held says whether a partition is kept back because it is throttled. One that is in sync is not, lest it fall out of the ISR. Apache Kafka's followers
// count as in sync no earlier than with the first answer of their leader, and so may fall out of the ISR after a change of leaders.
func (s *fetchState) held(p *fetched) bool {
	return s.holding && p.lag != 0 && p.isThrottled()
}

// current says whether an answer to what was sent is still of use: the partition is at the position that was asked for.
func (p *fetched) current() bool {
	return p.ready() && p.member && p.sent.offset == p.at.offset && p.sentEpoch == p.leaderEpoch
}

// moveTo notes where the log is now.
func (s *fetchState) moveTo(p *fetched, at fetchPosition) {
	if p.at != at {
		p.at = at
		s.touch(p)
	}
}

// minBackoffMs is the first delay after an error. Apache Kafka waits replica.fetch.backoff.ms at once, 1 s by default: a follower that
// hears of a new leader before the leader does would hold up producers with acks=all for so long.
const minBackoffMs = 10

// nextBackoff is the delay after one more error in a row: at least 10 ms, then twice as long each time, up to most.
func nextBackoff(lastMs, mostMs int64) int64 { return max(min(max(2*lastMs, minBackoffMs), mostMs), 1) }

// delay has a partition wait after an error.
func (s *fetchState) delay(p *fetched, nowMs, mostMs int64) {
	p.backoffMs = nextBackoff(p.backoffMs, mostMs)
	p.due = nowMs + p.backoffMs
	if p.place < 0 {
		heap.Push(&s.delays, p)
	} else {
		heap.Fix(&s.delays, p.place)
	}
	s.touch(p)
}

func (s *fetchState) undelay(p *fetched) {
	if p.place >= 0 {
		heap.Remove(&s.delays, p.place)
	}
	p.due = 0
}

// wakeDue ends the delays that are over.
func (s *fetchState) wakeDue(nowMs int64) {
	for len(s.delays) > 0 && s.delays[0].due <= nowMs {
		p := s.delays[0]
		s.undelay(p)
		s.touch(p)
		s.enqueue(p)
	}
}

// fail has a partition wait for the controller's next order.
func (s *fetchState) fail(p *fetched) {
	s.undelay(p)
	p.phase = failed
	s.touch(p)
}

// delays is a heap (container/heap) of delayed partitions, the one that is due first first.
type delays []*fetched

func (h delays) Len() int           { return len(h) }
func (h delays) Less(i, j int) bool { return h[i].due < h[j].due }
func (h delays) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *delays) Push(x any) {
	p := x.(*fetched)
	p.place = len(*h)
	*h = append(*h, p)
}

// Pop implements heap.Interface.
func (h *delays) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	p.place = -1
	(*h)[last], *h = nil, (*h)[:last]
	return p
}
