package znode

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"klamm/protocol"
)

// node is a line of the reference broker's tree.
type node struct{ path, kind, version, data string }

func goldenTree(t *testing.T) map[string]node {
	t.Helper()
	text, err := os.ReadFile("testdata/tree-3.9.2.txt")
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]node{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("line %q", line)
		}
		tree[f[0]] = node{f[0], f[1], f[2], f[3]}
	}
	return tree
}

func goldenBodies(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/bodies-3.9.2.txt")
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, body, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		bodies[name] = body
	}
	return bodies
}

// TestReferenceTree reads every body of the reference broker's tree and writes the same bytes again.
func TestReferenceTree(t *testing.T) {
	tree := goldenTree(t)
	for _, path := range PersistentPaths() {
		if _, ok := tree[path]; !ok {
			t.Errorf("the reference has no %s", path)
		}
		delete(tree, path)
	}
	for path, n := range tree {
		got, err := again(path, n.data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if got != n.data {
			t.Errorf("%s is written as\n%s, by the reference as\n%s", path, got, n.data)
		}
	}
	if len(tree) < 20 {
		t.Errorf("only %d nodes were compared", len(tree))
	}
}

// again reads a body and writes it.
func again(path, data string) (string, error) {
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	switch {
	case path == "/" || path == Cluster || last == "partitions" || len(parts) == 6 && parts[4] == "partitions":
		return data, nil
	case path == ClusterID:
		id, err := DecodeClusterID([]byte(data))
		return string(EncodeClusterID(id)), err
	case path == Controller:
		var timestamp int64
		fmt.Sscanf(data[strings.Index(data, "timestamp"):], `timestamp":"%d"`, &timestamp)
		id, err := DecodeController([]byte(data))
		return string(EncodeController(id, timestamp)), err
	case path == ControllerEpoch:
		epoch, err := DecodeControllerEpoch([]byte(data))
		return string(EncodeControllerEpoch(epoch)), err
	case path == Feature:
		return string(EncodeFeature()), nil
	case strings.HasPrefix(path, BrokerIDs):
		id, _ := strconv.Atoi(last)
		b, err := DecodeBroker(int32(id), []byte(data))
		if err != nil {
			return "", err
		}
		return string(b.Encode()), nil
	case last == "state":
		n, _ := strconv.Atoi(parts[5])
		s, err := DecodePartitionState(protocol.TopicPartition{Topic: parts[3], Partition: int32(n)}, []byte(data))
		return string(s.Encode()), err
	case strings.HasPrefix(path, BrokerTopics):
		topic, err := DecodeTopic(last, []byte(data))
		if err != nil {
			return "", err
		}
		return reordered(string(topic.Encode()), data), nil
	case strings.HasPrefix(path, ConfigChangePrefix):
		entity, name, err := DecodeConfigChange(path, []byte(data))
		return string(EncodeConfigChange(entity, name)), err
	case strings.HasPrefix(path, Config):
		config, err := DecodeConfig(path, []byte(data))
		return string(EncodeConfig(config)), err
	}
	return "", fmt.Errorf("nothing reads it")
}

// reordered gives the reference's text if our text has the same partitions in another order. Otherwise it gives
// our text.
func reordered(ours, reference string) string {
	partitions := func(s string) (string, string) {
		inner, rest, _ := strings.Cut(strings.TrimPrefix(s, `{"partitions":{`), "}")
		return inner, rest
	}
	a, restA := partitions(ours)
	b, restB := partitions(reference)
	set := func(s string) map[string]bool {
		m := map[string]bool{}
		for _, p := range strings.Split(s, `,"`) {
			m[strings.TrimPrefix(p, `"`)] = true
		}
		return m
	}
	if restA == restB && reflect.DeepEqual(set(a), set(b)) {
		return reference
	}
	return ours
}

func TestReferenceBodies(t *testing.T) {
	bodies := goldenBodies(t)
	tp := protocol.TopicPartition{Topic: "t", Partition: 0}
	id, err := protocol.ParseUUID("5h-9lbAMROaPKZCP22Zvgg")
	if err != nil {
		t.Fatal(err)
	}
	replicas := []Replicas{{Replicas: []int32{1, 2, 3}, Adding: []int32{3}, Removing: []int32{1}}}
	topic := Topic{ID: id, Partitions: replicas}
	broker := Broker{JMXPort: -1, TimestampMs: 1795410914673, Endpoints: []Endpoint{
		{Listener: "INTERNAL", SecurityProtocol: "SASL_SSL", Host: "h1", Port: 1},
		{Listener: "EXTERNAL", SecurityProtocol: "PLAINTEXT", Host: "::1", Port: 2},
	}}
	state := PartitionState{ControllerEpoch: 4, Leader: 1, LeaderEpoch: 7, ISR: []int32{1, 2}, Recovering: true}
	for name, got := range map[string][]byte{
		"state-recovering":     state.Encode(),
		"isr-change":           EncodePartitionList([]protocol.TopicPartition{tp}),
		"log-dir-event":        EncodeLogDirEvent(3),
		"reassignment":         EncodeReassignments([]Reassignment{{"t", 0, []int32{1, 2}}}),
		"topic-reassigned":     topic.Encode(),
		"topic-without-id":     (&Topic{Partitions: replicas}).Encode(),
		"broker-two-listeners": broker.Encode(),
		"config-escapes":       EncodeConfig(map[string]string{"a": "x\"y\\zé</>\u0001\n"}),
	} {
		if string(got) != bodies[name] {
			t.Errorf("%s is\n%s, by the reference\n%s", name, got, bodies[name])
		}
	}
	back, err := DecodeBroker(1, broker.Encode())
	if err != nil || !reflect.DeepEqual(back.Endpoints, broker.Endpoints) {
		t.Errorf("broker read as %+v (%v)", back, err)
	}
	if got, err := DecodeTopic("t", topic.Encode()); err != nil || !reflect.DeepEqual(*got, topic) {
		t.Errorf("topic read as %+v (%v)", got, err)
	}
	if got, err := DecodePartitionList("/p", EncodePartitionList([]protocol.TopicPartition{tp})); err != nil || len(got) != 1 || got[0] != tp {
		t.Errorf("partitions read as %v (%v)", got, err)
	}
	if got, err := DecodeReassignments(EncodeReassignments([]Reassignment{{"t", 0, []int32{1}}})); err != nil || len(got) != 1 || got[0].Replicas[0] != 1 {
		t.Errorf("reassignments read as %v (%v)", got, err)
	}
	if got, err := DecodeLogDirEvent("/p", EncodeLogDirEvent(3)); err != nil || got != 3 {
		t.Errorf("event read as %v (%v)", got, err)
	}
}

// TestOlderBodies reads bodies that older brokers and tools wrote. They are from the comments of ZkData.scala.
func TestOlderBodies(t *testing.T) {
	for body, want := range map[string]string{
		`{"version":1,"host":"localhost","port":9092,"jmx_port":9999,"timestamp":"2233345666"}`:                                                                                                             "[PLAINTEXT://localhost:9092]",
		`{"version":2,"host":"localhost","port":9092,"jmx_port":9999,"timestamp":"2233345666","endpoints":["PLAINTEXT://host1:9092","SSL://host1:9093"]}`:                                                   "[PLAINTEXT://host1:9092 SSL://host1:9093]",
		`{"version":3,"host":"h","port":1,"jmx_port":9,"timestamp":"1","endpoints":["SSL://[::1]:9093"],"rack":"dc1"}`:                                                                                      "[SSL://[::1]:9093]",
		`{"version":4,"host":"h","port":1,"jmx_port":9,"timestamp":"1","endpoints":["CLIENT://h:1"],"rack":null,"listener_security_protocol_map":{"CLIENT":"SSL"}}`:                                         "[CLIENT://h:1]",
		`{"version":5,"jmx_port":9,"timestamp":"1","endpoints":["A://h:1"],"listener_security_protocol_map":{"A":"SSL"},"features":{"f":{"min_version":1,"first_active_version":2,"max_version":3}},"x":1}`: "[A://h:1]",
	} {
		b, err := DecodeBroker(1, []byte(body))
		if err != nil || fmt.Sprint(b.Endpoints) != want {
			t.Errorf("%s: %v (%v), want %s", body, b, err, want)
		}
	}
	topic, err := DecodeTopic("t", []byte(`{"version":1,"partitions":{"10":[2],"2":[1,2],"0":[1]}}`))
	if err != nil || fmt.Sprint(topic.Partitions) != "[{0 [1] [] []} {2 [1 2] [] []} {10 [2] [] []}]" || !topic.ID.IsZero() {
		t.Errorf("topic of version 1: %+v (%v)", topic, err)
	}
	if entity, name, err := DecodeConfigChange("/p", []byte(`{"version":1,"entity_type":"topics","entity_name":"t"}`)); err != nil || entity != "topics" || name != "t" {
		t.Errorf("config change of version 1: %s %s (%v)", entity, name, err)
	}
	if config, err := DecodeConfig("/p", []byte(`{"version":1,"config":{"retention.ms":5}}`)); err != nil || config["retention.ms"] != "5" {
		t.Errorf("a number without quotes: %v (%v)", config, err)
	}
	if config, err := DecodeConfig("/p", nil); err != nil || len(config) != 0 {
		t.Errorf("null configuration: %v (%v)", config, err)
	}
	if id, err := DecodeController([]byte(`{"version":1,"brokerid":3,"timestamp":"1"}`)); err != nil || id != 3 {
		t.Errorf("controller of version 1: %d (%v)", id, err)
	}
	for body, want := range map[string]int32{`{"version":1,"brokerid":3,"timestamp":"1"}`: -1, `{"version":2,"brokerid":3000,"timestamp":"1","kraftControllerEpoch":7}`: 7,
		string(EncodeController(1, 2)): -1} {
		if epoch, err := DecodeKRaftEpoch([]byte(body)); err != nil || epoch != want {
			t.Errorf("%s: KRaft epoch %d (%v), want %d", body, epoch, err, want)
		}
	}
	block, err := DecodeProducerIDBlock([]byte(`{"version":1,"broker":1,"block_start":"0","block_end":"999"}`))
	if err != nil || block != (ProducerIDBlock{1, 0, 999}) {
		t.Errorf("block %v (%v)", block, err)
	}
}

func TestBrokenBodies(t *testing.T) {
	tp := protocol.TopicPartition{Topic: "t", Partition: 0}
	refusals := map[string]func([]byte) error{
		"broker":     func(b []byte) error { _, err := DecodeBroker(1, b); return err },
		"topic":      func(b []byte) error { _, err := DecodeTopic("t", b); return err },
		"state":      func(b []byte) error { _, err := DecodePartitionState(tp, b); return err },
		"controller": func(b []byte) error { _, err := DecodeController(b); return err },
		"epoch":      func(b []byte) error { _, err := DecodeControllerEpoch(b); return err },
		"cluster":    func(b []byte) error { _, err := DecodeClusterID(b); return err },
		"block":      func(b []byte) error { _, err := DecodeProducerIDBlock(b); return err },
		"change":     func(b []byte) error { _, _, err := DecodeConfigChange("/p", b); return err },
	}
	for name, f := range refusals {
		for _, body := range []string{"", "null!", `{"partitions":{"-1":[1]},"endpoints":["x"],"version":2,"leader":1,"topic_id":"x"}`, "[]", `{"partitions":[],"version":0}`} {
			err := f([]byte(body))
			if err == nil || !strings.Contains(err.Error(), "/") {
				t.Errorf("%s %q: %v, want an error with the path", name, body, err)
			}
		}
	}
}

// TestStatesAreScannedAsJSONReadsThem changes bytes of bodies at random: whatever is scanned has to be what a JSON decoder reads.
func TestStatesAreScannedAsJSONReadsThem(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	tp := protocol.TopicPartition{Topic: "t"}
	number := func() int32 { return int32(r.Uint32()) >> r.IntN(32) }
	scanned := 0
	for range 20_000 {
		s := PartitionState{ControllerEpoch: number(), Leader: number(), LeaderEpoch: number(), ISR: []int32{}, Recovering: r.IntN(2) == 0}
		for range r.IntN(4) {
			s.ISR = append(s.ISR, number())
		}
		body := s.Encode()
		if got, ok := scanState(body); !ok || !reflect.DeepEqual(got, s) {
			t.Fatalf("seed %d: %s is not scanned: %+v", seed, body, got)
		}
		for range 1 + r.IntN(3) {
			at := r.IntN(len(body))
			switch other := body[r.IntN(len(body))]; r.IntN(3) {
			case 0:
				body[at] = other
			case 1:
				body = slices.Delete(body, at, at+1)
			default:
				body = slices.Insert(body, at, other)
			}
		}
		got, ok := scanState(body)
		if !ok {
			continue
		}
		scanned++
		if want, err := decodeState(tp, body); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: %s is scanned as %+v; JSON says %+v, %v", seed, body, got, want, err)
		}
	}
	if scanned == 0 {
		t.Error("no changed body was scanned")
	}
}

// BenchmarkDecodePartitionState reads one state.
func BenchmarkDecodePartitionState(b *testing.B) {
	s := PartitionState{ControllerEpoch: 12, Leader: 3, LeaderEpoch: 47, ISR: []int32{1, 2, 3}}
	body := s.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodePartitionState(protocol.TopicPartition{Topic: "t"}, body); err != nil {
			b.Fatal(err)
		}
	}
}
