package admin

// DescribeLogDirs: key 35, versions 0 to 5.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 an error for the whole answer
//	4 the bytes of the volume, in all and usable (KIP-827)
//	5 whether a directory is cordoned
//
// Null asks for all partitions, an empty list for none. The answer leaves out
// partitions that this broker does not have. A size is that of the segments' .log
// files. A partition that moves to another directory (AlterReplicaLogDirs) stands in
// both: in the new one as a future replica, with the number of offsets that the copy
// still lacks.
//
// Refused: a directory that failed (KAFKA_STORAGE_ERROR, without topics).
//
// Missing on purpose: cordoned directories. klamm has no way to cordon one yet.

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/protocol"
	"klamm/server/request"
)

// DescribeLogDirs serves DescribeLogDirs: see above.
func (s *Service) DescribeLogDirs(_ *request.Call, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	wanted := make(map[protocol.TopicPartition]bool)
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			wanted[protocol.TopicPartition{Topic: req.Topics[i].Topic, Partition: p}] = true
		}
	}
	for _, dir := range s.store.Dirs() {
		out := kmsg.NewDescribeLogDirsResponseDir()
		out.Dir = dir.Path
		if dir.Err != nil {
			out.ErrorCode = kerr.KafkaStorageError.Code
			resp.Dirs = append(resp.Dirs, out)
			continue
		}
		out.TotalBytes, out.UsableBytes = dir.Total, dir.Usable
		out.Topics = describedLogs(dir.Logs, func(tp protocol.TopicPartition) bool { return req.Topics == nil || wanted[tp] })
		resp.Dirs = append(resp.Dirs, out)
	}
	return resp
}

// describedLogs groups the wanted logs of one directory by topic, in the order of topics and partitions.
func describedLogs(logs []logstore.LogInfo, wants func(protocol.TopicPartition) bool) []kmsg.DescribeLogDirsResponseDirTopic {
	slices.SortFunc(logs, func(a, b logstore.LogInfo) int {
		return cmp.Or(cmp.Compare(a.Partition.Topic, b.Partition.Topic), cmp.Compare(a.Partition.Partition, b.Partition.Partition))
	})
	var out []kmsg.DescribeLogDirsResponseDirTopic
	for _, l := range logs {
		if !wants(l.Partition) {
			continue
		}
		if len(out) == 0 || out[len(out)-1].Topic != l.Partition.Topic {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = l.Partition.Topic
			out = append(out, t)
		}
		p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		p.Partition, p.Size, p.OffsetLag, p.IsFuture = l.Partition.Partition, l.SizeBytes, l.OffsetLag, l.Future
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, p)
	}
	return out
}
