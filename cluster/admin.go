package cluster

import (
	"context"

	"klamm/cluster/controller"
	"klamm/cluster/order"
	"klamm/protocol"
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
	// ElectionResult is the answer for one partition whose leader is to be elected.
	ElectionResult = controller.ElectionResult
	// Reassignment asks for one partition to have other replicas. Nil Replicas cancel what is under way.
	Reassignment = controller.Reassignment
	// ReassignmentUnderWay is a partition that is being reassigned.
	ReassignmentUnderWay = controller.ReassignmentUnderWay
	// Error is a refusal: its kind, one of ErrXxx, and the sentence that Apache's broker gives to the client.
	Error = order.Error
)

// Kinds of refusals, to ask for with errors.Is; package order has more. The message of the error is the one for the client.
var (
	ErrTopicExists              = order.ErrTopicExists
	ErrInvalidReplicationFactor = order.ErrInvalidReplicationFactor
	ErrInvalidConfig            = order.ErrInvalidConfig
	ErrUnknownTopic             = order.ErrUnknownTopic
	ErrUnknownTopicID           = order.ErrUnknownTopicID
	ErrTimedOut                 = order.ErrTimedOut
	ErrNotController            = order.ErrNotController
)

// ValidateTopicName checks a name against Kafka's rules. The error wraps order.ErrInvalidTopic.
func ValidateTopicName(name string) error { return controller.ValidateTopicName(name) }

// CreateTopics creates topics, each by itself. The results are one for each, in order. When this returns, a topic without an error is
// in Metadata and its partitions are served. ErrTimedOut says that the topic was created, and that is not so in time: see Asked.
// With validateOnly nothing is created. An error about the whole request (the tree cannot be written, the context ended) stands in every result.
func (b *Broker) CreateTopics(ctx context.Context, topics []NewTopic, validateOnly bool) []TopicResult {
	a := askedOf(ctx)
	e := &controller.CreateTopics{Topics: topics, ValidateOnly: validateOnly, AskedBy: a.by, TimeoutMs: a.timeoutMs}
	if err := b.ask(ctx, e); err != nil {
		return failed(err, len(topics), func(i int) TopicResult { return TopicResult{Name: topics[i].Name} })
	}
	return e.Results
}

// CreatePartitions gives topics more partitions. Results and errors are as those of CreateTopics.
func (b *Broker) CreatePartitions(ctx context.Context, topics []NewPartitions, validateOnly bool) []TopicResult {
	a := askedOf(ctx)
	e := &controller.CreatePartitions{Topics: topics, ValidateOnly: validateOnly, AskedBy: a.by, TimeoutMs: a.timeoutMs}
	if err := b.ask(ctx, e); err != nil {
		return failed(err, len(topics), func(i int) TopicResult { return TopicResult{Name: topics[i].Topic} })
	}
	return e.Results
}

// DeleteTopics deletes topics by name or id. The results are one for each, in order, with both name and id. When this returns, a topic
// without an error is gone from Metadata, and its logs are renamed, to be deleted later. While a broker that is not live, or a broken disk, holds
// a replica of it, the topic stays marked for deletion in the tree and its name cannot be used again. A topic named twice is deleted once.
func (b *Broker) DeleteTopics(ctx context.Context, topics []TopicRef) []TopicResult {
	a := askedOf(ctx)
	e := &controller.DeleteTopics{Topics: topics, AskedBy: a.by, TimeoutMs: a.timeoutMs}
	if err := b.ask(ctx, e); err != nil {
		return failed(err, len(topics), func(i int) TopicResult { return TopicResult{Name: topics[i].Name, ID: topics[i].ID} })
	}
	return e.Results
}

// ElectLeaders elects leaders of partitions, of all partitions with nil: the preferred replicas, or with unclean any replica where there is no
// leader. When this returns, Metadata has the leaders. The results are one for each partition, in order; of all partitions, only those that
// needed an election have one. The error is about the whole request.
func (b *Broker) ElectLeaders(ctx context.Context, partitions []protocol.TopicPartition, unclean bool) ([]ElectionResult, error) {
	e := &controller.ElectLeaders{Partitions: partitions, Unclean: unclean, TimeoutMs: askedOf(ctx).timeoutMs}
	if err := b.ask(ctx, e); err != nil {
		return nil, err
	}
	return e.Results, nil
}

// AlterReassignments begins or cancels reassignments, and gives one result for each, in order. When this returns without an error, the tree has
// the new assignment, and the replicas move by and by. A partition must be named once. With keepFactor no partition gets another
// number of replicas. The error is about the whole request.
func (b *Broker) AlterReassignments(ctx context.Context, list []Reassignment, keepFactor bool) ([]error, error) {
	e := &controller.AlterReassignments{Partitions: list, KeepFactor: keepFactor}
	if err := b.ask(ctx, e); err != nil {
		return nil, err
	}
	return e.Results, nil
}

// Reassignments gives those of some partitions, of all partitions with nil, that are being reassigned.
func (b *Broker) Reassignments(ctx context.Context, partitions []protocol.TopicPartition) ([]ReassignmentUnderWay, error) {
	e := &controller.ListReassignments{Partitions: partitions}
	if err := b.ask(ctx, e); err != nil {
		return nil, err
	}
	return e.Results, nil
}

// asked is who asks, and how long they wait.
type asked struct {
	by        string
	timeoutMs int32
}

type askedKey struct{}

// Asked gives a context that says who asks for what is done with it, for the log, and how long they wait for brokers. What is not done by then, and
// with 0 or less all that was begun, is answered as ErrTimedOut, and happens all the same. The context has to end later than that: where it
// ends first, nothing is known of what became of the request.
func Asked(ctx context.Context, by string, timeoutMs int32) context.Context {
	return context.WithValue(ctx, askedKey{}, asked{by, timeoutMs})
}

func askedOf(ctx context.Context) asked {
	if a, says := ctx.Value(askedKey{}).(asked); says {
		return a
	}
	return asked{timeoutMs: controller.PatienceMs}
}

func failed(err error, n int, result func(int) TopicResult) []TopicResult {
	results := make([]TopicResult, n)
	for i := range results {
		results[i] = result(i)
		results[i].Err = err
	}
	return results
}
