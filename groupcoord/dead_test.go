package groupcoord

import (
	"errors"
	"testing"

	"klamm/protocol"
)

// TestGroupThatEndsMeanwhile: a request that found a group, and locks it when it is dead, is answered with an error that has the client try
// again, or that there is no such group.
func TestGroupThatEndsMeanwhile(t *testing.T) {
	config := testConfig()
	g := newGroup(&config, "g", 0)
	var out effects
	g.transition(Dead, &out)
	var join, join2, sync, commit error
	g.joinGroup(&JoinRequest{Done: func(a JoinAnswer) { join = a.Err }}, nil, &out)
	g.joinGroup(&JoinRequest{MemberID: "m", Done: func(a JoinAnswer) { join2 = a.Err }}, nil, &out)
	g.syncGroup(&SyncRequest{Done: func(a SyncAnswer) { sync = a.Err }}, &out)
	g.commitOffsets(&CommitRequest{Generation: -1, Done: func(err error) { commit = err }}, &out)
	for _, answer := range out.answers {
		answer()
	}
	_, leave := g.leaveGroup([]Leaver{{}}, &out)
	var deleteOffsets, deletion error
	g.deleteOffsets(nil, &out, func(_ []error, err error) { deleteOffsets = err })
	g.deleteGroup(&out, func(err error) { deletion = err })
	for what, is := range map[string][2]error{
		"a join":                {join, ErrNotAvailable},
		"a member's join":       {join2, ErrNotAvailable},
		"a sync":                {sync, ErrNotAvailable},
		"a heartbeat":           {g.heartbeat(&HeartbeatRequest{}, &out), ErrNotAvailable},
		"a leave":               {leave, ErrNotAvailable},
		"a commit":              {commit, ErrNotAvailable},
		"a deletion":            {deletion, ErrUnknownGroup},
		"a deletion of offsets": {deleteOffsets, ErrUnknownGroup},
	} {
		if !errors.Is(is[0], is[1]) {
			t.Errorf("%s is told %v, want %v", what, is[0], is[1])
		}
	}
	g.wake(&out)
	g.expire(&out)
	g.forgetDeleted([]Partitions{{"t", []int32{0}}})
	if len(out.writes) > 0 || g.wakeMs != never {
		t.Errorf("a group that is no more writes %v, wakes at %d", out.writes, g.wakeMs)
	}
}

// TestGroupThatOwesTombstonesLivesOn: a group whose tombstones could not be written ended with its last pending member id, and its
// offsets came back with the next load.
func TestGroupThatOwesTombstonesLivesOn(t *testing.T) {
	config := testConfig()
	g := newGroup(&config, "g", 0)
	g.owed = []protocol.TopicPartition{tpOf("t", 0)}
	g.pend("member", 1)
	g.dropPending("member", new(effects))
	if g.state == Dead {
		t.Error("the group ended")
	}
}
