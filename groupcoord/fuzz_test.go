package groupcoord

import (
	"testing"
	"testing/synctest"
	"time"

	"klamm/protocol/batch"
)

// commitRecord is the record of an offset alone.
func commitRecord(group, topic string, partition int32, c commit) record {
	_, r := appendCommitRecord(nil, group, topic, partition, &c)
	return r
}

// FuzzLoad reads a log with a record of any bytes between two good ones. The good ones must be read, and members must be able to join every
// group that comes of it.
func FuzzLoad(f *testing.F) {
	g := newGroup(new(Config), "g", 0)
	kind, protocol := consumerProtocol, "range"
	g.kind, g.protocol, g.generation = &kind, &protocol, 1
	g.add(&member{id: "m", protocols: []Protocol{{"range", subscribes("t")}}, assignment: []byte("t0"), sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000})
	group := g.record()
	f.Add(group.key, group.value)
	for _, c := range []commit{{offset: 1, leaderEpoch: 2, metadata: "m", timeMs: 3, expiresMs: -1}, {offset: 1, leaderEpoch: -1, timeMs: 3, expiresMs: 4}} {
		r := commitRecord("g", "t", 0, c)
		f.Add(r.key, r.value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer func() { w.c.Close() }()
			for _, r := range []record{commitRecord("before", "t", 0, commit{offset: 1, expiresMs: -1}), {key, value}, commitRecord("after", "t", 0, commit{offset: 1, expiresMs: -1})} {
				b := batch.NewBuilder(batch.None)
				b.Add(time.Now().UnixMilli(), r.key, r.value)
				data, err := b.Build()
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := w.log.Append(data, nil); err != nil {
					t.Fatal(err)
				}
			}
			w.c.Close()
			synctest.Wait()
			w.start()
			for _, group := range []string{"before", "after"} {
				list, err := w.c.FetchOffsets(group, nil, false)
				if err != nil || (len(list) != 1 || list[0].Offset != 1) && string(key) != string(commitKey(group, "t", 0)) {
					t.Errorf("%s: %v %v", group, list, err)
				}
			}
			list, err := w.c.ListGroups(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range list {
				joined := make(chan bool, 1)
				w.c.Join(&JoinRequest{
					Group: o.Group, SessionTimeoutMs: 10_000, RebalanceTimeoutMs: 10_000, ProtocolType: consumerProtocol,
					Protocols: []Protocol{{"range", subscribes("t")}}, Done: func(JoinAnswer) { joined <- true },
				})
				select {
				case <-joined:
				case <-time.After(60 * 24 * time.Hour): // longer than any timeout in a record
					t.Errorf("a member that joins %q is not answered", o.Group)
				}
			}
		})
	})
}
