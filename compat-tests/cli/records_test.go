package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// hostile are keys and values of every kind.
func hostile() [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return [][]byte{nil, {}, []byte("text"), []byte("a\nb\tc\"\\\x1b[31m<&>\u2028\x00"), {0xff, 0xfe}, every, bytes.Repeat([]byte("big"), 10_000)}
}

// write sends records, each to its partition.
func write(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// TestProduceReadsBack copies a topic with every kind of key, value and header by a pipe of consume and produce.
func TestProduceReadsBack(t *testing.T) {
	from, to := harness.Topic(t, broker.Addr, 3), harness.Topic(t, broker.Addr, 3)
	var sent [3][]*kgo.Record
	for i, key := range hostile() {
		for j, value := range hostile() {
			p := (i + j) % 3
			headers := []kgo.RecordHeader{{Key: "h\n\xff", Value: value}, {Key: "same", Value: nil}, {Key: "same", Value: key}}
			sent[p] = append(sent[p], &kgo.Record{Topic: from, Partition: int32(p), Key: key, Value: value, Headers: headers, Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i*10+j))})
		}
	}
	for _, records := range sent {
		write(t, records...)
	}
	text := klamm(t, "consume", from, "-f", "json").ok().stdout
	if i := strings.IndexAny(text, "\x1b\x00\u2028"); i >= 0 {
		t.Errorf("%q stands in the JSON", text[i])
	}
	klammFed(t, text, "produce", to, "-f", "json", "--keep-partitions", "-z", "zstd").ok()
	for p, want := range sent {
		got := harness.ReadPartition(t, broker.Addr, to, int32(p), 0, int64(len(want)))
		for i, r := range got {
			w := want[i]
			if !reflect.DeepEqual(r.Key, w.Key) || !reflect.DeepEqual(r.Value, w.Value) || !reflect.DeepEqual(r.Headers, w.Headers) || !r.Timestamp.Equal(w.Timestamp) {
				t.Errorf("%d@%d: %.100q = %.100q, %.300q, %v\nwant %.100q = %.100q, %.300q, %v", p, i, r.Key, r.Value, r.Headers, r.Timestamp, w.Key, w.Value, w.Headers, w.Timestamp)
			}
		}
	}
	lengths := `%p %d %K{big32}%k%V{big32}%v%H{byte}%h{%K{byte}%k%V{big32}%v}`
	third := harness.Topic(t, broker.Addr, 3)
	klammFed(t, klamm(t, "consume", from, "-f", lengths).ok().stdout, "produce", third, "-f", lengths, "--keep-partitions").ok()
	for p, want := range sent {
		for i, r := range harness.ReadPartition(t, broker.Addr, third, int32(p), 0, int64(len(want))) {
			if w := want[i]; !bytes.Equal(r.Key, w.Key) || !bytes.Equal(r.Value, w.Value) || !r.Timestamp.Equal(w.Timestamp) || len(r.Headers) != 3 || r.Headers[0].Key != w.Headers[0].Key {
				t.Errorf("by a template, %d@%d: %.100q = %.100q", p, i, r.Key, r.Value)
			}
		}
	}
}

// TestConsumeFromUntil reads parts of a partition.
func TestConsumeFromUntil(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 2)
	for i := range 10 {
		write(t, &kgo.Record{Topic: name, Value: fmt.Append(nil, i), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)*1000)})
	}
	write(t, &kgo.Record{Topic: name, Partition: 1, Value: []byte("other"), Timestamp: time.UnixMilli(1_600_000_000_000)})
	for args, want := range map[string]string{
		"-p 0":                       "0123456789",
		"-p 0 --from 7":              "789",
		"-p 0 --from -2":             "89",
		"-p 0 --from 3 --until 5":    "34",
		"-p 0 --until -8":            "01",
		"-p 0 --until 99":            "0123456789",
		"-p 0 -n 3":                  "012",
		"-p 0 --from 4 -n 2":         "45",
		"--from @1700000005000":      "56789",
		"--from 2023-11-14T22:13:25": "56789",
		"-p 0 --from 2023-11-14T22:13:21Z --until @1700000003000": "12",
		"-p 1":             "other",
		"--from 1h":        "",
		"-p 1 --from 1":    "",
		"--until start":    "",
		"-p 0,1 --from -1": "9other",
	} {
		e := klamm(t, append([]string{"consume", name, "-f", "%v\n"}, strings.Fields(args)...)...).ok()
		got := strings.Split(strings.TrimSuffix(e.stdout, "\n"), "\n")
		if strings.HasPrefix(args, "-p 0,1") && got[0] == "other" {
			got[0], got[1] = got[1], got[0]
		}
		if joined := strings.Join(got, ""); joined != want {
			t.Errorf("%s: %q, want %q", args, joined, want)
		}
	}
	klamm(t, "consume", name, "-p", "7").fails(1, name+" has no partition 7")
	klamm(t, "consume", name, "-p", "0", "--from", "11").fails(1, name+"-0 ends at offset 10, before 11")
	klamm(t, "consume", name+"-gone").fails(1, "there is no topic "+name+"-gone")
	var one struct {
		Topic         string
		Partition     int32
		Offset        int64
		Timestamp     int64
		TimestampType string
		Key           *string
		Value         *string
	}
	e := klamm(t, "consume", name, "-p", "0", "--from", "4", "-n", "1", "-f", "json").ok()
	if err := json.Unmarshal([]byte(e.stdout), &one); err != nil || one.Topic != name || one.Offset != 4 || one.Timestamp != 1_700_000_004_000 || one.TimestampType != "CreateTime" || one.Key != nil || *one.Value != "4" {
		t.Errorf("%+v, %v", one, err)
	}
}

