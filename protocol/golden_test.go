package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/protocol/batch"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// golden is one file of testdata: see the README there.
type golden struct {
	name              string
	request, response []byte
}

func readGolden(t testing.TB, path string) golden {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g := golden{name: filepath.Base(path)}
	for line := range strings.Lines(string(text)) {
		mark, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		b, err := hex.DecodeString(digits)
		switch {
		case mark == ">" && err == nil:
			g.request = append(g.request, b...)
		case mark == "<" && err == nil:
			g.response = append(g.response, b...)
		case mark != "#":
			t.Fatalf("%s: %q, %v", path, line, err)
		}
	}
	return g
}

// goldens gives the files of one broker's version.
func goldens(t testing.TB, version string) []golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", version, "*.hex"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files of %s: %v", version, err)
	}
	var all []golden
	for _, path := range paths {
		all = append(all, readGolden(t, path))
	}
	return all
}

var brokers = []string{"4.4.0", "3.9.2"}

// Every version that is served has a golden file of one of the two at least.
func TestGoldensAreComplete(t *testing.T) {
	have := map[string]bool{}
	for _, broker := range brokers {
		for _, g := range goldens(t, broker) {
			have[g.name] = true
		}
	}
	for _, a := range APIs() {
		for v := a.Min; v <= a.Max; v++ {
			if name := fmt.Sprintf("%02d-%s-%02d.hex", a.Key, a.Name, v); !have[name] {
				t.Errorf("testdata/*/%s is missing: testdata/README says how it is made", name)
			}
		}
	}
}

func TestGoldenFrames(t *testing.T) {
	for _, broker := range brokers {
		for _, g := range goldens(t, broker) {
			t.Run(broker+"/"+g.name, func(t *testing.T) { testGolden(t, g) })
		}
	}
}

// requestOf makes a request of an API, of a type whose bytes are Apache Kafka's.
func requestOf(key int16) kmsg.Request {
	if key == KeyStopReplica {
		return NewStopReplicaRequest()
	}
	return kmsg.RequestForKey(key)
}

func testGolden(t *testing.T, g golden) {
	h, at, err := ParseRequestHeader(g.request)
	if err != nil || h.CorrelationID != 4242 {
		t.Fatalf("%+v, %v", h, err)
	}
	if anonymous := h.Key == KeyControlledShutdown && h.Version == 0; (h.ClientID == nil) != anonymous || !anonymous && *h.ClientID != "klamm-golden" {
		t.Fatalf("%+v", h)
	}
	api, _ := Lookup(h.Key)
	if name := fmt.Sprintf("%02d-%s-%02d.hex", h.Key, api.Name, h.Version); name != g.name {
		t.Fatalf("the request is of %s", name)
	}
	body := g.request[at:]
	request := requestOf(h.Key)
	request.SetVersion(h.Version)
	if err := request.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	same(t, "request by kmsg", request.AppendTo(nil), body)

	// The header of the answer is the one that BeginResponse writes.
	header := BeginResponse(nil, api, h.Version, h.CorrelationID)[4:]
	if !bytes.HasPrefix(g.response, header) {
		t.Fatalf("the answer begins with %x, ours with %x", g.response[:5], header)
	}
	answer := g.response[len(header):]
	response := request.ResponseKind()
	if err := response.ReadFrom(answer); err != nil {
		t.Fatal(err)
	}
	same(t, "answer by kmsg", response.AppendTo(nil), answer)

	switch k := response.(type) {
	case *kmsg.ProduceResponse:
		r, err := ParseProduce(body, h.Version)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "Produce request", r.toKmsg().AppendTo(nil), body)
		same(t, "Produce answer", AppendProduceResponse(nil, h.Version, produceFromKmsg(k)), answer)
	case *kmsg.FetchResponse:
		r, err := ParseFetch(body, h.Version)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "Fetch request", r.toKmsg().AppendTo(nil), body)
		var e FetchEncoder
		size, pieces, err := e.Encode(h.Version, h.CorrelationID, fetchFromKmsg(k))
		if err != nil {
			t.Fatal(err)
		}
		frame := flatten(pieces)
		if len(frame) != size || binary.BigEndian.Uint32(frame) != uint32(size-4) {
			t.Fatalf("%d bytes, %d announced by Encode and %x in the frame", len(frame), size, frame[:4])
		}
		same(t, "Fetch answer", frame[4:], g.response)
	}
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n%x, want\n%x", what, got, want)
	}
}

func unptr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func nodes(brokers []kmsg.ProduceResponseBroker) (nodes []NodeEndpoint) {
	for _, b := range brokers {
		nodes = append(nodes, NodeEndpoint{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: b.Rack})
	}
	return nodes
}

func produceFromKmsg(k *kmsg.ProduceResponse) *ProduceResponse {
	r := &ProduceResponse{ThrottleMs: k.ThrottleMillis, NodeEndpoints: nodes(k.Brokers)}
	for _, kt := range k.Topics {
		t := ProduceTopicResponse{Name: kt.Topic, ID: kt.TopicID}
		for _, kp := range kt.Partitions {
			p := ProducePartitionResponse{Index: kp.Partition, ErrorCode: kp.ErrorCode, BaseOffset: kp.BaseOffset,
				LogAppendTimeMs: kp.LogAppendTime, LogStartOffset: kp.LogStartOffset, ErrorMessage: unptr(kp.ErrorMessage)}
			for _, e := range kp.ErrorRecords {
				p.RecordErrors = append(p.RecordErrors, batch.RecordError{Index: e.RelativeOffset, Message: unptr(e.ErrorMessage)})
			}
			if l := kp.CurrentLeader; l.LeaderID != -1 || l.LeaderEpoch != -1 {
				p.CurrentLeader = &Leader{ID: l.LeaderID, Epoch: l.LeaderEpoch}
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

func fetchFromKmsg(k *kmsg.FetchResponse) *FetchResponse {
	r := &FetchResponse{ThrottleMs: k.ThrottleMillis, ErrorCode: k.ErrorCode, SessionID: k.SessionID}
	for _, b := range k.Brokers {
		r.NodeEndpoints = append(r.NodeEndpoints, NodeEndpoint{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: b.Rack})
	}
	for _, kt := range k.Topics {
		t := FetchTopicResponse{Name: kt.Topic, ID: kt.TopicID}
		for _, kp := range kt.Partitions {
			p := NewFetchPartitionResponse(kp.Partition, kp.ErrorCode)
			p.HighWatermark, p.LastStableOffset, p.LogStartOffset, p.PreferredReadReplica, p.Records =
				kp.HighWatermark, kp.LastStableOffset, kp.LogStartOffset, kp.PreferredReadReplica, region(kp.RecordBatches)
			if kp.AbortedTransactions != nil {
				p.AbortedTransactions = []AbortedTransaction{}
			}
			for _, a := range kp.AbortedTransactions {
				p.AbortedTransactions = append(p.AbortedTransactions, AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
			}
			if d := kp.DivergingEpoch; d.Epoch != -1 || d.EndOffset != -1 {
				p.DivergingEpoch = &EpochEndOffset{Epoch: d.Epoch, EndOffset: d.EndOffset}
			}
			if l := kp.CurrentLeader; l.LeaderID != -1 || l.LeaderEpoch != -1 {
				p.CurrentLeader = &Leader{ID: l.LeaderID, Epoch: l.LeaderEpoch}
			}
			if s := kp.SnapshotID; s.Epoch != -1 || s.EndOffset != -1 {
				p.SnapshotID = &EpochEndOffset{Epoch: s.Epoch, EndOffset: s.EndOffset}
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}
