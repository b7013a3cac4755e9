package oldclients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// perCodec is how many messages each client sends in each codec.
const perCodec = 200

func TestFromOldToNew(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	var printed []string
	for _, version := range versions {
		for _, codec := range codecsOf(version) {
			t.Run(version+"/"+codec, func(t *testing.T) {
				sent := messages(perCodec)
				var lines strings.Builder
				for i, m := range sent {
					fmt.Fprintln(&lines, m.line())
					sent[i] = m.as(version)
				}
				client(t, lines.String(), "produce", broker.Addr, topic, version, codec)
				from := int64(len(printed))
				for i, r := range harness.ReadPartition(t, broker.Addr, topic, 0, from, from+perCodec) {
					if got, want := read(r).seen(r.Offset), sent[i].seen(from+int64(i)); got != want {
						t.Fatalf("franz-go reads %s, want %s", got, want)
					}
					if codec != codecs[r.Attrs.CompressionType()] {
						t.Fatalf("offset %d is stored in %s", r.Offset, codecs[r.Attrs.CompressionType()])
					}
					printed = append(printed, sent[i].printed(r.Offset))
				}
			})
		}
	}
	if !t.Failed() {
		compareLines(t, console(t, topic, len(printed)), printed)
	}
}

// console reads a partition with the console consumer of 4.4.0.
func console(t *testing.T, topic string, n int) []string {
	t.Helper()
	args := []string{"--bootstrap-server", broker.Addr, "--topic", topic, "--partition", "0", "--offset", "earliest", "--max-messages", fmt.Sprint(n), "--timeout-ms", "60000"}
	for _, what := range []string{"timestamp", "offset", "headers", "key"} {
		args = append(args, "--formatter-property", "print."+what+"=true")
	}
	out := harness.Java(t, harness.KafkaNewest, "console-consumer", nil, args...)
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

func TestFromNewToOld(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	newer := harness.Topic(t, broker.Addr, 1) // for the versions that have zstd
	var stored, storedNewer []message
	for _, codec := range codecs {
		to, all := topic, &stored
		if codec == "zstd" {
			to, all = newer, &storedNewer
		}
		for _, m := range [][]message{fromFranz(t, to, codec, len(*all)), fromConsole(t, to, codec, len(*all)+perCodec)} {
			*all = append(*all, m...)
		}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { readByOld(t, topic, version, stored) })
		if hasZstd(version) {
			t.Run(version+" zstd", func(t *testing.T) { readByOld(t, newer, version, storedNewer) })
		}
	}
}

// fromFranz produces with franz-go.
func fromFranz(t *testing.T, topic, codec string, from int) []message {
	t.Helper()
	cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(codecOf[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	sent := messages(perCodec)
	var records []*kgo.Record
	for _, m := range sent {
		records = append(records, m.record(topic))
	}
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	stored := storedAs(t, topic, codec, from)
	for i := range sent {
		if stored[i].seen(0) != sent[i].seen(0) {
			t.Fatalf("%s: %s is stored, %s was sent", codec, stored[i].seen(0), sent[i].seen(0))
		}
	}
	return sent
}

// fromConsole produces with the console producer of 4.4.0, which gives the time itself.
func fromConsole(t *testing.T, topic, codec string, from int) []message {
	t.Helper()
	sent := messages(perCodec)
	var lines strings.Builder
	for _, m := range sent {
		fmt.Fprintln(&lines, m.typed())
	}
	args := []string{"--bootstrap-server", broker.Addr, "--topic", topic, "--compression-codec", codec}
	for _, p := range []string{"parse.key=true", "parse.headers=true", "null.marker=NULL"} {
		args = append(args, "--reader-property", p)
	}
	begun := time.Now().Add(-time.Minute).UnixMilli()
	harness.Java(t, harness.KafkaNewest, "console-producer", strings.NewReader(lines.String()), args...)
	stored := storedAs(t, topic, codec, from)
	for i := range sent {
		if sent[i].timestamp = stored[i].timestamp; stored[i].seen(0) != sent[i].seen(0) || sent[i].timestamp < begun {
			t.Fatalf("%s: %s is stored, %s was sent", codec, stored[i].seen(0), sent[i].seen(0))
		}
	}
	return sent
}

// storedAs reads a topic from an offset on, and fails the test where a batch has another
// codec.
func storedAs(t *testing.T, topic, codec string, from int) (list []message) {
	t.Helper()
	for _, r := range harness.ReadPartition(t, broker.Addr, topic, 0, int64(from), int64(from+perCodec)) {
		if codec != codecs[r.Attrs.CompressionType()] {
			t.Fatalf("offset %d is stored in %s, not in %s", r.Offset, codecs[r.Attrs.CompressionType()], codec)
		}
		list = append(list, read(r))
	}
	return list
}

func readByOld(t *testing.T, topic, version string, stored []message) {
	t.Helper()
	var want []string
	for i, m := range stored {
		want = append(want, m.as(version).seen(int64(i)))
	}
	got := client(t, "", "consume", broker.Addr, topic, version, fmt.Sprint(len(stored)))
	for i, line := range got { // Python puts spaces where Go does not
		got[i] = compact(t, line)
	}
	compareLines(t, got, want)
}

// compact writes a line of JSON as Go does.
func compact(t *testing.T, line string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(line)); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return b.String()
}

// TestKcatOfOld runs kcat without ApiVersions and tells it which version the broker has.
func TestKcatOfOld(t *testing.T) {
	for _, version := range []string{"0.8.2.2", "0.9.0.1"} {
		for _, codec := range []string{"none", "gzip", "snappy"} {
			t.Run(version+"/"+codec, func(t *testing.T) {
				topic := harness.Topic(t, broker.Addr, 1)
				var sent strings.Builder
				for i := range 500 {
					fmt.Fprintf(&sent, "line %d that says the same again and again\n", i)
				}
				old := []string{"-X", "api.version.request=false", "-X", "broker.version.fallback=" + version, "-t", topic, "-p", "0"}
				harness.Kcat(t, broker.Addr, strings.NewReader(sent.String()), append(old, "-P", "-z", codec)...)
				var stored strings.Builder
				for _, r := range harness.ReadPartition(t, broker.Addr, topic, 0, 0, 500) {
					fmt.Fprintf(&stored, "%s\n", r.Value)
				}
				if stored.String() != sent.String() {
					t.Fatalf("%d bytes are stored, %d were sent", stored.Len(), sent.Len())
				}
				got := harness.Kcat(t, broker.Addr, nil, append(old, "-C", "-q", "-o", "beginning", "-e")...)
				if got != sent.String() {
					t.Fatalf("%d bytes came back, %d were sent", len(got), sent.Len())
				}
			})
		}
	}
}
