package cluster

import (
	"context"

	"klamm/cluster/controller"

	"klamm/cluster/order"
)

// What an administrator asks for and is answered; the types are the controller's.
type (
	// NewTopic is a topic asked for.
	NewTopic = controller.NewTopic
	// Assignment is one partition's replicas in a NewTopic.
	Assignment = controller.Assignment
	// ConfigEntry is a property and its value, nil for null.
	ConfigEntry = controller.ConfigEntry
	// NewPartitions asks for a topic to have more partitions.
	NewPartitions = controller.NewPartitions
	// TopicRef is a topic by its name, or by its id if that is set.
	TopicRef = controller.TopicRef
	// TopicResult is the answer for one topic.
	TopicResult = controller.TopicResult
	// Error is a refusal: its kind, one of ErrXxx, and the sentence that Apache's broker gives to the client.
	Error = order.Error
)

// Why a change is refused; ask with errors.Is. The message of the error is the one for the client.
var (
	ErrTopicExists              = order.ErrTopicExists
	ErrInvalidTopic             = order.ErrInvalidTopic
	ErrInvalidPartitions        = order.ErrInvalidPartitions
	ErrInvalidReplicationFactor = order.ErrInvalidReplicationFactor
	ErrInvalidReplicaAssignment = order.ErrInvalidReplicaAssignment
	ErrInvalidConfig            = order.ErrInvalidConfig
	ErrInvalidRequest           = order.ErrInvalidRequest
	ErrPolicyViolation          = order.ErrPolicyViolation
	ErrUnknownTopic             = order.ErrUnknownTopic
	ErrUnknownTopicID           = order.ErrUnknownTopicID
	ErrReassignmentInProgress   = order.ErrReassignmentInProgress
	ErrTimedOut                 = order.ErrTimedOut
	ErrAdminOperation           = order.ErrAdminOperation
	ErrNotController            = order.ErrNotController
)

// ValidateTopicName checks a name against Kafka's rules. The error wraps ErrInvalidTopic.
func ValidateTopicName(name string) error { return controller.ValidateTopicName(name) }

// CreateTopics creates topics, each by itself. The results are one for each, in order. When this returns, a topic without an error is
// in Metadata and its partitions are served. ErrTimedOut says that the topic was created, and a partition of it has no live replica.
// With validateOnly nothing is created. An error about the whole request (the tree cannot be written, the context ended) stands in every result.
func (b *Broker) CreateTopics(ctx context.Context, topics []NewTopic, validateOnly bool) []TopicResult {
	e := &controller.CreateTopics{Topics: topics, ValidateOnly: validateOnly, AskedBy: askedBy(ctx)}
	if err := b.controller.Do(ctx, e); err != nil {
		return failed(err, len(topics), func(i int) TopicResult { return TopicResult{Name: topics[i].Name} })
	}
	return e.Results
}

// CreatePartitions gives topics more partitions. Results and errors are as those of CreateTopics.
func (b *Broker) CreatePartitions(ctx context.Context, topics []NewPartitions, validateOnly bool) []TopicResult {
	e := &controller.CreatePartitions{Topics: topics, ValidateOnly: validateOnly, AskedBy: askedBy(ctx)}
	if err := b.controller.Do(ctx, e); err != nil {
		return failed(err, len(topics), func(i int) TopicResult { return TopicResult{Name: topics[i].Topic} })
	}
	return e.Results
}

// DeleteTopics deletes topics by name or id. The results are one for each, in order, with both name and id. When this returns, a topic
// without an error is gone from Metadata, and its logs are renamed, to be deleted later. While a broker that is not live, or a broken disk, holds
// a replica of it, the topic stays marked for deletion in the tree and its name cannot be used again. A topic named twice is deleted once.
func (b *Broker) DeleteTopics(ctx context.Context, topics []TopicRef) []TopicResult {
	e := &controller.DeleteTopics{Topics: topics, AskedBy: askedBy(ctx)}
	if err := b.controller.Do(ctx, e); err != nil {
		return failed(err, len(topics), func(i int) TopicResult { return TopicResult{Name: topics[i].Name, ID: topics[i].ID} })
	}
	return e.Results
}

type askedByKey struct{}

// AskedBy gives a context that says who asks for what is done with it, for the log.
func AskedBy(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, askedByKey{}, who)
}

func askedBy(ctx context.Context) string {
	who, _ := ctx.Value(askedByKey{}).(string)
	return who
}

func failed(err error, n int, result func(int) TopicResult) []TopicResult {
	results := make([]TopicResult, n)
	for i := range results {
		results[i] = result(i)
		results[i].Err = err
	}
	return results
}
