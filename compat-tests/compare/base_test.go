package compare

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// baseTopic is a topic that all questions find.
type baseTopic struct {
	name       string
	partitions int32
	configs    []string // name, value, name, value, ...
	batches    [][]byte // in partition 0; the first also in partition 1
	trim       int64    // deletes the records before it
}

func baseTopics() []baseTopic {
	idempotent := func(sequence int32) func(b *kmsg.RecordBatch) {
		return func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 4000, 0, sequence }
	}
	return []baseTopic{
		{name: "conf", partitions: 1},
		{name: "strict", partitions: 1}, // for records that the brokers store differently; the test does not compare its content
		{name: "alpha", partitions: 2, batches: [][]byte{batch(nil, 1000, 1001, 1002), batch(nil, 1005), batch(idempotent(0), 999, 2000, 1500)}},
		{name: "beta", partitions: 1, configs: []string{"cleanup.policy", "compact", "retention.ms", "-1"}, batches: [][]byte{batch(nil, 3000, 3000)}},
		{name: "empty", partitions: 3},
		{name: "trimmed", partitions: 1, batches: [][]byte{batch(nil, 1000, 1001, 1002), batch(nil, 2000, 2001)}, trim: 2},
		{name: "now", partitions: 1, configs: []string{"message.timestamp.type", "LogAppendTime", "message.timestamp.before.max.ms", "1000"}, batches: [][]byte{batch(nil, 1000, 1001)}},
	}
}

// base brings both brokers to the same state.
func (p *pair) base() {
	p.both(func(s *side) error {
		for _, t := range slices.Concat(baseTopics(), recordTopics()) {
			if err := s.make(t); err != nil {
				return err
			}
		}
		if err := s.awaitProducers(); err != nil {
			return err
		}
		if err := s.awaitCoordinator(); err != nil {
			return err
		}
		_, err := s.learn()
		return err
	})
}

// awaitCoordinator has __consumer_offsets created, and waits until groups that are spread
// over its partitions have a coordinator.
func (s *side) awaitCoordinator() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		resp, err := s.call(kmsg.NewPtrFindCoordinatorRequest(), 0)
		if err != nil {
			return err
		}
		code := resp.(*kmsg.FindCoordinatorResponse).ErrorCode
		for _, group := range append([]string{stuckGroup}, groups...) {
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Group = group
			resp, err := s.call(req, 7)
			if err != nil {
				return err
			}
			code = cmp.Or(code, resp.(*kmsg.OffsetFetchResponse).ErrorCode)
		}
		if code == 0 {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("%s: no coordinator: error %d", s.name, code)
		}
	}
}

// awaitProducers waits until there are ids for idempotent producers.
func (s *side) awaitProducers() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		resp, err := s.call(kmsg.NewPtrInitProducerIDRequest(), 1)
		if err != nil {
			return err
		}
		if code := resp.(*kmsg.InitProducerIDResponse).ErrorCode; code == 0 {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("%s: no producer ids: error %d", s.name, code)
		}
	}
}

// make creates a topic, waits until it is led, and fills it.
func (s *side) make(t baseTopic) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.name, t.partitions, 1
	for i := 0; i+1 < len(t.configs); i += 2 {
		rc := kmsg.NewCreateTopicsRequestTopicConfig()
		rc.Name, rc.Value = t.configs[i], &t.configs[i+1]
		rt.Configs = append(rt.Configs, rc)
	}
	req.Topics = append(req.Topics, rt)
	resp, err := s.call(req, 7)
	if err != nil {
		return err
	}
	if got := resp.(*kmsg.CreateTopicsResponse).Topics[0]; got.ErrorCode != 0 {
		return fmt.Errorf("%s: creating %s: error %d", s.name, t.name, got.ErrorCode)
	}
	if err := s.awaitLed(t.name, t.partitions); err != nil {
		return err
	}
	for i, b := range t.batches {
		for partition := range min(t.partitions, 2) {
			if partition == 1 && i > 0 {
				break
			}
			if err := s.produce(t.name, partition, b); err != nil {
				return err
			}
		}
	}
	if t.trim > 0 {
		return s.trim(t.name, t.trim)
	}
	return nil
}

// awaitLed waits until the leader of each partition answers.
func (s *side) awaitLed(topic string, partitions int32) error {
	deadline := time.Now().Add(patience)
	for partition := int32(0); partition < partitions; {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		rt := kmsg.NewListOffsetsRequestTopic()
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rt.Topic, rp.Partition, rp.Timestamp = topic, partition, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := s.call(req, 7)
		if err != nil {
			return err
		}
		if resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode == 0 {
			partition++
		} else if time.Now().After(deadline) {
			return fmt.Errorf("%s: %s/%d is not led", s.name, topic, partition)
		}
	}
	return nil
}

func (s *side) produce(topic string, partition int32, records []byte) error {
	resp, err := s.call(produce(topic, partition, records), 9)
	if err != nil {
		return err
	}
	if got := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]; got.ErrorCode != 0 {
		return fmt.Errorf("%s: produce to %s: error %d", s.name, topic, got.ErrorCode)
	}
	return nil
}

// produce asks to append records, with acks of all.
func produce(topic string, partition int32, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 30000
	rt := kmsg.NewProduceRequestTopic()
	rp := kmsg.NewProduceRequestTopicPartition()
	rt.Topic, rt.TopicID, rp.Partition, rp.Records = topic, placeholder(topic), partition, records
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func (s *side) trim(topic string, offset int64) error {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 30000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rt.Topic, rp.Offset = topic, offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := s.call(req, 2)
	if err != nil {
		return err
	}
	if got := resp.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]; got.ErrorCode != 0 {
		return fmt.Errorf("%s: deleting records of %s: error %d", s.name, topic, got.ErrorCode)
	}
	return nil
}
