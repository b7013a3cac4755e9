package admin

// AlterReplicaLogDirs: key 34, versions 0 to 2.
//
//	1 throttling happens after the answer
//	2 flexible
//
// A partition's log is copied to another directory of log.dirs while it is
// written and read, and then goes on there (KIP-113). The answer comes when that
// has begun; DescribeLogDirs shows how far it is. Asked for yet another directory
// it begins anew for that, and for the one that the log is in it is given up.
//
// Refused, in this order, partition by partition: a topic's name that is too long
// for the copy's directory (INVALID_TOPIC_EXCEPTION); a path that is not in
// log.dirs as DescribeLogDirs tells it (LOG_DIR_NOT_FOUND); a directory that failed
// (KAFKA_STORAGE_ERROR); a partition in a directory that failed
// (KAFKA_STORAGE_ERROR); a partition that the cluster does not have
// (UNKNOWN_TOPIC_OR_PARTITION), or that is another broker's
// (REPLICA_NOT_AVAILABLE); any move while a directory is offline
// (KAFKA_STORAGE_ERROR). Of a partition that is not here the directory is
// remembered until a restart: when it comes it is made there.
//
// Missing on purpose: nothing.
//
// Of a partition that is named twice the last directory counts, and it is
// answered once.

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

// moveTo has a partition's log move to a directory.
func (s *Service) moveTo(tp protocol.TopicPartition, dir string) error {
	if !logstore.CanMove(tp) {
		return kerr.InvalidTopicException
	}
	if err := s.store.CheckDir(dir); err != nil {
		return err
	}
	_, err := view.Partition(s.broker, s.replicas, tp)
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
