package znode

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"klamm/protocol"
)

// Topic is the body of /brokers/topics/T: which brokers hold which partition.
type Topic struct {
	// ID is zero in bodies older than version 3.
	ID protocol.UUID
	// Partitions is sorted by number.
	Partitions []Replicas
}

// Replicas are the brokers that hold a partition, the preferred leader first. Adding and Removing are the brokers
// that a reassignment in progress adds and removes.
type Replicas struct {
	Partition int32
	Replicas  []int32
	Adding    []int32
	Removing  []int32
}

// Encode writes version 3 of the body.
func (t *Topic) Encode() []byte {
	b := make([]byte, 0, 128+16*len(t.Partitions))
	b = append(b, `{"partitions":`...)
	b = appendReplicas(b, t.Partitions, func(r *Replicas) []int32 { return r.Replicas }, true)
	if !t.ID.IsZero() {
		b = append(b, `,"topic_id":"`...)
		b = append(b, t.ID.String()...)
		b = append(b, '"')
	}
	b = append(b, `,"adding_replicas":`...)
	b = appendReplicas(b, t.Partitions, func(r *Replicas) []int32 { return r.Adding }, false)
	b = append(b, `,"removing_replicas":`...)
	b = appendReplicas(b, t.Partitions, func(r *Replicas) []int32 { return r.Removing }, false)
	return append(b, `,"version":3}`...)
}

// appendReplicas writes one list of each partition. It leaves out empty lists unless all is set.
func appendReplicas(b []byte, partitions []Replicas, list func(*Replicas) []int32, all bool) []byte {
	b = append(b, '{')
	first := true
	for i := range partitions {
		ids := list(&partitions[i])
		if len(ids) == 0 && !all {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = strconv.AppendInt(b, int64(partitions[i].Partition), 10)
		b = append(b, `":[`...)
		for j, id := range ids {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(id), 10)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// DecodeTopic reads the body of /brokers/topics/T: versions 1 (partitions), 2 (adding and removing replicas) and
// 3 (the id). The error is a *DecodeError.
func DecodeTopic(topic string, data []byte) (*Topic, error) {
	path := TopicPath(topic)
	var body struct {
		Partitions map[int32][]int32 `json:"partitions"`
		ID         string            `json:"topic_id"`
		Adding     map[int32][]int32 `json:"adding_replicas"`
		Removing   map[int32][]int32 `json:"removing_replicas"`
	}
	if err := decode(path, data, &body); err != nil {
		return nil, err
	}
	t := &Topic{Partitions: make([]Replicas, 0, len(body.Partitions))}
	if body.ID != "" {
		var err error
		if t.ID, err = protocol.ParseUUID(body.ID); err != nil {
			return nil, &DecodeError{Path: path, Data: data, Err: err}
		}
	}
	for p, replicas := range body.Partitions {
		if p < 0 {
			return nil, &DecodeError{Path: path, Data: data, Err: fmt.Errorf("partition %d", p)}
		}
		t.Partitions = append(t.Partitions, Replicas{
			Partition: p, Replicas: replicas, Adding: body.Adding[p], Removing: body.Removing[p],
		})
	}
	slices.SortFunc(t.Partitions, func(a, b Replicas) int { return cmp.Compare(a.Partition, b.Partition) })
	return t, nil
}

// NoLeader is the leader of a partition that has none.
const NoLeader int32 = -1

// PartitionState is the body of /brokers/topics/T/partitions/P/state (version 1).
type PartitionState struct {
	ControllerEpoch int32
	Leader          int32
	LeaderEpoch     int32
	ISR             []int32
	// Recovering is set by an unclean election until the leader has recovered (leader_recovery_state 1).
	Recovering bool
}

// Encode writes the body.
func (s *PartitionState) Encode() []byte {
	b := make([]byte, 0, 96)
	b = append(b, `{"controller_epoch":`...)
	b = strconv.AppendInt(b, int64(s.ControllerEpoch), 10)
	b = append(b, `,"leader":`...)
	b = strconv.AppendInt(b, int64(s.Leader), 10)
	b = append(b, `,"version":1`...)
	if s.Recovering {
		b = append(b, `,"leader_recovery_state":1`...)
	}
	b = append(b, `,"leader_epoch":`...)
	b = strconv.AppendInt(b, int64(s.LeaderEpoch), 10)
	b = append(b, `,"isr":[`...)
	for i, id := range s.ISR {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return append(b, ']', '}')
}

// DecodePartitionState reads the body of a partition's state. The error is a *DecodeError.
func DecodePartitionState(tp protocol.TopicPartition, data []byte) (PartitionState, error) {
	if s, ok := scanState(data); ok {
		return s, nil
	}
	return decodeState(tp, data)
}

// decodeState reads a body in any form of JSON.
func decodeState(tp protocol.TopicPartition, data []byte) (PartitionState, error) {
	path := PartitionStatePath(tp)
	var body struct {
		ControllerEpoch *int32  `json:"controller_epoch"`
		Leader          *int32  `json:"leader"`
		LeaderEpoch     *int32  `json:"leader_epoch"`
		ISR             []int32 `json:"isr"`
		Recovery        int8    `json:"leader_recovery_state"`
	}
	if err := decode(path, data, &body); err != nil {
		return PartitionState{}, err
	}
	if body.Leader == nil || body.LeaderEpoch == nil || body.ControllerEpoch == nil {
		return PartitionState{}, &DecodeError{Path: path, Data: data, Err: errors.New("leader, leader_epoch or controller_epoch is missing")}
	}
	return PartitionState{
		ControllerEpoch: *body.ControllerEpoch, Leader: *body.Leader, LeaderEpoch: *body.LeaderEpoch,
		ISR: body.ISR, Recovering: body.Recovery != 0,
	}, nil
}

// scanState reads a body in the form in which klamm and Apache's brokers write it. A controller that begins reads the states of all
// partitions, and a JSON decoder takes ten times as long. It gives false for any other form, also for one that cannot be read.
func scanState(data []byte) (s PartitionState, ok bool) {
	c := scanner{left: data}
	c.skip(`{"controller_epoch":`)
	s.ControllerEpoch = c.number()
	c.skip(`,"leader":`)
	s.Leader = c.number()
	c.skip(`,"version":1`)
	s.Recovering = c.optional(`,"leader_recovery_state":1`)
	c.skip(`,"leader_epoch":`)
	s.LeaderEpoch = c.number()
	c.skip(`,"isr":[`)
	s.ISR = make([]int32, 0, 3)
	for more := !c.optional(`]}`); more && !c.failed; more = !c.optional(`]}`) {
		if len(s.ISR) > 0 {
			c.skip(`,`)
		}
		s.ISR = append(s.ISR, c.number())
	}
	return s, !c.failed && len(c.left) == 0
}

// scanner takes a body apart from its beginning on.
type scanner struct {
	left   []byte
	failed bool
}

// optional takes a text if it comes next, and says whether it does.
func (c *scanner) optional(text string) bool {
	if len(c.left) < len(text) || string(c.left[:len(text)]) != text {
		return false
	}
	c.left = c.left[len(text):]
	return true
}

// skip takes a text that has to come next.
func (c *scanner) skip(text string) { c.failed = !c.optional(text) || c.failed }

// number takes a number as JSON writes whole ones.
func (c *scanner) number() int32 {
	n := 0
	for n < len(c.left) && (c.left[n] == '-' || '0' <= c.left[n] && c.left[n] <= '9') {
		n++
	}
	digits := string(c.left[:n])
	v, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || strconv.FormatInt(v, 10) != digits {
		c.failed = true
	}
	c.left = c.left[n:]
	return int32(v)
}
