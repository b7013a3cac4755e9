package observe

import (
	"maps"
	"slices"
	"sync"
)

// Topic counts what clients do with one topic (kafka.server.BrokerTopicMetrics). The rooms call its methods; who reads takes Counts.
type Topic struct{ counts [topicCounters]Counter }

// TopicCounter is one of the counters of a Topic.
type TopicCounter int

// The counters of a topic. Bytes are those of record batches as they are stored.
const (
	MessagesIn TopicCounter = iota
	BytesIn
	BytesOut
	BytesRejected
	ProduceRequests // partitions in Produce requests
	FetchRequests   // partitions in Fetch requests of consumers
	FailedProduceRequests
	FailedFetchRequests
	ProduceConversions
	FetchConversions
	NoKeyInCompacted
	InvalidCRC
	InvalidSequence
	topicCounters
)

// TopicCounts are the counters of a topic at one moment.
type TopicCounts [topicCounters]int64

// Add adds to one of the counters.
func (t *Topic) Add(c TopicCounter, n int64) {
	if t != nil {
		t.counts[c].Add(n)
	}
}

// Counts gives the present counts.
func (t *Topic) Counts() (c TopicCounts) {
	if t == nil {
		return c
	}
	for i := range c {
		c[i] = t.counts[i].Load()
	}
	return c
}

func (t *Topic) addAll(c TopicCounts) {
	for i, n := range c {
		t.Add(TopicCounter(i), n)
	}
}

// topics are the topics that this broker has replicas of.
type topics struct {
	// others counts what concerns no topic that is here: topics that were here, and requests for topics that are not.
	others Topic
	mu     sync.RWMutex
	byName map[string]*Topic // guarded by mu
}

// Topic gives the counters of a topic that this broker has a replica of, and makes them when they are not there.
func (o *Observer) Topic(name string) *Topic {
	if o == nil {
		return nil
	}
	o.topics.mu.Lock()
	defer o.topics.mu.Unlock()
	t := o.topics.byName[name]
	if t == nil {
		t = new(Topic)
		if o.topics.byName == nil {
			o.topics.byName = map[string]*Topic{}
		}
		o.topics.byName[name] = t
	}
	return t
}

// TopicGone says that this broker has no replica of a topic any more. What was counted stays in the sum over all topics.
func (o *Observer) TopicGone(name string) {
	if o == nil {
		return
	}
	o.topics.mu.Lock()
	defer o.topics.mu.Unlock()
	if t := o.topics.byName[name]; t != nil {
		delete(o.topics.byName, name)
		o.topics.others.addAll(t.Counts())
	}
}

// Known gives the counters of a topic, or where this broker has no replica of it those of all such topics together: a name that a client made up
// becomes no name of a metric.
func (o *Observer) Known(name string) *Topic {
	if o == nil {
		return nil
	}
	o.topics.mu.RLock()
	defer o.topics.mu.RUnlock()
	if t := o.topics.byName[name]; t != nil {
		return t
	}
	return &o.topics.others
}

// NamedCounts are the counts of a topic.
type NamedCounts struct {
	Topic string
	TopicCounts
}

// TopicCounts gives the counts of the topics that are here in the order of their names, and those of all topics that ever were.
func (o *Observer) TopicCounts() (list []NamedCounts, all TopicCounts) {
	if o == nil {
		return nil, all
	}
	o.topics.mu.RLock()
	byName := maps.Clone(o.topics.byName)
	all = o.topics.others.Counts()
	o.topics.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		c := byName[name].Counts()
		list = append(list, NamedCounts{name, c})
		for i, n := range c {
			all[i] += n
		}
	}
	return list, all
}
