package order

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/protocol"
)

// The versions in which a broker of inter.broker.protocol.version 3.9 sends requests to its peers. LeaderAndIsr, StopReplica,
// UpdateMetadata and ControlledShutdown are sent without a question before; of the others the peer says which versions it serves.
const (
	LeaderAndISRVersion        int16 = 7
	StopReplicaVersion         int16 = 4
	UpdateMetadataVersion      int16 = 8
	ControlledShutdownVersion  int16 = 3
	AlterPartitionVersion      int16 = 3
	AllocateProducerIDsVersion int16 = 0
)

// wireErrors are the codes that brokers answer each other with, and the errors that they stand for here.
var wireErrors = map[int16]error{
	kerr.UnknownTopicOrPartition.Code:     ErrUnknownPartition,
	kerr.RequestTimedOut.Code:             ErrTimedOut,
	kerr.BrokerNotAvailable.Code:          ErrBrokerNotAvailable,
	kerr.StaleControllerEpoch.Code:        ErrStaleControllerEpoch,
	kerr.NotController.Code:               ErrNotController,
	kerr.InvalidRequest.Code:              ErrInvalidRequest,
	kerr.OperationNotAttempted.Code:       ErrNotAttempted,
	kerr.KafkaStorageError.Code:           ErrStorage,
	kerr.FencedLeaderEpoch.Code:           ErrFencedLeaderEpoch,
	kerr.StaleBrokerEpoch.Code:            ErrStaleBrokerEpoch,
	kerr.InvalidUpdateVersion.Code:        ErrInvalidUpdateVersion,
	kerr.UnknownTopicID.Code:              ErrUnknownTopicID,
	kerr.BrokerIDNotRegistered.Code:       ErrBrokerIDNotRegistered,
	kerr.InconsistentTopicID.Code:         ErrInconsistentTopicID,
	kerr.IneligibleReplica.Code:           ErrIneligibleReplica,
	kerr.NoReassignmentInProgress.Code:    ErrNoReassignmentInProgress,
	kerr.ReassignmentInProgress.Code:      ErrReassignmentInProgress,
	kerr.ElectionNotNeeded.Code:           ErrElectionNotNeeded,
	kerr.PreferredLeaderNotAvailable.Code: ErrPreferredLeaderNotAvailable,
	kerr.EligibleLeadersNotAvailable.Code: ErrEligibleLeadersNotAvailable,
	kerr.InvalidReplicaAssignment.Code:    ErrInvalidReplicaAssignment,
	kerr.TopicAlreadyExists.Code:          ErrTopicExists,
	kerr.InvalidTopicException.Code:       ErrInvalidTopic,
	kerr.InvalidPartitions.Code:           ErrInvalidPartitions,
	kerr.InvalidReplicationFactor.Code:    ErrInvalidReplicationFactor,
	kerr.InvalidConfig.Code:               ErrInvalidConfig,
	kerr.PolicyViolation.Code:             ErrPolicyViolation,
}

// ErrorOf gives the error that a code in a broker's answer stands for: one of ErrXxx, nil for 0, and for the code of an error that
// this package does not have a *kerr.Error. The errors that a broker answers with become codes in package server/codes.
func ErrorOf(code int16) error {
	if code == 0 {
		return nil
	}
	if err := wireErrors[code]; err != nil {
		return err
	}
	return kerr.ErrorForCode(code)
}

// Coder gives the code of an error for an answer, 0 for nil. It is a parameter, since errors become codes in one place for the
// whole broker, above this package.
type Coder func(error) int16

// topicKey names a topic on the wire: by name, by id, or by both.
type topicKey struct {
	name string
	id   protocol.UUID
}

// grouping finds the place of each topic in a list of topics that is being made. The partitions of a topic mostly come in a
// row, so that it looks into its map once for each topic.
type grouping struct {
	places map[topicKey]int
	last   topicKey
	at     int
}

// place gives the index of a topic. isNew says that the caller appends it to its list, as the next one.
func (g *grouping) place(k topicKey) (at int, isNew bool) {
	if g.places == nil {
		g.places = make(map[topicKey]int)
	} else if k == g.last {
		return g.at, false
	}
	at, known := g.places[k]
	if !known {
		at = len(g.places)
		g.places[k] = at
	}
	g.last, g.at = k, at
	return at, !known
}

// partitionErrors are the errors in an answer by partition.
type partitionErrors map[partitionKey]error

type partitionKey struct {
	topic     topicKey
	partition int32
}

func (e *partitionErrors) add(topic topicKey, partition int32, code int16) {
	if code == 0 {
		return
	}
	if *e == nil {
		*e = make(partitionErrors)
	}
	(*e)[partitionKey{topic, partition}] = ErrorOf(code)
}

// inOrder gives one error for each of n partitions, nil if all went well.
func (e partitionErrors) inOrder(n int, key func(i int) partitionKey) []error {
	if len(e) == 0 {
		return nil
	}
	errs := make([]error, n)
	for i := range errs {
		errs[i] = e[key(i)]
	}
	return errs
}
