package data_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/server/data"
)

// ofMany is a Fetch of a follower, or with -1 of a consumer, that asks for a session and names partitions of a topic that does not exist.
func ofMany(replica int32, partitions int) *kmsg.FetchRequest {
	offsets := make([]int64, 0, 2*partitions)
	for p := range partitions {
		offsets = append(offsets, int64(p), 0)
	}
	req := sessionFetch(0, data.InitialEpoch, "t", offsets...)
	req.ReplicaID = replica
	return req
}

// A follower whose leader leads more partitions than a client may name was refused again and again, and copied none of them.
func TestFollowerNamesMorePartitionsThanAClientMay(t *testing.T) {
	const named = protocol.MaxPartitions + 1
	req := ofMany(9, named)
	alone := brokertest.Run(t).Dial() // has no followers
	alone.Send(req)
	alone.Closed()
	c := brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()}).Dial()
	if n := len(c.Ask(req).(*kmsg.FetchResponse).Topics[0].Partitions); n != named {
		t.Errorf("%d partitions are answered", n)
	}
	consumer := brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()}).Dial() // on the same listener as followers
	consumer.Send(ofMany(-1, named))
	consumer.Closed()
}

// A follower's session took part in the bound on the partitions of all sessions: it got none, or lost it when it grew, once consumers had filled the
// room, and left no room to consumers.
func TestSessionsOfFollowersHaveRoomOfTheirOwn(t *testing.T) {
	b := brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()})
	c := b.Dial()
	ask := func(req *kmsg.FetchRequest) *kmsg.FetchResponse { return c.Ask(req).(*kmsg.FetchResponse) }
	follower := ask(ofMany(9, data.MaxSessionPartitions)).SessionID
	if follower == 0 {
		t.Fatal("the follower has no session")
	}
	for range data.MaxSessionPartitions / protocol.MaxPartitions {
		if ask(ofMany(-1, protocol.MaxPartitions)).SessionID == 0 {
			t.Fatal("a consumer has no session")
		}
	}
	grows := sessionFetch(follower, 1, "more", 0, 0)
	grows.ReplicaID = 9
	after := sessionFetch(follower, 2, "t")
	after.ReplicaID = 9
	for _, req := range []*kmsg.FetchRequest{grows, after} {
		if got := ask(req).ErrorCode; got != 0 {
			t.Errorf("the follower's session: error %d", got)
		}
	}
	if got := ask(ofMany(-1, 1)).SessionID; got != 0 {
		t.Error("a consumer has a session beyond the bound")
	}
	if got := ask(ofMany(8, 1)).SessionID; got == 0 {
		t.Error("a follower has none")
	}
	// Without a listener for brokers anybody could say that it is one.
	c = brokertest.Run(t).Dial()
	for i, want := range []bool{true, true, false} {
		if got := ask(ofMany(int32(i), data.MaxSessionPartitions/2)).SessionID; (got != 0) != want {
			t.Errorf("request %d on a listener for clients: session %d", i, got)
		}
	}
}

// Each attempt of a follower to begin a session would leave one behind whose id it never learnt.
func TestSessionOfAFollowerTakesThePlaceOfThoseWithItsPartitions(t *testing.T) {
	b := brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()})
	c := b.Dial()
	begin := func(replica int32, partitions ...int64) int32 {
		req := sessionFetch(0, data.InitialEpoch, "t", partitions...)
		req.ReplicaID = replica
		return c.Ask(req).(*kmsg.FetchResponse).SessionID
	}
	lost, another, third, consumer := begin(9, 0, 0, 1, 0), begin(8, 0, 0), begin(9, 2, 0), begin(-1, 0, 0)
	begin(9, 3, 0, 1, 0)
	for id, want := range map[int32]bool{lost: false, another: true, third: true, consumer: true} {
		if _, _, _, got := b.Server().Data().SessionAge(id); got != want {
			t.Errorf("session %d of %d, %d, %d and %d is there: %v", id, lost, another, third, consumer, got)
		}
	}
}

// waitsWithMany sends a Fetch that waits for records of partition 0 of topic t, and names partitions that do not exist besides: many in all.
func waitsWithMany(b *brokertest.Broker, c *brokertest.Client, replica int32, many int) *kmsg.FetchRequest {
	req := ofMany(replica, many)
	req.SessionEpoch, req.MaxWaitMillis = -1, brokertest.Forever
	c.Send(req)
	await.Until(b.T, "the fetch waits", func() bool { return b.Parked() == 1 })
	return req
}

func heldBack(b *brokertest.Broker) bool {
	return strings.Contains(b.Log.String(), "a fetch of many partitions is held back")
}

// A follower's large fetch was held back while others were under way, and then did not wait for records.
func TestFetchOfAFollowerIsNotHeldBack(t *testing.T) {
	f := newFollowOn(brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()}), 1)
	fetching := f.Server().Data().Fetching()
	fetching.Store(data.MaxFetching)
	req := waitsWithMany(f.Broker, f.c, 9, 2*data.MaxFetchTargets)
	if n := fetching.Load(); n != data.MaxFetching {
		t.Errorf("it is counted: %d partitions", n)
	}
	brokertest.Produced(t, f.Dial().Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	f.c.Receive(req)
	if heldBack(f.Broker) {
		t.Error("it was held back")
	}
	fetching.Store(0)
}

// A fetch was counted as if each of its partitions took the fewest bytes that one can take, about twice as many as it named, and so held back
// although there was room for it.
func TestFetchIsCountedByThePartitionsThatItNames(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	const named = data.MaxFetching * 3 / 4
	c := b.Dial()
	req := waitsWithMany(b, c, -1, named)
	if n := b.Server().Data().Fetching().Load(); n != named {
		t.Errorf("%d partitions are counted while it waits, and it names %d", n, named)
	}
	brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	c.Receive(req)
	if heldBack(b) {
		t.Error("it was held back")
	}
}
