package kcat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// lines makes n lines that compress well.
func lines(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "line %06d of a text that says the same again and again, again and again\n", i)
	}
	return s.String()
}

// values joins the records' values as kcat prints them.
func values(records []*kgo.Record) string {
	var s strings.Builder
	for _, r := range records {
		s.Write(r.Value)
		s.WriteByte('\n')
	}
	return s.String()
}

// once makes kcat an idempotent producer where brokers restart: a leader that moves may refuse a batch that its successor has, and then kcat
// sends it again.
func once(args ...string) []string {
	if harness.Rolling() {
		return append(args, "-X", "enable.idempotence=true")
	}
	return args
}

// first has kcat end at the end of the partition, or after n records where brokers restart: a follower that becomes the leader
// does not know at once how far it may serve what it has.
func first(n int, args ...string) []string {
	if harness.Rolling() {
		return append(args, "-c", fmt.Sprint(n))
	}
	return append(args, "-e")
}

func TestEveryCodecFromKcat(t *testing.T) {
	for name := range codecs {
		t.Run(name, func(t *testing.T) {
			const n = 3000
			topic := harness.Topic(t, broker.Addr, 1)
			sent := lines(n)
			harness.Kcat(t, broker.Addr, strings.NewReader(sent), once("-P", "-t", topic, "-p", "0", "-z", name)...)
			records := harness.ReadPartition(t, broker.Addr, topic, 0, 0, n)
			if got := values(records); got != sent {
				t.Fatalf("%d bytes came back, %d were sent", len(got), len(sent))
			}
			want := map[string]uint8{"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}[name]
			if got := records[n/2].Attrs.CompressionType(); got != want {
				t.Errorf("the batch has codec %d, want %d: by the advertised versions librdkafka took the broker for one without %s", got, want, name)
			}
		})
	}
}

func TestEveryCodecToKcat(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			const n = 3000
			topic := harness.Topic(t, broker.Addr, 1)
			cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(codec))
			sent := lines(n)
			var records []*kgo.Record
			for line := range strings.Lines(sent) {
				records = append(records, &kgo.Record{Topic: topic, Value: []byte(strings.TrimSuffix(line, "\n"))})
			}
			if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			got := harness.Kcat(t, broker.Addr, nil, first(n, "-C", "-q", "-t", topic, "-p", "0", "-o", "beginning")...)
			if got != sent {
				t.Fatalf("%d bytes came back, %d were sent", len(got), len(sent))
			}
		})
	}
}

func TestAcksAndIdempotence(t *testing.T) {
	for _, set := range []string{"acks=0", "acks=1", "acks=-1", "enable.idempotence=true"} {
		t.Run(set, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, 1)
			sent := lines(500)
			harness.Kcat(t, broker.Addr, strings.NewReader(sent), "-P", "-t", topic, "-p", "0", "-X", set)
			if got := values(harness.ReadPartition(t, broker.Addr, topic, 0, 0, 500)); got != sent {
				t.Fatalf("%d bytes came back, %d were sent", len(got), len(sent))
			}
		})
	}
}

