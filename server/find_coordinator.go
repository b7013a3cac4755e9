package server

// FindCoordinator: key 10, version 0.
//
// The coordinator of a group is the leader of the partition of
// __consumer_offsets that the group's id hashes to. Answered with
// COORDINATOR_NOT_AVAILABLE, after which clients ask again: the topic does not
// exist, and is then created with offsets.topic.num.partitions and
// offsets.topic.replication.factor; its partition has no leader, or one that the
// client cannot reach by the listener that it came in on.
//
// Missing on purpose: versions 1 and later, which also ask for the coordinators
// of transactions and of share groups. This broker coordinates neither yet, and
// version 0 knows groups only. It is here before groups are since librdkafka
// takes it for the sign of a broker that knows lz4 (Apache Kafka 0.9), and sends
// lz4 batches uncompressed without it.

import (
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
)

func serveFindCoordinator(s *Server, c *call, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	resp.NodeID, resp.Port = -1, -1
	meta := s.broker.Metadata()
	topic := meta.Topic(cluster.OffsetsTopic)
	if topic == nil {
		s.autoCreate([]string{cluster.OffsetsTopic})
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return resp
	}
	leader := topic.Partitions[coordinatedBy(req.CoordinatorKey, len(topic.Partitions))].Leader
	for _, b := range s.aliveBrokers(c, meta) {
		if b.id == leader {
			resp.NodeID, resp.Host, resp.Port = b.id, b.host, b.port
			return resp
		}
	}
	resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
	return resp
}

// coordinatedBy gives the partition, out of so many, whose leader coordinates a
// group: the absolute of Java's String.hashCode, with 0 for the one number that
// has no absolute.
func coordinatedBy(group string, partitions int) int {
	var hash int32
	for _, unit := range utf16.Encode([]rune(group)) {
		hash = 31*hash + int32(unit)
	}
	switch {
	case hash == -1<<31:
		return 0
	case hash < 0:
		hash = -hash
	}
	return int(hash) % partitions
}
