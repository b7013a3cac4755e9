package order

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// message is a request or response of kmsg's.
type message interface {
	SetVersion(int16)
	GetVersion() int16
	AppendTo([]byte) []byte
	ReadFrom([]byte) error
}

// sent gives a message as its receiver has it.
func sent[M message](t testing.TB, m M) M {
	t.Helper()
	got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(M)
	got.SetVersion(m.GetVersion())
	if err := got.ReadFrom(m.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	return got
}

// same compares two values; a list without elements is the same as none.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	tidy(reflect.ValueOf(got))
	tidy(reflect.ValueOf(want))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%+v, want\n%+v", what, got, want)
	}
}

// tidy makes lists without elements nil.
func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			tidy(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			tidy(v.Field(i))
		}
	case reflect.Slice:
		if v.Len() == 0 && v.CanSet() {
			v.SetZero()
		}
		for i := range v.Len() {
			tidy(v.Index(i))
		}
	}
}

// ids gives up to three broker ids.
func ids(r *rand.Rand) []int32 {
	list := make([]int32, r.IntN(4))
	for i := range list {
		list[i] = r.Int32N(100)
	}
	return list
}

func header(r *rand.Rand) Header {
	return Header{ControllerID: r.Int32N(9), ControllerEpoch: r.Int32N(99), BrokerEpoch: r.Int64N(1000) - 1}
}

// partitionsOf are partitions of some topics, those of a topic in a row, each once.
func partitionsOf(r *rand.Rand) (list []protocol.TopicPartition, id map[string]protocol.UUID) {
	id = map[string]protocol.UUID{}
	for n := range r.IntN(5) {
		name := fmt.Sprint("t", n)
		id[name] = protocol.UUID{1, byte(n)}
		for p := range 1 + r.Int32N(4) {
			list = append(list, protocol.TopicPartition{Topic: name, Partition: p * 3})
		}
	}
	return list, id
}

func randomLeaderAndISR(r *rand.Rand) *LeaderAndISRRequest {
	req := &LeaderAndISRRequest{Header: header(r)}
	list, id := partitionsOf(r)
	for _, tp := range list {
		req.Partitions = append(req.Partitions, LeaderAndISR{
			TopicPartition: tp, TopicID: id[tp.Topic], ControllerEpoch: r.Int32N(9), Leader: r.Int32N(9) - 2, LeaderEpoch: r.Int32N(99),
			ISR: ids(r), Replicas: ids(r), Adding: ids(r), Removing: ids(r), PartitionEpoch: r.Int32N(99), IsNew: r.IntN(2) == 0, Recovering: r.IntN(2) == 0,
		})
	}
	for range r.IntN(3) {
		req.LiveLeaders = append(req.LiveLeaders, Node{ID: r.Int32N(9), Host: "h", Port: r.Int32N(99)})
	}
	return req
}

func randomStopReplica(r *rand.Rand) *StopReplicaRequest {
	req := &StopReplicaRequest{Header: header(r)}
	list, _ := partitionsOf(r)
	for _, tp := range list {
		req.Partitions = append(req.Partitions, StopReplica{TopicPartition: tp, LeaderEpoch: r.Int32N(9) - 2, Delete: r.IntN(2) == 0})
	}
	return req
}

func randomUpdateMetadata(r *rand.Rand) *UpdateMetadataRequest {
	req := &UpdateMetadataRequest{Header: header(r)}
	list, id := partitionsOf(r)
	for _, tp := range list {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Name != tp.Topic {
			req.Topics = append(req.Topics, TopicMetadata{Name: tp.Topic, ID: id[tp.Topic]})
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, PartitionMetadata{
			Partition: tp.Partition, ControllerEpoch: r.Int32N(9), Leader: r.Int32N(9) - 2, LeaderEpoch: r.Int32N(9),
			ISR: ids(r), PartitionEpoch: r.Int32N(9), Replicas: ids(r), Offline: ids(r),
		})
	}
	for n := range r.Int32N(4) {
		b := LiveBroker{ID: n, Epoch: -1}
		if r.IntN(2) == 0 {
			rack := "r"
			b.Rack = &rack
		}
		for i, protocol := range securityProtocols[:r.IntN(5)] {
			b.Endpoints = append(b.Endpoints, Endpoint{Listener: fmt.Sprint("L", i), SecurityProtocol: protocol, Host: "h", Port: r.Int32N(99)})
		}
		req.Brokers = append(req.Brokers, b)
	}
	return req
}

