package data_test

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cluster/order"
	"klamm/cluster/replica"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/server/data"
)

// follow is broker 9 that follows the partitions of topic t, which a broker leads, in a fetch session.
type follow struct {
	*brokertest.Broker
	c      *brokertest.Client
	id     int32
	epoch  int32
	leader int32
}

func (f *follow) partition(number int32) *replica.Partition {
	f.T.Helper()
	p, err := f.Replicas().Partition(protocol.TopicPartition{Topic: "t", Partition: number})
	if err != nil {
		f.T.Fatal(err)
	}
	return p
}

// elect has a broker lead a partition of this one and broker 9, in the next leader epoch.
func (f *follow) elect(number, leader int32) {
	f.T.Helper()
	s := f.partition(number).State()
	brokers := []int32{f.leader, 9}
	o := order.LeaderAndISR{TopicPartition: protocol.TopicPartition{Topic: "t", Partition: number}, TopicID: s.TopicID,
		Leader: leader, LeaderEpoch: s.LeaderEpoch + 1, PartitionEpoch: s.PartitionEpoch, ISR: brokers, Replicas: brokers}
	answer := f.Replicas().LeaderAndISR(&order.LeaderAndISRRequest{Partitions: []order.LeaderAndISR{o}}, func(string) map[string]string { return nil })
	if err := answer.At(0); err != nil {
		f.T.Fatal(err)
	}
}

// request is the session's next request. It names partitions, given as partition, offset, partition, offset, ...
func (f *follow) request(partitions ...int64) *kmsg.FetchRequest {
	req := sessionFetch(f.id, f.epoch, "t", partitions...)
	req.ReplicaID = 9
	f.epoch++
	return req
}

// expect sends the next request, and compares the partitions that its answer names, and how many are looked at in the one after it.
func (f *follow) expect(when string, req *kmsg.FetchRequest, names []int32, listed int) *kmsg.FetchResponse {
	f.T.Helper()
	resp := f.c.Ask(req).(*kmsg.FetchResponse)
	f.check(when, resp, names, listed)
	return resp
}

func (f *follow) check(when string, resp *kmsg.FetchResponse, names []int32, listed int) {
	f.T.Helper()
	if got, _ := told(f.T.(*testing.T), resp); !slices.Equal(got, names) {
		f.T.Errorf("%s: partitions %v are named, want %v", when, got, names)
	}
	if got := f.Server().Data().Listed(resp.SessionID); got != listed {
		f.T.Errorf("%s: %d partitions are listed, want %d", when, got, listed)
	}
}

// waits sends the next request, which waits.
func (f *follow) waits(minBytes int32, partitions ...int64) *kmsg.FetchRequest {
	f.T.Helper()
	req := f.request(partitions...)
	req.MaxWaitMillis, req.MinBytes = brokertest.Forever, minBytes
	f.c.Send(req)
	await.Until(f.T, "the fetch waits", func() bool { return f.Parked() == 1 })
	return req
}

func newFollow(t *testing.T, partitions int32, sets ...string) *follow {
	return newFollowOn(brokertest.Run(t, sets...), partitions)
}

func newFollowOn(b *brokertest.Broker, partitions int32) *follow {
	b.T.Helper()
	b.Topic("t", partitions)
	f := &follow{Broker: b, c: b.Dial()}
	var all []int64
	f.leader = f.partition(0).State().Leader
	for p := range partitions {
		f.elect(p, f.leader)
		all = append(all, int64(p), 0)
	}
	f.id = f.c.Ask(f.request(all...)).(*kmsg.FetchResponse).SessionID
	if f.id == 0 {
		b.T.Fatal("no session was made")
	}
	return f
}

