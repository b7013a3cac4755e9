package garbage

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// maxCost bounds how much the broker's memory may grow in each case, and maxSent in the
// cases that really send the bytes: megabytes of lists that are as long as they say.
const (
	maxCost = 100 << 20
	maxSent = 200 << 20
)

// TestEachCostsLittle does one thing that no client should after the other, on
// many connections at once, and looks at how far the broker's memory grew.
func TestEachCostsLittle(t *testing.T) {
	for _, c := range []struct {
		name        string
		connections int
		visit       func(h *hostile)
		most        int64 // in bytes; 0 for maxCost
		stores      bool  // the broker stores the bombs, whose sizes are true
	}{
		{"connections that say nothing", manyConnections(t), func(h *hostile) { h.stay() }, 0, false},
		{"100 MB claimed and a few bytes sent", 1000, func(h *hostile) {
			h.send(append(binary.BigEndian.AppendUint32(nil, 100_000_000), make([]byte, 50)...))
			h.stay()
		}, 0, false},
		{"100 MB claimed and 100 KB sent", 100, func(h *hostile) {
			h.send(append(binary.BigEndian.AppendUint32(nil, 100_000_000), make([]byte, 100_000)...))
			h.stay()
		}, 0, false},
		{"answers that nobody reads", 100, func(h *hostile) {
			r := kmsg.NewPtrDescribeConfigsRequest()
			r.SetVersion(4)
			for range 20 {
				one := kmsg.NewDescribeConfigsRequestResource()
				one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeBroker, "0"
				r.Resources = append(r.Resources, one)
			}
			h.never(r)
		}, 0, false},
		{"huge arrays", 100, func(h *hostile) {
			for range 100 {
				if h.nc == nil && !h.dial() {
					return
				}
				h.ask(1, func() []byte { return hugeArrays(h.rng, h.request(h.rng)) })
			}
		}, 0, false},
		{"lists of nothing, many times", 8, func(h *hostile) {
			for _, r := range []struct{ key, version, element int16 }{{3, 1, 2}, {20, 1, 2}, {2, 1, 6}, {32, 0, 7}} {
				for _, n := range []int{99_000, 1_000_000} {
					if h.nc == nil && !h.dial() {
						return
					}
					h.askBytes(r.key, r.version, listOf(n, make([]byte, r.element)))
				}
			}
		}, maxSent, false},
		{"fetches of many partitions", 8, func(h *hostile) {
			for range 4 {
				if h.nc == nil && !h.dial() {
					return
				}
				h.askBytes(1, 7, manyPartitions(49_000))
			}
		}, maxSent, false},
		{"topics created by the thousand", 3, func(h *hostile) { h.asks(h.creations(9_990, false)) }, 0, false},
		{"topics created with a configuration each", 3, func(h *hostile) { h.asks(h.creations(4_900, true)) }, 0, false},
		{"producers of one partition told many times", 4, func(h *hostile) {
			for range 50 {
				h.ask(1, func() []byte { return h.firstOf(h.rng.Int64()) })
			}
			h.asks(h.producersOf(9_980))
		}, 0, true},
		{"batches that are bombs", 100, func(h *hostile) {
			for range 3 {
				h.ask(1, func() []byte { return h.produce(h.rng, 9, h.small(false)) })
			}
		}, 0, false},
		{"message sets that are bombs", 100, func(h *hostile) {
			for range 3 {
				h.ask(1, func() []byte { return h.produce(h.rng, int16(h.rng.IntN(3)), h.small(true)) })
			}
		}, 0, false},
		{"old clients that fetch bombs", 50, func(h *hostile) {
			h.ask(1, func() []byte { return h.produce(h.rng, 9, honestBomb()) })
			h.ask(1, func() []byte { return h.oldFetch() })
		}, 0, true},
		{"times looked for in bombs", 50, func(h *hostile) {
			h.ask(1, func() []byte { return h.produce(h.rng, 9, honestBomb()) })
			h.ask(1, func() []byte { return h.offsetsByTime() })
		}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"auto.create.topics.enable": "false"}})
			w := &world{broker: b}
			defer w.keep(t, 1)()
			g := &target{addr: b.Addr, topics: 1}
			for _, a := range servedBy(t, b.Addr) {
				g.apis = append(g.apis, kmsg.ApiVersionsResponseApiKey{ApiKey: a.Key, MinVersion: a.Min, MaxVersion: a.Max})
			}
			before := w.rss()
			visitAll(t, g, c.connections, c.visit)
			servedBy(t, b.Addr) // goes on
			most := c.most
			if most == 0 {
				most = maxCost
			}
			if cost := w.peak() - before; cost > raced(most) {
				t.Errorf("%d MB", cost>>20)
			} else {
				t.Logf("%d connections: %.1f MB", c.connections, float64(cost)/(1<<20))
			}
			if c.stores && harness.EndOffset(t, b.Addr, "hostile-0", 0) == 0 {
				t.Error("no bomb was stored")
			}
		})
	}
}

// visitAll has connections visit at once, a quarter as many where tests do less work. A visit that stays ends when all
// others have come that far.
func visitAll(t *testing.T, g *target, connections int, visit func(h *hostile)) {
	if harness.Small() {
		connections = max(1, connections/4)
	}
	var all, there sync.WaitGroup
	there.Add(connections)
	for i := range connections {
		all.Go(func() {
			h := &hostile{target: g, rng: rand.New(rand.NewPCG(1, uint64(i))), deeds: new(deeds), stop: t.Context(), there: &there}
			if !h.dial() {
				there.Done()
				t.Error("the broker takes no connection")
				return
			}
			visit(h)
			h.stay()
			h.close()
		})
	}
	all.Wait()
}

