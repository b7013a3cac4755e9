package plan

import (
	"fmt"
	"slices"
)

// Broker is a broker that is alive. Racks count if every broker has one.
type Broker struct {
	ID   int32
	Rack string
}

// Partition is a partition as it is. The first of the replicas is the preferred leader.
type Partition struct {
	Topic    string
	ID       int32
	Replicas []int32
	InSync   []int32
	Offline  []int32 // brokers that are alive, on which the log directory of the replica is offline
	Bytes    int64   // of one replica
	Fixed    bool    // it counts, and stays as it is
}

// Move changes the replicas of one partition.
type Move struct {
	Topic     string
	Partition int32
	From, To  []int32
	Bytes     int64 // of one replica
}

// Added are the brokers that get a copy.
func (m Move) Added() (ids []int32) {
	for _, id := range m.To {
		if !slices.Contains(m.From, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Goal is what is to be spread evenly.
type Goal string

// The goals, in the order in which Spread pursues them. A later one keeps what an earlier one has reached.
const (
	Racks    Goal = "racks"    // the replicas of each partition are in as many racks as possible, equally many in each
	Replicas Goal = "replicas" // brokers have equally many replicas
	Bytes    Goal = "bytes"    // brokers have within 10 % of the average of the bytes
	Leaders  Goal = "leaders"  // brokers are equally often the first replica; only the order of replicas changes, which copies nothing
)

// Goals are all goals, in their order.
var Goals = []Goal{Racks, Replicas, Bytes, Leaders}

// Spread spreads partitions evenly. A partition with a replica that is on a broker that is not alive, or is offline, counts, and stays as it is.
//
// Replicas are as even as possible, by the fewest replicas that move; where racks stand in the way, a plan may rarely be one replica from the best.
// optimum_test.go compares with every assignment of small clusters.
// The bytes of one broker come within 10 % of the average, or as near as the sizes of single partitions allow.
func Spread(brokers []Broker, partitions []Partition, goals ...Goal) []Move {
	s := newState(brokers, partitions)
	s.spread(goals)
	return s.moves()
}

func (s *state) spread(goals []Goal) {
	for i := range s.parts {
		p := &s.parts[i]
		p.fixed = p.fixed || slices.ContainsFunc(p.now, func(b int) bool { return s.lost(p, b) })
	}
	for _, g := range Goals {
		if !slices.Contains(goals, g) {
			continue
		}
		switch g {
		case Racks:
			s.spreadRacks()
		case Replicas:
			s.spreadReplicas()
		case Bytes:
			s.spreadBytes(slices.Contains(goals, Replicas))
		case Leaders:
			s.spreadLeaders()
		}
	}
}

// Left is a partition that stays as it is though it was to change: its move would never end. A reassignment ends when all replicas that it is going to have
// are in sync.
type Left struct {
	Topic     string
	Partition int32
	Why       string
}

// Drain moves all replicas off a broker, which may be dead, and no others; but of a partition that moves, the replicas on dead brokers move too, and
// those that are offline. The broker needs no rack for the others' to count.
func Drain(brokers []Broker, partitions []Partition, id int32) ([]Move, []Left, error) {
	brokers = slices.Clone(brokers)
	for i := range brokers {
		if b := &brokers[i]; b.ID == id && b.Rack == "" {
			b.Rack = "that of the broker which leaves"
		}
	}
	s := newState(brokers, partitions)
	return s.drain(id)
}

func (s *state) drain(id int32) (moves []Move, left []Left, err error) {
	leaving, known := s.at[id]
	if !known {
		return nil, nil, fmt.Errorf("broker %d is not alive and has no replica", id)
	}
	if s.usable[leaving] {
		s.usable[leaving] = false
		s.room[s.rack[leaving]]--
	}
	usable := s.alive(-1)
	for topic := range s.topics() {
		counts := s.countTopic(topic)
		for j := range topic {
			p := &topic[j]
			if p.fixed || !slices.Contains(p.now, leaving) {
				p.fixed = true // the leaders of the others stay
				continue
			}
			stays := 0
			for _, b := range p.now {
				stays += as(!s.lost(p, b))
			}
			switch room, dead := len(usable)-stays-s.offline(p), s.dead(p); {
			case !s.copyable(p):
				left = append(left, s.leave(p, nothingInSync, p.InSync))
				continue
			case len(usable) == 0:
				return nil, nil, fmt.Errorf("%s-%d has its replica on broker %d, and no other broker is alive", p.Topic, p.ID, id)
			case room == 0 && s.offline(p) == 0:
				return nil, nil, fmt.Errorf("%s-%d has %d replicas, and without broker %d no broker is left for the last one: lower its replication factor first",
					p.Topic, p.ID, len(p.now), id)
			case room < len(p.now)-stays:
				left = append(left, s.leave(p, "its replicas on the brokers %v, which are "+deadOrOffline+", would have to move too, and too few brokers are left: start those, or lower its replication factor to %d first",
					dead, min(len(p.now)-len(dead), len(usable))))
				continue
			}
			for i, b := range p.now {
				if s.lost(p, b) {
					to := s.place(p, i, counts)
					counts[to]++
					s.replace(p, i, to)
				}
			}
		}
	}
	s.spreadLeaders()
	return s.moves(), left, nil
}

const (
	deadOrOffline = "not alive, or have it in a log directory that is offline"
	nothingInSync = "none of its replicas in sync, %v, is on a broker that is alive, in a log directory that is online, so nothing can be copied: start one of these first"
)

// leave leaves a partition as it is.
func (s *state) leave(p *part, why string, args ...any) Left {
	p.fixed = true
	return Left{p.Topic, p.ID, fmt.Sprintf(why, args...)}
}

// Factor gives every partition n replicas, which moves none that stays.
func Factor(brokers []Broker, partitions []Partition, n int) (moves []Move, left []Left, err error) {
	if n < 1 {
		return nil, nil, fmt.Errorf("a replication factor of %d is not possible", n)
	}
	if n > len(brokers) {
		return nil, nil, fmt.Errorf("a replication factor of %d needs %d brokers, and %d are alive", n, n, len(brokers))
	}
	s := newState(brokers, partitions)
	for topic := range s.topics() {
		counts := s.countTopic(topic)
		for j := range topic {
			p := &topic[j]
			if p.fixed || len(p.now) == n {
				continue
			}
			if !s.copyable(p) {
				left = append(left, s.leave(p, nothingInSync, p.InSync))
				continue
			}
			if dead := s.dead(p); len(dead) > max(0, len(p.now)-n) { // those go first
				left = append(left, s.leave(p, "it would keep replicas on the brokers %v, which are "+deadOrOffline+": start them, or drain them first", dead))
				continue
			}
			for len(p.now) < n {
				to := s.place(p, -1, counts)
				counts[to]++
				s.add(p, to)
			}
			for len(p.now) > n {
				i := s.leastNeeded(p)
				counts[p.now[i]]--
				s.remove(p, i)
			}
		}
	}
	return s.moves(), left, nil
}
