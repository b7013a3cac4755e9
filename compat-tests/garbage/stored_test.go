package garbage

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// surelyBroken are ways to make a batch invalid for certain; what brokenBatch makes is valid
// now and then.
var surelyBroken = []struct {
	name  string
	spoil func(rng *rand.Rand, s *batchSpec)
}{
	{"CRC", func(_ *rand.Rand, s *batchSpec) { s.wrongCRC = true }},
	{"more records than there are", func(rng *rand.Rand, s *batchSpec) { s.count += 1 + rng.Int32N(100) }},
	{"no records", func(_ *rand.Rand, s *batchSpec) { s.count = 0 }},
	{"a negative count", func(rng *rand.Rand, s *batchSpec) { s.count = -1 - rng.Int32N(100) }},
	{"a count that the last offset agrees with", func(rng *rand.Rand, s *batchSpec) {
		s.count += 1 + rng.Int32N(1<<30)
		s.lastDelta = s.count - 1
	}},
	{"the last offset", func(rng *rand.Rand, s *batchSpec) { s.lastDelta += 1 + rng.Int32N(1000) }},
	{"a length too short", func(rng *rand.Rand, s *batchSpec) { s.length = 1 + rng.Int32N(48) }},
	{"a length too long", func(rng *rand.Rand, s *batchSpec) { s.length = 50 + int32(len(s.records)) + rng.Int32N(1<<30) }},
	{"magic", func(rng *rand.Rand, s *batchSpec) { s.magic = 3 + int8(rng.IntN(100)) }},
	{"an unknown codec", func(rng *rand.Rand, s *batchSpec) { s.attributes = 5 + int16(rng.IntN(3)) }},
	{"a record's length", func(rng *rand.Rand, s *batchSpec) {
		s.records, s.count, s.lastDelta = record(0, 1+int64(rng.IntN(1000)), []byte("x")), 1, 0
	}},
	{"a record's offset", func(rng *rand.Rand, s *batchSpec) {
		s.records, s.count, s.lastDelta = append(record(7+rng.IntN(100), 0, nil), record(0, 0, nil)...), 2, 1
	}},
	{"noise for records", func(rng *rand.Rand, s *batchSpec) {
		s.attributes, s.records = int16(1+rng.IntN(4)), noise(rng, 20+rng.IntN(3000))
	}},
	{"a control batch", func(_ *rand.Rand, s *batchSpec) { s.attributes = 1 << 5 }},
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(*seed, n)) }

// TestNothingBrokenIsStored sends invalid batches to one partition, whose log end offset
// has to stay where it was.
func TestNothingBrokenIsStored(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"auto.create.topics.enable": "false"}})
	w := &world{broker: b}
	defer w.keep(t, 1)()
	harness.AwaitTopic(t, b.Addr, "hostile-0", 1)
	h := &hostile{target: &target{addr: b.Addr, topics: 1}, rng: seeded(1), deeds: new(deeds), stop: t.Context()}
	defer h.close()
	send := func(t *testing.T, batch []byte) {
		t.Helper()
		for version := int16(3); version <= 9; version++ {
			if h.nc == nil && !h.dial() {
				t.Fatal("the broker takes no connection")
			}
			if h.send(frame(produceTo(version, batch))) {
				h.answer()
			}
		}
	}
	for _, c := range surelyBroken {
		t.Run(c.name, func(t *testing.T) {
			for range 10 {
				s := goodBatch(h.rng)
				c.spoil(h.rng, s)
				send(t, s.encode())
			}
			if end := harness.EndOffset(t, b.Addr, "hostile-0", 0); end != 0 {
				t.Fatalf("the log ends at %d", end)
			}
		})
	}
	send(t, goodBatch(h.rng).encode())
	if harness.EndOffset(t, b.Addr, "hostile-0", 0) == 0 {
		t.Error("a good batch, sent the same way, is not stored either")
	}
}

// produceTo is a Produce request for hostile-0 that is answered.
func produceTo(version int16, records []byte) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(version)
	r.Acks, r.TimeoutMillis = 1, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = "hostile-0"
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)[4:]
}
