package admin

// AlterReplicaLogDirs: key 34, versions 0 to 2.
//
//	1 throttling happens after the answer
//	2 flexible
//
// The broker copies a partition's log to another directory of log.dirs. Clients go on
// writing and reading the log meanwhile, and the copy takes its place in the end
// (KIP-113). The answer comes when the move has begun; DescribeLogDirs shows how far it
// is. A request for a third directory starts a new move to that one. A request for the
// directory in which the log is now cancels the move.
//
// Refused, in this order, partition by partition: a topic's name that is too long
// for the copy's directory (INVALID_TOPIC_EXCEPTION); a path that DescribeLogDirs does
// not list (LOG_DIR_NOT_FOUND); a directory that failed (KAFKA_STORAGE_ERROR); a
// partition in a directory that failed (KAFKA_STORAGE_ERROR); a partition that the
// cluster does not have (UNKNOWN_TOPIC_OR_PARTITION), or of which this broker has no
// replica (REPLICA_NOT_AVAILABLE); any move while a directory is offline
// (KAFKA_STORAGE_ERROR). If this broker does not have the partition, it remembers the
// directory until it restarts, and creates the partition there if it gets it.
//
// Nothing is missing.
//
// If a request names a partition twice, the last directory counts and the answer names
// the partition once.

import (
	"cmp"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/view"
)

// AlterReplicaLogDirs serves AlterReplicaLogDirs: see above.
func (s *Service) AlterReplicaLogDirs(_ *request.Call, req *kmsg.AlterReplicaLogDirsRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	dirs := make(map[protocol.TopicPartition]string)
	var order []protocol.TopicPartition
	for _, dir := range req.Dirs {
		for _, t := range dir.Topics {
			for _, p := range t.Partitions {
				tp := protocol.TopicPartition{Topic: t.Topic, Partition: p}
				if _, twice := dirs[tp]; !twice {
					order = append(order, tp)
				}
				dirs[tp] = dir.Dir
			}
		}
	}
	slices.SortFunc(order, func(a, b protocol.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, tp := range order {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewAlterReplicaLogDirsResponseTopic()
			t.Topic = tp.Topic
			resp.Topics = append(resp.Topics, t)
		}
		out := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
		out.Partition, out.ErrorCode = tp.Partition, codes.Of(s.moveTo(tp, dirs[tp]))
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, out)
	}
	return resp
}

// moveTo starts to move a partition's log to a directory.
func (s *Service) moveTo(tp protocol.TopicPartition, dir string) error {
	if !logstore.CanMove(tp) {
		return kerr.InvalidTopicException
	}
	if err := s.store.CheckDir(dir); err != nil {
		return err
	}
	_, err := view.Replica(s.broker, s.replicas, tp)
	if err == nil {
		err = s.store.MoveTo(tp, dir)
	} else if !errors.Is(err, kerr.KafkaStorageError) {
		s.store.Prefer(tp, dir)
	}
	if _, elsewhere := errors.AsType[*replica.NotLeaderError](err); elsewhere || errors.Is(err, logstore.ErrNoLog) {
		return kerr.ReplicaNotAvailable
	}
	return err
}
