package cluster

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// What is under way in a cluster while one of its brokers is replaced: replicas move, and a topic is deleted.

const (
	moving = "moving"
	doomed = "doomed"
)

// moves are the two assignments of the topic that moves. On the way from one to the other each broker leads a partition that moves, gets a replica, and gives one away.
var moves = [2][][]int32{{{1, 2}, {2, 3}, {3, 1}}, {{1, 3}, {2, 1}, {3, 2}}}

// The rates of replication. The first one allows a message of the topic that moves and no more, for as long as the test runs.
const (
	halted  = "1"
	allowed = "1000000000"
	message = 900_000
)

// throttle sets the rate of replication on each broker.
func (m *migration) throttle(rate string) {
	m.Helper()
	harness.SetBrokerConfigs(m, m.admin, map[string]string{"leader.replication.throttled.rate": rate, "follower.replication.throttled.rate": rate}, 1, 2, 3)
}

// startMoves begins to move all partitions of a topic, which do not get on.
func (m *migration) startMoves() {
	m.Helper()
	m.throttle(halted)
	m.moved++
	var req kadm.AlterPartitionAssignmentsReq
	for p, replicas := range moves[m.moved%2] {
		req.Assign(moving, int32(p), replicas)
	}
	resp, err := m.admin.AlterPartitionAssignments(m.Context(), req)
	if err = errors.Join(err, resp.Error()); err != nil {
		m.Fatal(err)
	}
}

// finishMoves sees that they are under way still, and lets them end.
func (m *migration) finishMoves() {
	m.Helper()
	under := func() (n int) {
		await(m.load, "the list of reassignments", func() bool {
			list, err := harness.Reassignments(m.Context(), m.client)
			n = len(list)
			return err == nil
		})
		return n
	}
	if n := under(); n != len(moves[0]) {
		m.Errorf("%d of %d partitions move when the broker is back", n, len(moves[0]))
	}
	m.throttle(allowed)
	await(m.load, "the replicas to have moved", func() bool {
		there := under() == 0
		for p, want := range moves[m.moved%2] {
			there = there && slices.Equal(m.state(moving, int32(p)).Replicas, want)
		}
		return there
	})
}

// doom makes a topic that is to be deleted while a broker is away.
func (m *migration) doom() {
	m.Helper()
	createTopic(m.load, doomed, nil, moves[0]...)
	m.write(doomed, 300, func(n int) *kgo.Record { return &kgo.Record{Value: fmt.Append(nil, n)} })
}

// deleteDoomed asks for the deletion while a broker with replicas is away: it is not done before that broker is back.
func (m *migration) deleteDoomed() {
	m.Helper()
	resp, err := m.admin.DeleteTopic(m.Context(), doomed)
	if err = errors.Join(err, resp.Err); err != nil && !errors.Is(err, kerr.RequestTimedOut) {
		m.Fatal(err)
	}
	if there, _, err := m.c.Zk(m).Exists("/admin/delete_topics/" + doomed); err != nil || !there {
		m.Errorf("the topic is in deletion: %t, %v", there, err)
	}
}

// awaitDeleted waits until nothing is left of the topic.
func (m *migration) awaitDeleted() {
	m.Helper()
	await(m.load, "the topic to be gone", func() bool {
		left := 0
		for _, path := range []string{"/admin/delete_topics/", "/brokers/topics/", "/config/topics/"} {
			if there, _, err := m.c.Zk(m).Exists(path + doomed); err != nil || there {
				left++
			}
		}
		for i := range m.c.Brokers {
			for _, dir := range m.c.Dirs(int32(i + 1)) {
				logs, _ := filepath.Glob(filepath.Join(dir, doomed+"-[0-9]"))
				left += len(logs)
			}
		}
		return left == 0
	})
}
