package harness

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Reassignments lists all reassignments under way, by TOPIC/PARTITION. kadm asks for those of given topics alone, and asks nobody where none are given.
func Reassignments(ctx context.Context, cl *kgo.Client) (map[string]kmsg.ListPartitionReassignmentsResponseTopicPartition, error) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest() // without topics: of all
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return nil, err
	}
	all := map[string]kmsg.ListPartitionReassignmentsResponseTopicPartition{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			all[fmt.Sprintf("%s/%d", t.Topic, p.Partition)] = p
		}
	}
	return all, nil
}