// stay waits until all other connections of the test have come that far, too.
func (h *hostile) stay() {
	if h.there != nil {
		h.there.Done()
		h.there.Wait()
		h.there = nil
	}
}

// manyConnections is 10,000, or as many as this process may have.
func manyConnections(t *testing.T) int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if harness.Small() {
		return 1000
	}
	return int(min(10_000, files.Cur-200))
}

// never sends a request again and again until the broker takes no more, and reads no
// answer.
func (h *hostile) never(r kmsg.Request) {
	_ = h.nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	one := frame(kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)[4:])
	for range 10_000 {
		_ = h.nc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := h.nc.Write(one); err != nil {
			break
		}
	}
	h.stay()
}

// askBytes asks with a body of any bytes.
func (h *hostile) askBytes(key, version int16, body []byte) {
	header := binary.BigEndian.AppendUint16(nil, uint16(key))
	header = binary.BigEndian.AppendUint16(header, uint16(version))
	header = append(header, 0, 0, 0, 1, 0xff, 0xff)
	h.asks(append(header, body...))
}

// asks sends a request and reads the answer if one comes.
func (h *hostile) asks(request []byte) {
	if h.send(frame(request)) {
		h.answerWithin(time.Minute)
	}
}

// listOf is a list of n elements and some zeros for what may follow it.
func listOf(n int, element []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(n))
	b = append(b, strings.Repeat(string(element), n)...)
	return append(b, make([]byte, 16)...)
}

// manyPartitions is the body of a Fetch of version 7 for a new session: it asks for n
// partitions of a topic that does not exist, and waits.
func manyPartitions(n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, math.MaxUint32) // no replica
	b = append(b, 0, 0, 0x03, 0xe8, 0, 0, 0, 1)             // for a second, until a byte
	b = append(b, 0, 1, 0, 0, 0)                            // bytes, isolation
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)                   // a new session
	b = append(b, 0, 0, 0, 1, 0, 1, 'x')
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for i := range n {
		b = binary.BigEndian.AppendUint32(b, uint32(i))
		b = append(b, make([]byte, 8+8+4)...) // offset, log start, bytes
	}
	return append(b, make([]byte, 4)...) // nothing is forgotten
}

// creations is a CreateTopics that validates n topics and creates none, with a
// configuration for each topic or without.
func (h *hostile) creations(n int, configured bool) []byte {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.SetVersion(7)
	r.ValidateOnly, r.TimeoutMillis = true, 30_000
	for i := range n {
		one := kmsg.NewCreateTopicsRequestTopic()
		one.Topic, one.NumPartitions, one.ReplicationFactor = fmt.Sprint("t", i), 1, 1
		if configured {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = "retention.ms", kmsg.StringPtr(fmt.Sprint(i))
			one.Configs = append(one.Configs, c)
		}
		r.Topics = append(r.Topics, one)
	}
	return h.format(r)
}

func (h *hostile) format(r kmsg.Request) []byte {
	return kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)[4:]
}

// firstOf stores the first batch of an idempotent producer.
func (h *hostile) firstOf(id int64) []byte {
	s := &batchSpec{magic: 2, producer: id, epoch: -1, count: 1, records: append(recordHead(1), 'x', 0)}
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(9)
	r.Acks, r.TimeoutMillis = 1, 1000
	one := kmsg.NewProduceRequestTopic()
	one.Topic = h.topic(h.rng)
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = s.encode()
	one.Partitions = append(one.Partitions, p)
	r.Topics = append(r.Topics, one)
	return h.format(r)
}

// producersOf asks for the producers of one partition n times.
func (h *hostile) producersOf(n int) []byte {
	r := kmsg.NewPtrDescribeProducersRequest()
	one := kmsg.NewDescribeProducersRequestTopic()
	one.Topic, one.Partitions = h.topic(h.rng), make([]int32, n)
	r.Topics = append(r.Topics, one)
	return h.format(r)
}

// small is a batch or a message set of about 30 KB that expands to much more.
func (h *hostile) small(old bool) []byte {
	if old {
		for {
			if set := oldSet(h.rng); len(set) > 1000 && len(set) < 60<<10 {
				return set
			}
		}
	}
	for {
		if b := bombBatch(h.rng); len(b) < 60<<10 {
			return b
		}
	}
}

// oldFetch is a Fetch of before version 4, from the start of the topic.
func (h *hostile) oldFetch() []byte {
	r := kmsg.NewPtrFetchRequest()
	r.SetVersion(int16(h.rng.IntN(4)))
	r.ReplicaID, r.MaxBytes = -1, 50<<20
	one := kmsg.NewFetchRequestTopic()
	one.Topic = h.topic(h.rng)
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 50 << 20
	one.Partitions = append(one.Partitions, p)
	r.Topics = append(r.Topics, one)
	return kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)[4:]
}

// honestBomb is a valid batch of 30 KB: one record of 30 MB.
func honestBomb() []byte {
	b := pack(gzipCodec, recordHead(pack(gzipCodec, recordHead(1<<24), 30<<10).zeros-1), 30<<10)
	s := &batchSpec{magic: 2, producer: -1, producerEpoch: -1, sequence: -1, epoch: -1, attributes: b.codec, count: 1, records: b.packed}
	return s.encode()
}

// offsetsByTime asks for the offset of a time, for which batches are expanded.
func (h *hostile) offsetsByTime() []byte {
	r := kmsg.NewPtrListOffsetsRequest()
	r.SetVersion(5)
	r.ReplicaID = -1
	one := kmsg.NewListOffsetsRequestTopic()
	one.Topic = h.topic(h.rng)
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = time.Now().Add(-time.Minute).UnixMilli()
	one.Partitions = append(one.Partitions, p)
	r.Topics = append(r.Topics, one)
	return kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)[4:]
}