func randomAlterPartition(r *rand.Rand) *AlterPartitionRequest {
	req := &AlterPartitionRequest{BrokerID: r.Int32N(9), BrokerEpoch: r.Int64N(99)}
	list, id := partitionsOf(r)
	for _, tp := range list {
		req.Partitions = append(req.Partitions, AlterPartition{
			TopicPartition: tp, TopicID: id[tp.Topic], LeaderEpoch: r.Int32N(9), PartitionEpoch: r.Int32N(9), ISR: ids(r), Recovering: r.IntN(2) == 0,
		})
	}
	return req
}

func TestOrdersArriveAsTheyWereSent(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		lead := randomLeaderAndISR(r)
		same(t, "LeaderAndIsr", LeaderAndISRFromWire(sent(t, lead.Wire())), lead)
		stop := randomStopReplica(r)
		same(t, "StopReplica", StopReplicaFromWire(sent(t, stop.Wire())), stop)
		update := randomUpdateMetadata(r)
		got, err := UpdateMetadataFromWire(sent(t, update.Wire()))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "UpdateMetadata", got, update)
		for version := range AlterPartitionVersion + 1 {
			alter := randomAlterPartition(r)
			got := AlterPartitionFromWire(sent(t, alter.Wire(version)))
			for i := range alter.Partitions {
				p := &alter.Partitions[i]
				if version >= idVersion {
					p.Topic = ""
				} else {
					p.TopicID = protocol.UUID{}
				}
				p.Recovering = p.Recovering && version >= 1
			}
			same(t, fmt.Sprint("AlterPartition v", version), got, alter)
		}
		down := ControlledShutdownRequest{BrokerID: r.Int32N(9), BrokerEpoch: r.Int64N(99)}
		same(t, "ControlledShutdown", ControlledShutdownFromWire(sent(t, down.Wire())), down)
	}
}

// A topic whose partitions do not come in a row is named once all the same.
func TestATopicIsNamedOnce(t *testing.T) {
	lead, stop, alter := &LeaderAndISRRequest{}, &StopReplicaRequest{}, &AlterPartitionRequest{}
	for _, topic := range []string{"a", "b", "a", "c", "b", "a"} {
		tp := protocol.TopicPartition{Topic: topic, Partition: int32(len(lead.Partitions))}
		lead.Partitions = append(lead.Partitions, LeaderAndISR{TopicPartition: tp})
		stop.Partitions = append(stop.Partitions, StopReplica{TopicPartition: tp})
		alter.Partitions = append(alter.Partitions, AlterPartition{TopicPartition: tp})
	}
	if l, s, a := lead.Wire(), stop.Wire(), alter.Wire(3); len(l.TopicStates) != 3 || len(s.Topics) != 3 || len(a.Topics) != 3 {
		t.Errorf("topics: LeaderAndIsr %d, StopReplica %d, AlterPartition %d; want 3", len(l.TopicStates), len(s.Topics), len(a.Topics))
	}
}

// Topics without an id are named by name, in a version that does so.
func TestAlterPartitionWithoutTopicIDs(t *testing.T) {
	alter := &AlterPartitionRequest{Partitions: []AlterPartition{
		{TopicPartition: protocol.TopicPartition{Topic: "a"}, TopicID: protocol.UUID{1}}, {TopicPartition: protocol.TopicPartition{Topic: "b"}},
	}}
	if v := alter.Wire(3).Version; v != 1 {
		t.Errorf("version %d, want 1", v)
	}
	if v := alter.Wire(0).Version; v != 0 {
		t.Errorf("version %d for a controller that serves no more than 0", v)
	}
}

// code is the other way of ErrorOf.
func code(err error) int16 {
	for c, e := range wireErrors {
		if errors.Is(err, e) {
			return c
		}
	}
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Code
	}
	return 0
}

