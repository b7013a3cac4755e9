package replay

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitVersion is the highest without flexible fields, as for the others.
const commitVersion = 7

// CommitFrames encodes an OffsetCommit for each group, as for a group without members: it
// commits CommittedOffset for each of a topic's first partitions.
func CommitFrames(topic string, groups []string, partitions int) *Frames {
	f := &Frames{check: checkCommit}
	for i, group := range groups {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation = commitVersion, group, -1
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic
		for n := range partitions {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.Metadata = int32(n), CommittedOffset(i, n), kmsg.StringPtr("")
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
		f.append(req)
	}
	return f
}

// CommittedOffset is what CommitFrames commits for a partition in the group with that
// index. It differs for every group and partition.
func CommittedOffset(group, partition int) int64 { return int64(group)*100_000 + int64(partition) }

// checkCommit looks at every partition of the answer to an OffsetCommit of one topic.
func checkCommit(answer []byte, correlation int32) error {
	if err := checkOrder(answer, correlation); err != nil {
		return err
	}
	if len(answer) < 14 { // correlation id, throttle time, how many topics, the length of a name
		return errShort
	}
	at := 14 + int(binary.BigEndian.Uint16(answer[12:]))
	if len(answer) < at+4 {
		return errShort
	}
	const each = 4 + 2 // a partition and its code
	n := int(binary.BigEndian.Uint32(answer[at:]))
	partitions := answer[at+4:]
	if n == 0 || len(partitions) != n*each {
		return fmt.Errorf("replay: OffsetCommit: %d bytes for %d partitions", len(partitions), n)
	}
	for i := range n {
		if code := int16(binary.BigEndian.Uint16(partitions[i*each+4:])); code != 0 {
			return fmt.Errorf("replay: OffsetCommit: %w", kerr.ErrorForCode(code))
		}
	}
	return nil
}
