package order

import (
	"errors"
	"net"
	"strconv"

	"klamm/protocol"
)

// Endpoint is the address of one of a broker's listeners, as the broker advertises it.
type Endpoint struct {
	Listener         string
	SecurityProtocol string // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
	Host             string
	Port             int32
}

// String gives LISTENER://host:port.
func (e Endpoint) String() string {
	return e.Listener + "://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// Header begins every order. A broker refuses an order of an older controller, or for an earlier registration of its own.
type Header struct {
	ControllerID    int32
	ControllerEpoch int32
	// BrokerEpoch is the czxid of the registration of the broker that the order goes to; -1 where the controller does not know it.
	BrokerEpoch int64
}

// LeaderAndISRRequest tells a broker what it is in partitions (key 4 of the protocol).
type LeaderAndISRRequest struct {
	Header
	Partitions []LeaderAndISR
	// LiveLeaders are the brokers that lead one of the partitions. A broker of 3.9 reads their addresses from UpdateMetadata.
	LiveLeaders []Node
}

// Node is a broker's address on the listener between brokers.
type Node struct {
	ID   int32
	Host string
	Port int32
}

// LeaderAndISR tells a broker what it is in one partition.
type LeaderAndISR struct {
	protocol.TopicPartition
	TopicID protocol.UUID
	// ControllerEpoch is that of the controller that wrote the state.
	ControllerEpoch int32
	// Leader is -1 where nobody leads, and -2 while the topic is deleted.
	Leader      int32
	LeaderEpoch int32
	ISR         []int32
	Replicas    []int32
	// Adding and Removing are the replicas that a reassignment under way adds and removes.
	Adding, Removing []int32
	// PartitionEpoch is the version of the partition's state, which grows with every change of leader or ISR.
	PartitionEpoch int32
	// IsNew is set when the partition, or this replica of it, was just created: there is no log yet.
	IsNew bool
	// Recovering is set by an unclean election until the leader has recovered (KIP-704).
	Recovering bool
}

// LeaderDuringDelete is the leader of a partition that is being deleted, in requests between brokers and never in the tree.
const LeaderDuringDelete int32 = -2

// StopReplicaRequest tells a broker to stop serving partitions (key 5).
type StopReplicaRequest struct {
	Header
	Partitions []StopReplica
}

// StopReplica tells a broker to stop serving one partition.
type StopReplica struct {
	protocol.TopicPartition
	// LeaderEpoch is the partition's, LeaderEpochDuringDelete for a topic that is deleted, or NoLeaderEpoch for any (KIP-570).
	LeaderEpoch int32
	// Delete asks for the log to be deleted as well.
	Delete bool
}

// The leader epochs of a StopReplica that is not of a certain epoch.
const (
	NoLeaderEpoch           int32 = -1
	LeaderEpochDuringDelete int32 = -2
)

// UpdateMetadataRequest tells a broker what the cluster looks like (key 6): all live brokers, and the partitions that changed.
type UpdateMetadataRequest struct {
	Header
	Topics  []TopicMetadata
	Brokers []LiveBroker
	// Encoded, if it is set, keeps Topics as they are on the wire. The requests to several brokers that have the same Topics share it.
	Encoded *EncodedTopics
}

// TopicMetadata has the partitions of one topic that changed.
type TopicMetadata struct {
	Name       string
	ID         protocol.UUID
	Partitions []PartitionMetadata
}

// PartitionMetadata is a partition as every broker knows it.
type PartitionMetadata struct {
	Partition       int32
	ControllerEpoch int32
	// Leader is -1 where nobody leads, and -2 for a partition that is deleted: the receiver forgets it.
	Leader         int32
	LeaderEpoch    int32
	ISR            []int32
	PartitionEpoch int32
	Replicas       []int32
	// Offline are the replicas on brokers that are not live, and those whose log directory failed.
	Offline []int32
}

// LiveBroker is a registered broker.
type LiveBroker struct {
	ID int32
	// Epoch is the czxid of its registration, -1 where it came over the wire, which does not carry it.
	Epoch     int64
	Endpoints []Endpoint
	Rack      *string
}

// Answer is what became of an order: Err if it was refused as a whole, and otherwise one error for each partition in order, nil
// for what went well. No errors at all stand for all well.
type Answer struct {
	Err        error
	Partitions []error
}

// At is the error of the i-th partition.
func (a *Answer) At(i int) error {
	if i < len(a.Partitions) {
		return a.Partitions[i]
	}
	return nil
}

// AlterPartitionRequest asks the controller for changes of ISRs (key 56, KIP-497).
type AlterPartitionRequest struct {
	BrokerID    int32
	BrokerEpoch int64
	Partitions  []AlterPartition
}

// AlterPartition asks for the ISR of one partition that the asking broker leads to become another.
type AlterPartition struct {
	protocol.TopicPartition
	TopicID        protocol.UUID
	LeaderEpoch    int32
	PartitionEpoch int32
	ISR            []int32
	Recovering     bool
}

// AlterPartitionResult is the answer for one partition: an error, or the state that the partition has now.
type AlterPartitionResult struct {
	Err            error
	Leader         int32
	LeaderEpoch    int32
	ISR            []int32
	Recovering     bool
	PartitionEpoch int32
}

// ControlledShutdownRequest says that a broker is about to stop, and asks the controller to move its leaderships away (key 7).
type ControlledShutdownRequest struct {
	BrokerID    int32
	BrokerEpoch int64 // -1 for any
}

// ProducerIDs is a block of producer ids for one broker: Count ids from First on (key 67).
type ProducerIDs struct {
	First int64
	Count int32
}

// TransientError says that an order failed for a reason that passes by itself, such as want of file descriptors: sent again, the
// order may go well.
type TransientError struct{ Err error }

// Error is the reason.
func (e *TransientError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *TransientError) Unwrap() error { return e.Err }

// IsTransient says whether an error is, or wraps, a [*TransientError].
func IsTransient(err error) bool { return errors.As(err, new(*TransientError)) }