// A fetch of a follower looked at all partitions of its session, twice if it waited, and most of a cluster's partitions are quiet.
func TestFetchOfAFollowerLooksAtWhatHasChanged(t *testing.T) {
	f := newFollow(t, 100)
	producer := f.Dial()
	records := brokertest.BatchOf(t, 10)
	produce := func(partition int32) {
		t.Helper()
		brokertest.Produced(t, producer.Ask(brokertest.Produce("t", partition, 1, slices.Clone(records))))
	}
	f.expect("the first one", f.request(), nil, 0)
	f.expect("nothing is new", f.request(), nil, 0)

	waits := f.waits(int32(2 * len(records)))
	produce(7)
	produce(3)
	f.check("two partitions have records", f.c.Receive(waits).(*kmsg.FetchResponse), []int32{7, 3}, 2)
	// The high watermarks that this moves are in the answer.
	f.expect("the records were taken", f.request(7, 1, 3, 1), []int32{7, 3}, 0)
	if hw := f.partition(7).HighWatermark(); hw != 1 {
		t.Errorf("the high watermark is %d", hw)
	}
	f.expect("nothing is new again", f.request(), nil, 0)

	produce(5)
	f.expect("records before the request", f.request(), []int32{5}, 1)
	f.expect("the records were not taken", f.request(), []int32{5}, 1)
	f.expect("the records were taken later", f.request(5, 1), []int32{5}, 0)

	if _, err := f.partition(5).Log().DeleteRecordsBefore(1); err != nil {
		t.Fatal(err)
	}
	if resp := f.expect("the log start offset", f.request(), []int32{5}, 0); resp.Topics[0].Partitions[0].LogStartOffset != 1 {
		t.Errorf("the log starts at %d", resp.Topics[0].Partitions[0].LogStartOffset)
	}

	waits = f.waits(1)
	f.elect(9, 9)
	resp := f.c.Receive(waits).(*kmsg.FetchResponse)
	f.check("another leader", resp, []int32{9}, 1)
	if got := resp.Topics[0].Partitions[0].ErrorCode; got != kerr.NotLeaderForPartition.Code {
		t.Errorf("error %d", got)
	}
	f.elect(9, f.leader)
	f.expect("this leader again", f.request(), []int32{9}, 0)
	waits = f.waits(1)
	produce(9)
	f.check("records of the new leadership", f.c.Receive(waits).(*kmsg.FetchResponse), []int32{9}, 1)
}

// A fetch of a follower was counted with all partitions of its session, so that with many of them under way it was held back each time, and then did
// not wait, although it looks at none of them.
func TestFetchOfAFollowerIsCountedByWhatHasChanged(t *testing.T) {
	f := newFollow(t, data.MaxFetchTargets+1)
	f.expect("the first one", f.request(), nil, 0)
	f.Server().Data().Fetching().Store(data.MaxFetching)
	waits := f.waits(1)
	brokertest.Produced(t, f.Dial().Ask(brokertest.Produce("t", 7, 1, brokertest.BatchOf(t, 10))))
	f.check("one has records", f.c.Receive(waits).(*kmsg.FetchResponse), []int32{7}, 1)
	f.Server().Data().Fetching().Store(0)
}

// A partition that was forgotten, or a session that has ended, is noted no more.
func TestForgottenPartitionsOfAFollowerAreNotNoted(t *testing.T) {
	f := newFollow(t, 3)
	f.expect("the first one", f.request(), nil, 0)
	req := f.request()
	req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{1}}}
	f.expect("one is forgotten", req, nil, 0)
	producer := f.Dial()
	for p := range int32(2) {
		brokertest.Produced(t, producer.Ask(brokertest.Produce("t", p, 1, brokertest.BatchOf(t, 10))))
	}
	f.expect("records of both", f.request(), []int32{0}, 1)
	f.expect("named again", f.request(1, 0), []int32{0, 1}, 2)

	// Another session takes over; the old one's request that waits ends, since it is not in the cache any more.
	f.expect("taken", f.request(0, 1, 1, 1), []int32{0, 1}, 0)
	waits := f.waits(1)
	other := f.Dial()
	begins := sessionFetch(f.id, 0, "t", 0, 1, 1, 1, 2, 0)
	begins.ReplicaID = 9
	if id := other.Ask(begins).(*kmsg.FetchResponse).SessionID; id == 0 || id == f.id {
		t.Errorf("session %d was made", id)
	}
	if names, _ := told(t, f.c.Receive(waits)); len(names) > 0 {
		t.Errorf("the old session's request that waited names partitions %v", names)
	}
	if got := f.c.Ask(f.request()).(*kmsg.FetchResponse).ErrorCode; got != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("the old session's next request: error %d, want FETCH_SESSION_ID_NOT_FOUND", got)
	}
}

// The session of a follower lists only what has changed, which is nothing that another fetcher could use.
func TestSessionOfAFollowerIsRefusedToOthers(t *testing.T) {
	f := newFollow(t, 1)
	for _, replica := range []int32{-1, 8} {
		req := f.request()
		req.ReplicaID = replica
		f.epoch--
		if got := f.c.Ask(req).(*kmsg.FetchResponse).ErrorCode; got != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("replica %d: error %d", replica, got)
		}
	}
	f.expect("its own", f.request(), nil, 0)
}