// TestConsumeInAGroup moves a group on by what is printed, and by no more.
func TestConsumeInAGroup(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	group := name + "-group"
	produce(t, name, 0, 10)
	lines := func(args ...string) string {
		t.Helper()
		return strings.ReplaceAll(klamm(t, append([]string{"consume", name, "-g", group}, args...)...).ok().stdout, "\n", "")
	}
	for _, c := range []struct{ args, want string }{{"-n 3", "012"}, {"-n 2", "34"}, {"", "56789"}, {"", ""}} {
		if got := lines(strings.Fields(c.args)...); got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
	offsets, err := harness.Admin(t, broker.Addr).FetchOffsets(harness.Context(t), group)
	if o, ok := offsets.Lookup(name, 0); err != nil || !ok || o.At != 10 {
		t.Errorf("%v, %v", offsets, err)
	}
	if got := lines("-g", group+"-late", "--from", "end"); got != "" {
		t.Errorf("a group that begins at the end reads %q", got)
	}
}

// TestConsumeOverMarkers ends behind transactions, of which only markers are left for a consumer.
func TestConsumeOverMarkers(t *testing.T) {
	if !harness.Reference() {
		return // klamm has no transactions
	}
	name := harness.Topic(t, broker.Addr, 1)
	cl := harness.Client(t, broker.Addr, kgo.TransactionalID(name))
	for _, c := range []struct {
		value string
		end   kgo.TransactionEndTry
	}{{"yes", kgo.TryCommit}, {"no", kgo.TryAbort}} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: name, Value: []byte(c.value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(harness.Context(t), c.end); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "consumer.properties")
	if err := os.WriteFile(file, []byte("isolation.level=read_committed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{"": "yes\nno\n", "--read-committed": "yes\n", "--command-config " + file: "yes\n", "--read-committed=false --command-config " + file: "yes\nno\n", "--read-committed --from 2": "", "-g " + name: "yes\nno\n", "--read-committed -g " + name + "2": "yes\n"} {
		if e := klamm(t, append([]string{"consume", name}, strings.Fields(args)...)...).ok(); e.stdout != want {
			t.Errorf("%s: %q, want %q", args, e.stdout, want)
		}
	}
}

// TestProduceFlags writes with every codec, acknowledgement and partitioner.
func TestProduceFlags(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 4)
	n := 0
	for _, args := range []string{"-z none --acks 0 --no-idempotence", "-z gzip --acks 1", "-z snappy --acks all", "-z lz4 --partitioner round-robin", "-z zstd --partitioner sticky", "--partitioner java"} {
		klammFed(t, strings.Repeat("value\n", 50), append([]string{"produce", name}, strings.Fields(args)...)...).ok()
		n += 50
	}
	harness.Await(t, "what was written without acknowledgement", func() bool {
		return strings.Count(klamm(t, "consume", name).ok().stdout, "value\n") == n
	})
	for text, words := range map[string]string{"acks=2": "acks=2", "compression.type=brotli": "compression.type=brotli", "compression.type=lz4\nacks=1": ""} {
		file := filepath.Join(t.TempDir(), "producer.properties")
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		e := klammFed(t, strings.Repeat("value", 100)+"\n", "produce", name, "--command-config", file, "-p", "0")
		if words != "" {
			e.fails(2, words)
			continue
		}
		e.ok()
		last := harness.EndOffset(t, broker.Addr, name, 0)
		if r := harness.ReadPartition(t, broker.Addr, name, 0, last-1, last)[0]; r.Attrs.CompressionType() != 3 {
			t.Errorf("the file says lz4, and the record has the codec %d", r.Attrs.CompressionType())
		}
	}
	other := harness.Topic(t, broker.Addr, 4)
	klammFed(t, "a\nb", "produce", other, "-p", "2", "-k", "key", "-H", "h=1", "-H", "h=").ok()
	for i, r := range harness.ReadPartition(t, broker.Addr, other, 2, 0, 2) {
		if want := string("ab"[i]); string(r.Value) != want || string(r.Key) != "key" || len(r.Headers) != 2 || string(r.Headers[0].Value) != "1" || r.Headers[1].Value == nil {
			t.Errorf("%+v", r)
		}
	}
	// Kafka's default partitioner hashes keys with murmur2: these partitions are those of Java's producer.
	keyed := harness.Topic(t, broker.Addr, 4)
	klammFed(t, "a\tx\nb\tx\nc\tx\nd\tx\n", "produce", keyed, "-f", `%k\t%v\n`).ok()
	kcat := harness.Topic(t, broker.Addr, 4)
	harness.Kcat(t, broker.Addr, strings.NewReader("a\tx\nb\tx\nc\tx\nd\tx\n"), "-P", "-t", kcat, "-K", `\t`, "-X", "partitioner=murmur2")
	where := func(topic string) string {
		e := klamm(t, "consume", topic, "-f", `%k=%p\n`).ok()
		lines := strings.Fields(e.stdout)
		for i := range lines {
			for j := range lines[:i] {
				if lines[i] < lines[j] {
					lines[i], lines[j] = lines[j], lines[i]
				}
			}
		}
		return strings.Join(lines, " ")
	}
	if ours, theirs := where(keyed), where(kcat); ours != theirs {
		t.Errorf("the keys are in the partitions %s, of librdkafka's murmur2 in %s", ours, theirs)
	}
	mixed := harness.Topic(t, broker.Addr, 1)
	klammFed(t, fmt.Sprintf(`{"topic":%q,"value":"1"}`+"\n"+`{"topic":%q,"value":null,"key":"k"}`, mixed, other), "produce", "-f", "json").ok()
	klamm(t, "consume", mixed).ok("1\n")
}

// TestRecordsMisused gives produce and consume what they cannot work with.
func TestRecordsMisused(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	for args, words := range map[string]string{
		"produce":                          "a topic",
		"produce a b":                      `"b"`,
		"produce a/b":                      "cannot be the name",
		"produce a -z brotli":              "brotli gzip zstd",
		"produce a --acks 2":               "--acks",
		"produce a --partitioner random":   "random round-robin",
		"produce a -p -1":                  "--partition",
		"produce a -p 1 --keep-partitions": "--keep-partitions",
		"produce a -f xml":                 "xml json template",
		"produce a -f %q":                  "--format %q",
		"produce a -H h":                   "name=value",
		"produce a --timeout 1ms":          "--timeout 1s",
		"produce a --file none":            "--file none",
		"produce a -o json":                "-o",
		"consume":                          "the name of a topic",
		"consume a --from now":             "--from now",
		"consume a --until then":           "--until then",
		"consume a -n 0":                   "--count 0",
		"consume a --follow --until 3":     "--follow --until",
		"consume a --from end":             "--from --follow",
		"consume a b -p 1":                 "--partition",
		"consume a -g g -p 1":              "--group --partition",
		"consume a -g g --from 3":          "klamm group reset",
		"consume a -f hello":               "hello json",
		"consume a --from 1 --from 99999999999999999999": "large",
	} {
		e := klammIn(t, []string{"KLAMM_BOOTSTRAP_SERVER=" + nobody(t)}, "", strings.Fields(args)...)
		e.fails(2, strings.Fields(words)...)
	}
	klammFed(t, "a\n", "produce", name+"-gone").fails(1, "there is no topic "+name+"-gone", "klamm topic create")
	klammFed(t, "a\n", "produce", name, "-p", "5").fails(1, "record 1 was not written", "1 not")
	klammFed(t, "{\"value\":\"a\"}\n{\"valu\":\"b\"}\n", "produce", name, "-f", "json").fails(1, "line 2 is no record in JSON", `"valu"`, "1 record written")
	klammFed(t, "{\"value\":\"a\"}\n", "produce", "-f", "json").fails(1, "record 1: it has no topic")
	klammFed(t, "{\"value\":\"a\"}\n", "produce", name, "-f", "json", "--keep-partitions").fails(1, "record 1: it has no partition")
	klammFed(t, "{\"value\":\"a\",\"topic\":\"a b\"}\n", "produce", "-f", "json").fails(1, "record 1:", "cannot be the name of a topic")
	large := strings.Repeat("x", 3<<20)
	klammFed(t, "small\n"+large+"\nafter\n", "produce", name).fails(1, "record 2 was not written", "MESSAGE_TOO_LARGE", "--max-bytes")
	klammFed(t, large+"\n", "produce", name, "--max-bytes", "4000000").fails(1, "record 1 was not written", "MESSAGE_TOO_LARGE", "max.message.bytes")
}
