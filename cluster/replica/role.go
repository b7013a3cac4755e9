package replica

import (
	"slices"

	"klamm/cluster/order"
	"klamm/protocol"
)

// Role is what this broker is in a partition.
type Role int8

// The roles. A partition has NoRole while the controller has not said who leads it, and after it was told to stop. A partition is
// Offline once its log directory failed, until the broker starts again.
const (
	NoRole Role = iota
	Leader
	Follower
	Offline
)

// String names the role.
func (r Role) String() string {
	switch r {
	case Leader:
		return "leader"
	case Follower:
		return "follower"
	case Offline:
		return "offline"
	}
	return "no role"
}

// State is what this broker knows of a partition's leadership at one instant. It is never changed: a change makes a new one.
type State struct {
	Role    Role
	TopicID protocol.UUID // zero for a topic that is older than topic ids
	// Leader is -1 while it is not known.
	Leader int32
	// LeaderEpoch is -1 before the first order. It only grows.
	LeaderEpoch    int32
	PartitionEpoch int32
	// Replicas are all brokers of the partition, the preferred leader first.
	Replicas []int32
	// Adding and Removing are the replicas that a reassignment under way adds and removes.
	Adding, Removing []int32
	// ISR are the replicas in sync, by what the controller has confirmed to this leader; nil when this broker does not lead. It may have
	// brokers that are no replicas any more (KAFKA-9672).
	ISR []int32
	// MaximalISR has those as well that the controller was asked to add: they may be in sync already, by what the controller knows
	// (KIP-497). Those that it was asked to remove stay in until it has answered.
	MaximalISR []int32
	// EpochStart is the log end offset at which this broker began to lead in LeaderEpoch.
	EpochStart int64

	// since is the leader epoch in which the leadership began that still lasts. It is smaller than LeaderEpoch after this broker was
	// elected again. Nothing was truncated meanwhile.
	since int32
	// unbroken is the leader epoch from which on no epoch was missed in which another broker may have led.
	unbroken int32
	// refusal is why this broker does not serve as leader; nil if it does.
	refusal error
}

// Leading is nil if this broker leads the partition. Otherwise it says why the partition is not served: a *NotLeaderError, an
// *UnknownPartitionError after it was deleted, or the *logstore.DirError of the directory that failed.
func (s *State) Leading() error { return s.refusal }

// Replicating is nil if this broker leads or follows the partition, so that consumers may read its log up to the high watermark
// (KIP-392). Otherwise it is what Leading gives.
func (s *State) Replicating() error {
	if s.Role == Follower {
		return nil
	}
	return s.refusal
}

// Reassigning says whether a reassignment adds replicas to the partition (kafka.cluster.Partition.isReassigning).
func (s *State) Reassigning() bool { return len(s.Adding) > 0 }

// HasReplica says whether a broker is one of the partition's.
func (s *State) HasReplica(id int32) bool { return slices.Contains(s.Replicas, id) }

// ledSince says whether this broker has led in every leader epoch since one.
func (s *State) ledSince(epoch int32) bool { return s.Role == Leader && s.unbroken <= epoch }

// servesIn says whether fetches are served in a leader epoch: by the leader, or by a follower.
func (s *State) servesIn(epoch int32) bool {
	return s.LeaderEpoch == epoch && (s.Role == Leader || s.Role == Follower)
}

// minISR is how many replicas have to be in sync: min.insync.replicas, but no more than there are replicas.
func (s *State) minISR(cfg *Config) int { return min(int(cfg.MinInSyncReplicas), len(s.Replicas)) }

// withISR is the state with another ISR that the controller has confirmed, and a change of it that was asked for, nil for none.
func (s *State) withISR(isr []int32, partitionEpoch int32, asked *alteration) *State {
	next := *s
	next.ISR, next.MaximalISR, next.PartitionEpoch = isr, isr, partitionEpoch
	if asked != nil && asked.adds {
		next.MaximalISR = asked.isr
	}
	return &next
}

// ordered is the state that an order makes, but for what depends on the role.
func (s *State) ordered(o *order.LeaderAndISR) *State {
	next := &State{
		TopicID: s.TopicID, Leader: o.Leader, LeaderEpoch: o.LeaderEpoch, PartitionEpoch: o.PartitionEpoch,
		Replicas: o.Replicas, Adding: o.Adding, Removing: o.Removing, since: -1,
	}
	if !o.TopicID.IsZero() {
		next.TopicID = o.TopicID
	}
	return next
}