func TestKeysHeadersAndNulls(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	harness.Kcat(t, broker.Addr, strings.NewReader("a=1\nb=\n=3\n"),
		once("-P", "-t", topic, "-p", "0", "-K", "=", "-Z", "-H", "h=x", "-H", "empty=")...)
	got := harness.Kcat(t, broker.Addr, nil, first(3, "-C", "-q", "-t", topic, "-p", "0", "-o", "beginning",
		"-f", `%o|%K|%k|%S|%s|%h\n`)...)
	want := "0|1|a|1|1|h=x,empty=\n1|1|b|-1||h=x,empty=\n2|-1||1|3|h=x,empty=\n"
	if got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestOffsets(t *testing.T) {
	topic, _ := twentySeconds(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{first(3, "-o", "17"), "17 18 19"},
		{[]string{"-o", "-2", "-e"}, "18 19"},
		{[]string{"-o", "beginning", "-c", "3"}, "0 1 2"},
		{[]string{"-o", "end", "-e"}, ""},
	} {
		if got := readValues(t, topic, c.args...); got != c.want {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestOffsetsByTime(t *testing.T) {
	topic, base := twentySeconds(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-o", fmt.Sprintf("s@%d", base+16_500), "-e"}, "17 18 19"},
		{[]string{"-o", fmt.Sprintf("s@%d", base+3000), "-o", fmt.Sprintf("e@%d", base+6000), "-e"}, "3 4 5"},
	} {
		if got := readValues(t, topic, c.args...); got != c.want {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
	got := harness.Kcat(t, broker.Addr, nil, "-Q", "-t", fmt.Sprintf("%s:0:%d", topic, base+4500))
	if !strings.Contains(got, "offset 5") {
		t.Errorf("-Q for the time between records 4 and 5: %q", got)
	}
}

// twentySeconds makes a topic of one partition with the records 0 to 19, a second apart from base (ms) on.
func twentySeconds(t *testing.T) (topic string, base int64) {
	t.Helper()
	topic = harness.Topic(t, broker.Addr, 1)
	base = time.Now().Add(-time.Hour).UnixMilli()
	var records []*kgo.Record
	for i := range 20 {
		records = append(records, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i), Timestamp: time.UnixMilli(base + int64(i)*1000)})
	}
	if err := harness.Client(t, broker.Addr).ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return topic, base
}

// readValues are the values that kcat reads from partition 0, with blanks between them.
func readValues(t *testing.T, topic string, args ...string) string {
	t.Helper()
	args = append([]string{"-C", "-q", "-t", topic, "-p", "0", "-f", "%s "}, args...)
	return strings.TrimSpace(harness.Kcat(t, broker.Addr, nil, args...))
}

func TestTheListing(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 3)
	var got struct {
		Originating struct{ ID int }
		Brokers     []struct {
			ID   int
			Name string
		}
		Topics []struct {
			Topic      string
			Partitions []struct {
				Partition, Leader int
				Replicas, ISRs    []struct{ ID int }
			}
		}
	}
	text := harness.Kcat(t, broker.Addr, nil, "-L", "-J", "-t", topic)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	ids, names := map[int]bool{}, map[string]bool{}
	for _, b := range got.Brokers {
		ids[b.ID], names[b.Name] = true, true
	}
	for _, addr := range strings.Split(broker.Addr, ",") {
		if !names[addr] && !harness.Rolling() {
			t.Errorf("%s is not listed", addr)
		}
	}
	if len(got.Brokers) == 0 || len(got.Brokers) > len(broker.IDs()) || len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 3 {
		t.Fatalf("%s", text)
	}
	for _, p := range got.Topics[0].Partitions {
		if !ids[p.Leader] || len(p.Replicas) != len(broker.IDs()) || len(p.ISRs) == 0 || len(p.ISRs) != len(p.Replicas) && !harness.Rolling() {
			t.Errorf("%+v", p)
		}
	}
}

func TestAutoCreationByKcat(t *testing.T) {
	topic := harness.Name(t)
	err := harness.OnAllBrokers(func() error {
		r := harness.KcatResult(t, broker.Addr, strings.NewReader("first\n"), once("-P", "-t", topic)...)
		switch {
		case r.Code == 0:
			return nil
		case strings.Contains(r.Stderr, "Broker: Invalid replication factor"):
			return kerr.InvalidReplicationFactor
		}
		return fmt.Errorf("kcat ends with %d: %s", r.Code, r.Stderr)
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.AwaitTopic(t, broker.Addr, topic, 1) // the broker that the next kcat asks may not know the topic yet
	if got := harness.Kcat(t, broker.Addr, nil, first(1, "-C", "-q", "-t", topic, "-o", "beginning")...); got != "first\n" {
		t.Fatalf("%q", got)
	}
}
