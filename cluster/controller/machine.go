package controller

import (
	"fmt"
	"log/slog"
	"slices"
)

// partitionStatus is where a partition stands (kafka.controller.PartitionState).
type partitionStatus uint8

const (
	partitionNonExistent partitionStatus = iota
	partitionNew
	partitionOnline
	partitionOffline
)

// String is the state's name in Apache Kafka's logs.
func (s partitionStatus) String() string {
	return [...]string{"NonExistentPartition", "NewPartition", "OnlinePartition", "OfflinePartition"}[s]
}

// replicaStatus is where a replica stands (kafka.controller.ReplicaState).
type replicaStatus uint8

const (
	replicaNonExistent replicaStatus = iota
	replicaNew
	replicaOnline
	replicaOffline
	replicaDeletionStarted
	replicaDeletionSuccessful
	replicaDeletionIneligible
)

// String is the state's name in Apache Kafka's logs.
func (s replicaStatus) String() string {
	return [...]string{"NonExistentReplica", "NewReplica", "OnlineReplica", "OfflineReplica", "ReplicaDeletionStarted",
		"ReplicaDeletionSuccessful", "ReplicaDeletionIneligible"}[s]
}

// partitionBefore has the states of a partition that may come before each state.
var partitionBefore = [...][]partitionStatus{
	partitionNew:         {partitionNonExistent},
	partitionOnline:      {partitionNew, partitionOnline, partitionOffline},
	partitionOffline:     {partitionNew, partitionOnline, partitionOffline},
	partitionNonExistent: {partitionOffline},
}

// replicaBefore has the states of a replica that may come before each state.
var replicaBefore = [...][]replicaStatus{
	replicaNew:                {replicaNonExistent},
	replicaOnline:             {replicaNew, replicaOnline, replicaOffline, replicaDeletionIneligible},
	replicaOffline:            {replicaNew, replicaOnline, replicaOffline, replicaDeletionIneligible},
	replicaDeletionStarted:    {replicaOffline},
	replicaDeletionSuccessful: {replicaDeletionStarted},
	replicaDeletionIneligible: {replicaOffline, replicaDeletionStarted},
	replicaNonExistent:        {replicaDeletionSuccessful},
}

// StateError is a step that a partition or a replica must not take. It concerns that partition alone.
type StateError struct {
	// What is the partition, or the partition and the broker of its replica.
	What     string
	From, To fmt.Stringer
}

// Error names the partition and the step.
func (e *StateError) Error() string {
	return fmt.Sprintf("%s cannot go from %s to %s", e.What, e.From, e.To)
}

// move takes a partition to a state. A step that is not legal is logged and not taken; then move gives false.
func (d *Decision) move(p *partition, to partitionStatus) bool {
	if !slices.Contains(partitionBefore[to], p.status) {
		d.refused(p, &StateError{p.tp().String(), p.status, to})
		return false
	}
	p.status = to
	return true
}

// moveReplica takes a replica through states, one after the other, until one is not legal: that is logged, and moveReplica gives false.
func (d *Decision) moveReplica(p *partition, r *replica, through ...replicaStatus) bool {
	for _, to := range through {
		if !slices.Contains(replicaBefore[to], r.status) {
			d.refused(p, &StateError{fmt.Sprintf("%s on broker %d", p.tp(), r.broker), r.status, to})
			return false
		}
		r.status = to
	}
	return true
}

func (d *Decision) refused(p *partition, err error) {
	d.log(slog.LevelError, "a step of a partition was refused", "partition", p.tp(), "error", err)
}
