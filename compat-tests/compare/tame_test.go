package compare

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// tame takes out of generated requests what would leave the brokers in different states,
// or one of them without an answer. The requests written by hand ask for it where it
// harms nothing else.
func tame(req kmsg.Request) {
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		tameProduce(req)
	case *kmsg.CreateTopicsRequest:
		for i := range req.Topics {
			if senseless(req.Topics[i].ReplicaAssignment) {
				req.Topics[i].ReplicaAssignment = nil // 3.9.2 makes topics of some
			}
		}
	case *kmsg.CreatePartitionsRequest:
		if !req.ValidateOnly && len(req.Topics) > 1 && noNode(question{key: req.Key(), version: 0, body: req.AppendTo(nil), req: req}) {
			req.ValidateOnly = true // one of the topics has the reference refuse the others
		}
	case *kmsg.JoinGroupRequest:
		// With a protocol named twice 3.9.2 finds none that all know, and does not answer.
		seen := map[string]bool{}
		req.Protocols = slices.DeleteFunc(slices.Clone(req.Protocols), func(p kmsg.JoinGroupRequestProtocol) bool {
			again := seen[p.Name]
			seen[p.Name] = true
			return again
		})
	case *kmsg.OffsetFetchRequest:
		if len(req.Groups) == 0 {
			req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g1", MemberEpoch: -1}} // 3.9.2 does not answer for none
		}
	case *kmsg.AddPartitionsToTxnRequest:
		if req.Transactions == nil {
			req.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{{TransactionalID: "tx"}} // 3.9.2 does not answer for none
		}
	case *kmsg.AlterPartitionAssignmentsRequest:
		// To assign a partition to what it is assigned to gives it a higher leader epoch in the reference.
		for i := range req.Topics {
			req.Topics[i].Partitions = slices.DeleteFunc(slices.Clone(req.Topics[i].Partitions), func(p kmsg.AlterPartitionAssignmentsRequestTopicPartition) bool {
				return len(p.Replicas) == 1 && p.Replicas[0] == 0
			})
		}
	case *kmsg.AlterConfigsRequest:
		// With a resource named twice, beside others that are not, 3.9.2 never answers.
		seen := map[string]bool{}
		req.Resources = slices.DeleteFunc(slices.Clone(req.Resources), func(r kmsg.AlterConfigsRequestResource) bool {
			id := r.ResourceType.String() + r.ResourceName
			if !slices.Contains(knownTypes, r.ResourceType) {
				id = "UNKNOWN" + r.ResourceName // they are one type to 3.9.2
			}
			again := seen[id]
			seen[id] = true
			return again
		})
	}
}

// knownTypes are the types of resources that 3.9.2 tells apart.
var knownTypes = []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics}

// tameProduce keeps each partition once. Where the batches of a partition cannot be told
// apart, it keeps a single partition: the reference refuses the others together with that
// one.
func tameProduce(req *kmsg.ProduceRequest) {
	seen := map[string]bool{}
	torn := false
	for i := range req.Topics {
		t := &req.Topics[i]
		t.Partitions = slices.DeleteFunc(slices.Clone(t.Partitions), func(p kmsg.ProduceRequestTopicPartition) bool {
			id := t.Topic + string(rune(p.Partition))
			again := seen[id]
			seen[id] = true
			torn = torn || !framed(p.Records)
			return again
		})
	}
	if !torn {
		return
	}
	req.Topics = req.Topics[:1]
	if len(req.Topics[0].Partitions) > 1 {
		req.Topics[0].Partitions = req.Topics[0].Partitions[:1]
	}
}

// framed says whether the bytes can be split into batches or messages.
func framed(b []byte) bool {
	text := recordsText(b).(map[string]any)
	return text["CutShort"] == 0 && (len(b) <= magicAt || int8(b[magicAt]) >= 0 && b[magicAt] <= 2)
}
