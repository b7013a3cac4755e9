package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/observe"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// lag is how far a group is behind in a partition.
type lag struct {
	records int64
	// seconds is how long ago the oldest record was appended that the group has not committed, 0 when it has committed all.
	seconds float64
	deleted bool // the record at the committed offset is deleted
}

// lagOf gives the lag at a committed offset. It gives false where the end of the partition is not known.
func (s *scrape) lagOf(o *groupcoord.SurveyedOffset) (lag, bool) {
	nowMs := s.g.o.Now().UnixMilli()
	p, err := s.Replicas().Partition(o.TopicPartition)
	if err != nil || p.Leading() != nil {
		return s.g.remote.lagOf(o, nowMs)
	}
	b := p.Bounds()
	l := lag{records: max(0, b.LastStable-o.Offset), deleted: o.Offset < b.LogStart}
	if l.records > 0 {
		if at, known := appendedMs(p, max(o.Offset, b.LogStart)); known {
			l.seconds = float64(max(0, nowMs-at)) / 1000
		}
	}
	return l, true
}

// appendedMs gives when a record was appended, in ms since 1970: by what this broker has seen, and for what was appended before it led by the
// timestamp of the record's batch, which is the producer's unless the topic has message.timestamp.type=LogAppendTime.
func appendedMs(p *replica.Partition, offset int64) (int64, bool) {
	if at, known := p.AppendedMs(offset); known {
		return at, true
	}
	region, err := p.Log().Read(offset, batch.HeaderSize, p.HighWatermark(), true)
	if err != nil || region.Size() < batch.HeaderSize {
		return 0, false
	}
	defer region.Release()
	head := make([]byte, batch.HeaderSize)
	if _, err := region.ReadAt(head, 0); err != nil {
		return 0, false
	}
	h, err := batch.ParseHeader(head)
	if err != nil || h.MaxTimestamp < 0 {
		return 0, false
	}
	return h.MaxTimestamp, true
}

// remoteEnds are the ends of partitions that other brokers lead, of which groups here have committed offsets. They are asked for when somebody
// gathers, so that the time at which an end passed an offset is known as well as gatherings are frequent.
type remoteEnds struct {
	mu    sync.Mutex
	asked time.Time                              // guarded by mu
	ends  map[protocol.TopicPartition]*remoteEnd // guarded by mu
}

// remoteEnd is what is known of a partition that another broker leads.
type remoteEnd struct {
	start, end int64
	at         observe.Progress
}

const (
	// remoteEvery is the least time between two questions to the leaders.
	remoteEvery = time.Second
	// remotePatience is how long a gathering waits for leaders.
	remotePatience = 500 * time.Millisecond
	// maxRemoteEnds bounds the partitions that are asked for.
	maxRemoteEnds = 50_000
)

// lagOf gives the lag at a committed offset, by what the leader said last.
func (r *remoteEnds) lagOf(o *groupcoord.SurveyedOffset, nowMs int64) (lag, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.ends[o.TopicPartition]
	if e == nil {
		return lag{}, false
	}
	l := lag{records: max(0, e.end-o.Offset), deleted: o.Offset < e.start}
	if l.records > 0 {
		if at, known := e.at.At(o.Offset); known {
			l.seconds = float64(max(0, nowMs-at)) / 1000
		}
	}
	return l, true
}

// ask asks the leaders of the partitions in which groups have committed offsets for their ends.
func (r *remoteEnds) ask(b *broker.Broker, groups []groupcoord.GroupSurvey, now time.Time) {
	r.mu.Lock()
	due := now.Sub(r.asked) >= remoteEvery || now.Before(r.asked)
	if due {
		r.asked = now
	}
	r.mu.Unlock()
	if !due {
		return
	}
	led := r.byLeader(b, groups)
	ctx, cancel := context.WithTimeout(context.Background(), remotePatience)
	defer cancel()
	var asking sync.WaitGroup
	for leader, partitions := range led {
		asking.Go(func() {
			for _, at := range []int64{latest, earliest} {
				r.askLeader(ctx, b, leader, partitions, at, now.UnixMilli())
			}
		})
	}
	asking.Wait()
}

// byLeader gives the partitions that other brokers lead, and forgets those that nobody has offsets of any more.
func (r *remoteEnds) byLeader(b *broker.Broker, groups []groupcoord.GroupSurvey) map[int32]map[protocol.TopicPartition]bool {
	meta := b.Cluster().Metadata()
	led := map[int32]map[protocol.TopicPartition]bool{}
	wanted := map[protocol.TopicPartition]bool{}
	for i := range groups {
		for _, o := range groups[i].Offsets {
			p := meta.Partition(o.TopicPartition)
			if p == nil || p.Leader < 0 || p.Leader == b.ID() || len(wanted) >= maxRemoteEnds {
				continue
			}
			wanted[o.TopicPartition] = true
			if led[p.Leader] == nil {
				led[p.Leader] = map[protocol.TopicPartition]bool{}
			}
			led[p.Leader][o.TopicPartition] = true
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for tp := range r.ends {
		if !wanted[tp] {
			delete(r.ends, tp)
		}
	}
	return led
}

// The timestamps that stand for the ends of a log in ListOffsets.
const (
	latest   = -1
	earliest = -2
)

// askLeader asks one leader for one end of its logs.
func (r *remoteEnds) askLeader(ctx context.Context, b *broker.Broker, leader int32, partitions map[protocol.TopicPartition]bool, at, nowMs int64) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = listOffsetsVersion, -1
	topics := map[string]int{}
	for tp := range partitions {
		i, there := topics[tp.Topic]
		if !there {
			i = len(req.Topics)
			topics[tp.Topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = tp.Partition, at, -1
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	answer, err := b.Ask(ctx, leader, req)
	resp, ok := answer.(*kmsg.ListOffsetsResponse)
	if err != nil || !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 && p.Offset >= 0 {
				r.toldLocked(protocol.TopicPartition{Topic: t.Topic, Partition: p.Partition}, at, p.Offset, nowMs)
			}
		}
	}
}

// listOffsetsVersion is what every broker since Apache Kafka 2.1 serves.
const listOffsetsVersion = 4

// toldLocked takes in what a leader said.
func (r *remoteEnds) toldLocked(tp protocol.TopicPartition, at, offset, nowMs int64) {
	e := r.ends[tp]
	if e == nil {
		if at != latest {
			return
		}
		if r.ends == nil {
			r.ends = map[protocol.TopicPartition]*remoteEnd{}
		}
		e = &remoteEnd{start: -1}
		r.ends[tp] = e
	}
	if at == earliest {
		e.start = offset
		return
	}
	if offset < e.end {
		e.at.Forget()
	}
	e.end = offset
	e.at.Add(offset, nowMs)
}
