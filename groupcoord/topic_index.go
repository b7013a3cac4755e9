package groupcoord

import "sync"

// topicIndex knows which groups have offsets of a topic, or will have once a commit or a transaction ends. With it a topic that
// is deleted costs as much as it has groups, and not as much as there are groups.
//
// Order of locks: mu comes after entry.mu.
type topicIndex struct {
	mu     sync.Mutex
	groups map[string]map[*entry]struct{} // guarded by mu; by topic
}

// update updates the index for the topics that changed in a group, which is locked.
func (x *topicIndex) update(e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var pending map[string]bool
	for _, topic := range e.changed {
		known := e.topics[topic] != nil
		if !known {
			if pending == nil {
				pending = e.pendingTopics() // once for all topics: a commit may have very many
			}
			known = pending[topic]
		}
		if known {
			x.addLocked(topic, e)
		} else {
			x.removeLocked(topic, e)
		}
	}
	e.changed = nil
}

// remove removes a group that is dead, and locked.
func (x *topicIndex) remove(e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for topic := range e.topics {
		x.removeLocked(topic, e)
	}
	for tp := range e.underway {
		x.removeLocked(tp.Topic, e)
	}
	for _, of := range e.open {
		for tp := range of {
			x.removeLocked(tp.Topic, e)
		}
	}
}

func (x *topicIndex) addLocked(topic string, e *entry) {
	if x.groups[topic] == nil {
		x.groups[topic] = map[*entry]struct{}{}
	}
	x.groups[topic][e] = struct{}{}
}

func (x *topicIndex) removeLocked(topic string, e *entry) {
	of := x.groups[topic]
	if delete(of, e); len(of) == 0 {
		delete(x.groups, topic)
	}
}

// having gives the groups that have offsets of deleted topics, each with its part of the deleted partitions.
func (x *topicIndex) having(deleted []Partitions) map[*entry][]Partitions {
	x.mu.Lock()
	defer x.mu.Unlock()
	found := map[*entry][]Partitions{}
	for _, t := range deleted {
		for e := range x.groups[t.Topic] {
			found[e] = append(found[e], t)
		}
	}
	return found
}