func TestAnswersArriveAsTheyWereGiven(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	kinds := []error{nil, nil, ErrStorage, ErrStaleControllerEpoch, ErrFencedLeaderEpoch, kerr.UnknownServerError}
	for range 300 {
		lead, stop := randomLeaderAndISR(r), randomStopReplica(r)
		given := func(n int) Answer {
			a := Answer{Partitions: make([]error, n)}
			failed := false
			for i := range a.Partitions {
				a.Partitions[i] = kinds[r.IntN(len(kinds))]
				failed = failed || a.Partitions[i] != nil
			}
			if !failed {
				a.Partitions = nil
			}
			return a
		}
		a := given(len(lead.Partitions))
		same(t, "LeaderAndIsr", lead.AnswerFromWire(sent(t, lead.WireAnswer(a, LeaderAndISRVersion, code))), a)
		a = given(len(stop.Partitions))
		same(t, "StopReplica", stop.AnswerFromWire(sent(t, stop.WireAnswer(a, StopReplicaVersion, code))), a)
		refused := Answer{Err: ErrStaleBrokerEpoch}
		same(t, "LeaderAndIsr", lead.AnswerFromWire(sent(t, lead.WireAnswer(refused, LeaderAndISRVersion, code))), refused)
		same(t, "StopReplica", stop.AnswerFromWire(sent(t, stop.WireAnswer(refused, StopReplicaVersion, code))), refused)

		alter := randomAlterPartition(r)
		results := make([]AlterPartitionResult, len(alter.Partitions))
		for i := range results {
			if results[i].Err = kinds[r.IntN(len(kinds))]; results[i].Err == nil {
				results[i] = AlterPartitionResult{Leader: r.Int32N(9), LeaderEpoch: r.Int32N(9), ISR: ids(r), Recovering: r.IntN(2) == 0, PartitionEpoch: r.Int32N(9)}
			}
		}
		got, err := alter.ResultsFromWire(sent(t, alter.WireAnswer(results, nil, AlterPartitionVersion, code)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "AlterPartition", &got, &results)
		if _, err := alter.ResultsFromWire(sent(t, alter.WireAnswer(nil, ErrNotController, AlterPartitionVersion, code))); err != ErrNotController {
			t.Errorf("AlterPartition: %v, want ErrNotController", err)
		}
	}
}

// An answer that lacks a partition says nothing about it.
func TestAlterPartitionAnswerLacksAPartition(t *testing.T) {
	alter := &AlterPartitionRequest{Partitions: []AlterPartition{{TopicID: protocol.UUID{1}}, {TopicID: protocol.UUID{2}}}}
	results, err := alter.ResultsFromWire(sent(t, alter.WireAnswer([]AlterPartitionResult{{Leader: 3}}, nil, 3, code)))
	if err != nil || len(results) != 2 || results[0].Leader != 3 || results[1].Err != ErrNotInAnswer {
		t.Errorf("got %+v, %v", results, err)
	}
}

// Before version 2 a leader does not know INELIGIBLE_REPLICA.
func TestIneligibleReplicasInOldVersions(t *testing.T) {
	alter := &AlterPartitionRequest{Partitions: []AlterPartition{{TopicPartition: protocol.TopicPartition{Topic: "t"}}}}
	for version := range AlterPartitionVersion + 1 {
		want := ErrIneligibleReplica
		if version < 2 {
			want = ErrNotAttempted
		}
		resp := sent(t, alter.WireAnswer([]AlterPartitionResult{{Err: Refuse(ErrIneligibleReplica, "no")}}, nil, version, code))
		if got := ErrorOf(resp.Topics[0].Partitions[0].ErrorCode); got != want {
			t.Errorf("version %d: %v, want %v", version, got, want)
		}
	}
}

func TestAnswersOfTheController(t *testing.T) {
	remaining := []protocol.TopicPartition{{Topic: "a", Partition: 1}, {Topic: "b", Partition: 0}}
	got, err := RemainingFromWire(sent(t, ControlledShutdownAnswer(remaining, nil, ControlledShutdownVersion, code)))
	if !reflect.DeepEqual(got, remaining) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := RemainingFromWire(sent(t, ControlledShutdownAnswer(nil, ErrStaleBrokerEpoch, 0, code))); err != ErrStaleBrokerEpoch {
		t.Errorf("got %v", err)
	}
	if _, err := RemainingFromWire(sent(t, ControlledShutdownAnswer(nil, Refuse(ErrNotController, "moved"), 3, code))); err != ErrNotController {
		t.Errorf("got %v", err)
	}
	if code := ControlledShutdownAnswer(nil, ErrNotController, 3, code).ErrorCode; code != kerr.StaleControllerEpoch.Code {
		t.Errorf("not the controller: code %d", code)
	}
	block := ProducerIDs{First: 7000, Count: 1000}
	if got, err := ProducerIDsFromWire(sent(t, ProducerIDsAnswer(block, nil, 0, code))); got != block || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ProducerIDsFromWire(sent(t, ProducerIDsAnswer(block, ErrBrokerIDNotRegistered, 0, code))); err != ErrBrokerIDNotRegistered {
		t.Errorf("got %v", err)
	}
	if req := sent(t, AllocateProducerIDs(3, 44)); req.BrokerID != 3 || req.BrokerEpoch != 44 {
		t.Errorf("got %+v", req)
	}
	if code := sent(t, UpdateMetadataAnswer(ErrStaleControllerEpoch, 8, code)).ErrorCode; ErrorOf(code) != ErrStaleControllerEpoch {
		t.Errorf("got %d", code)
	}
}

// A listener that nobody can speak with is left out by the sender, and by a receiver where it has no other name.
func TestUnknownSecurityProtocols(t *testing.T) {
	good := Endpoint{Listener: "A", SecurityProtocol: "SSL", Host: "h", Port: 1}
	r := &UpdateMetadataRequest{Brokers: []LiveBroker{{ID: 7, Endpoints: []Endpoint{{Listener: "X", SecurityProtocol: "QUIC"}, good}}}}
	req := sent(t, r.Wire())
	got, err := UpdateMetadataFromWire(req)
	if err != nil || !reflect.DeepEqual(got.Brokers[0].Endpoints, []Endpoint{good}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, id := range []int16{-1, 4} {
		req.LiveBrokers[0].Endpoints[0].SecurityProtocol = id
		got, err := UpdateMetadataFromWire(sent(t, req))
		if want := (Endpoint{Listener: "A", Host: "h", Port: 1}); err != nil || got.Brokers[0].Endpoints[0] != want {
			t.Errorf("security protocol %d: got %+v, %v", id, got, err)
		}
		old := *req
		old.SetVersion(2)
		if got, err := UpdateMetadataFromWire(sent(t, &old)); err == nil {
			t.Errorf("security protocol %d names a listener: %+v", id, got.Brokers)
		}
	}
}

func BenchmarkUpdateMetadata(b *testing.B) {
	r := &UpdateMetadataRequest{}
	for t := range 1000 {
		topic := TopicMetadata{Name: fmt.Sprint("topic-", t), ID: protocol.UUID{1, byte(t), byte(t >> 8)}}
		for p := range int32(100) {
			topic.Partitions = append(topic.Partitions, PartitionMetadata{
				Partition: p, Leader: p % 3, LeaderEpoch: 4, ISR: []int32{0, 1, 2}, Replicas: []int32{0, 1, 2}, PartitionEpoch: 9,
			})
		}
		r.Topics = append(r.Topics, topic)
	}
	body := r.Wire().AppendTo(nil)
	b.Run("send", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, len(body))
		for b.Loop() {
			r.Wire().AppendTo(buf)
		}
	})
	b.Run("receive", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			req := kmsg.NewPtrUpdateMetadataRequest()
			req.SetVersion(UpdateMetadataVersion)
			if err := req.ReadFrom(body); err != nil {
				b.Fatal(err)
			}
			if _, err := UpdateMetadataFromWire(req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestSharedTopicsReadAsTheMessage holds requests whose topics are encoded once against the whole message. Each broker has a header of its
// own, and a suspect is shown other brokers.
func TestSharedTopicsReadAsTheMessage(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		first, second := randomUpdateMetadata(r), randomUpdateMetadata(r)
		second.Topics = first.Topics
		first.Encoded = new(EncodedTopics)
		second.Encoded = first.Encoded
		var shared []*byte
		for _, req := range []*UpdateMetadataRequest{first, second} {
			m := req.Message()
			if got, want := m.AppendTo([]byte("before")), req.Wire().AppendTo([]byte("before")); !bytes.Equal(got, want) {
				t.Fatalf("seed %d: got\n%x, want\n%x", seed, got, want)
			}
			shared = append(shared, &m.(*encodedUpdate).topics[0])
		}
		if shared[0] != shared[1] {
			t.Fatalf("seed %d: the topics were encoded twice", seed)
		}
	}
}
