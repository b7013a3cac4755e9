package groups

// FindCoordinator: key 10, versions 0 to 6.
//
//	1 the kind of key: a group, or a transactional id; throttle time; a message
//	3 flexible
//	4 several keys (KIP-699)
//	5 TRANSACTION_ABORTABLE may be answered
//	6 share groups (KIP-932)
//
// The coordinator of a group is the leader of the partition of
// __consumer_offsets that the group's id hashes to. The coordinator of a transactional id
// is the leader of its partition of __transaction_state: in a cluster with brokers of
// Apache Kafka that may be one of them.
//
// Refused, key by key, in this order: a kind of key that does not exist, or that the
// version does not know (INVALID_REQUEST); a group while __consumer_offsets does not
// exist (COORDINATOR_NOT_AVAILABLE): the broker then creates the topic with
// offsets.topic.num.partitions and offsets.topic.replication.factor; a group whose
// partition has no leader, or a leader that does not have the listener by which the
// client connected, and a transactional id whose partition is so
// (COORDINATOR_NOT_AVAILABLE). A client asks again after COORDINATOR_NOT_AVAILABLE.
//
// Missing on purpose: coordinators of transactions and of share groups. klamm
// coordinates neither. It answers UNSUPPORTED_VERSION, after which clients do not ask
// again, for share groups, while __transaction_state does not exist, and for a transactional
// id whose partition this broker leads itself. Apache Kafka 3.9, which has no share groups
// either, answers COORDINATOR_NOT_AVAILABLE.

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/groupcoord"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/view"
)

// The kinds of key.
const (
	keyOfGroup       = 0
	keyOfTransaction = 1
	keyOfShareGroup  = 2
)

const (
	coordinatorKeys  = 4 // the first version with several keys
	coordinatorShare = 6 // the first version that knows share groups
)

// FindCoordinator serves FindCoordinator: see above.
func (s *Service) FindCoordinator(c *request.Call, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	if req.Version < coordinatorKeys {
		b, err := s.findCoordinator(c, req, req.CoordinatorKey)
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Host, resp.Port = codes.Of(err), codes.Message(err), b.ID, b.Host, b.Port
		if err == nil {
			resp.ErrorMessage = kmsg.StringPtr("NONE") // as the reference says
		}
		return resp
	}
	for _, key := range req.CoordinatorKeys {
		b, err := s.findCoordinator(c, req, key)
		out := kmsg.NewFindCoordinatorResponseCoordinator()
		out.Key, out.ErrorCode, out.NodeID, out.Host, out.Port = key, codes.Of(err), b.ID, b.Host, b.Port
		out.ErrorMessage = kmsg.StringPtr("")
		if kind := req.CoordinatorType; kind < keyOfGroup || kind > keyOfShareGroup || errors.Is(err, kerr.UnsupportedVersion) {
			out.ErrorMessage = codes.Message(err)
		}
		resp.Coordinators = append(resp.Coordinators, out)
	}
	return resp
}

// nobody is the coordinator in an answer that names none.
var nobody = view.BrokerAddress{ID: -1, Port: -1}

// findCoordinator returns the coordinator of the group or of the transactions with the id key.
func (s *Service) findCoordinator(c *request.Call, req *kmsg.FindCoordinatorRequest, key string) (view.BrokerAddress, error) {
	switch kind := req.CoordinatorType; {
	case kind < keyOfGroup || kind > keyOfShareGroup, kind == keyOfShareGroup && req.Version < coordinatorShare:
		return nobody, kerr.InvalidRequest
	case kind == keyOfTransaction:
		return s.transactionCoordinator(c, key)
	case kind == keyOfShareGroup:
		return nobody, codes.Refuse(kerr.UnsupportedVersion, "This broker coordinates no share groups.")
	}
	meta := s.broker.Metadata()
	topic := meta.Topic(cluster.OffsetsTopic)
	if topic == nil {
		if create := []string{cluster.OffsetsTopic}; c.Large() { // it must not wait, see request.Places
			s.autoCreateLater(c.Who(), create)
		} else {
			s.autoCreate(c.Who(), create)
		}
		return nobody, kerr.CoordinatorNotAvailable
	}
	return s.leaderOf(c, meta, topic, s.groups.PartitionOf(key))
}

// transactionCoordinator returns the coordinator of the transactions with the id key: another broker, which is Apache's unless somebody gave brokers
// of klamm replicas of __transaction_state.
func (s *Service) transactionCoordinator(c *request.Call, key string) (view.BrokerAddress, error) {
	meta := s.broker.Metadata()
	topic := meta.Topic(cluster.TransactionsTopic)
	if topic != nil && topic.Partitions.Len() > 0 {
		b, err := s.leaderOf(c, meta, topic, groupcoord.PartitionOf(key, int32(topic.Partitions.Len())))
		if err != nil || b.ID != s.broker.ID() {
			return b, err
		}
	}
	return nobody, codes.Refuse(kerr.UnsupportedVersion, "This broker coordinates no transactions.")
}

// leaderOf returns the leader of a topic's partition as the client reaches it.
func (s *Service) leaderOf(c *request.Call, meta *cluster.Metadata, topic *cluster.Topic, partition int32) (view.BrokerAddress, error) {
	if int(partition) < topic.Partitions.Len() {
		for _, b := range view.Brokers(s.broker, c, meta) {
			if b.ID == topic.Partitions.At(int(partition)).Leader {
				return b, nil
			}
		}
	}
	return nobody, kerr.CoordinatorNotAvailable
}
