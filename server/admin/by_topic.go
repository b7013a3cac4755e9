package admin

import "klamm/protocol"

// byTopic is the list of topics of an answer that names each topic once, however often the request names it.
type byTopic[T any] struct {
	list   *[]T
	places map[string]int
	empty  func(topic string) T
}

// newByTopic makes a byTopic of an empty list. empty makes the entry of a topic.
func newByTopic[T any](list *[]T, empty func(topic string) T) *byTopic[T] {
	return &byTopic[T]{list: list, places: make(map[string]int), empty: empty}
}

// of returns a topic's entry. It adds the entry if the list has none. The pointer is valid until the next call.
func (b *byTopic[T]) of(topic string) *T {
	at, known := b.places[topic]
	if !known {
		at = len(*b.list)
		b.places[topic] = at
		*b.list = append(*b.list, b.empty(topic))
	}
	return &(*b.list)[at]
}

// namedPartitions returns the partitions that the topics of a request name, each once; nil if the list of topics is null.
func namedPartitions[T any](topics []T, of func(*T) (topic string, partitions []int32)) []protocol.TopicPartition {
	if topics == nil {
		return nil
	}
	list := []protocol.TopicPartition{}
	seen := make(map[protocol.TopicPartition]bool)
	for i := range topics {
		topic, partitions := of(&topics[i])
		for _, n := range partitions {
			if tp := (protocol.TopicPartition{Topic: topic, Partition: n}); !seen[tp] {
				seen[tp] = true
				list = append(list, tp)
			}
		}
	}
	return list
}
