package oldclients

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// The versions that kafka-python is told; the first with timestamps is 0.10.
var versions = []string{"0.8.2", "0.9", "0.10", "0.11", "1.0", "2.1"}

func hasTimestamps(version string) bool { return slices.Index(versions, version) >= 2 }

var codecs = []string{"none", "gzip", "snappy", "lz4"}

var codecOf = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// codecsOf are the codecs that clients of a version have.
func codecsOf(version string) []string {
	if version == "2.1" {
		return append(slices.Clone(codecs), "zstd")
	}
	return codecs
}

// message is a key and a value, nil for nulls.
type message struct{ key, value *string }

// messages are n messages that compress, with nulls and empty strings among them.
func messages(n int) []message {
	all := make([]message, n)
	for i := range all {
		key, value := fmt.Sprint("key ", i), fmt.Sprintf("value %d of a text that says the same again and again", i)
		all[i] = message{&key, &value}
		switch i % 10 {
		case 3:
			all[i].key = nil
		case 5:
			all[i].value = nil
		case 7:
			*all[i].key, *all[i].value = "", ""
		}
	}
	return all
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

func (m message) String() string {
	b, _ := json.Marshal([]*string{m.key, m.value})
	return string(b)
}

// client runs client.py and gives its lines.
func client(t *testing.T, stdin string, args ...string) []string {
	t.Helper()
	script := filepath.Join(harness.Root(), "compat-tests", "oldclients", "client.py")
	out := harness.Python(t, strings.NewReader(stdin), append([]string{script}, args...)...)
	return strings.Split(strings.TrimSpace(out), "\n")
}

func TestFromOldToNew(t *testing.T) {
	for _, version := range versions {
		for _, codec := range codecsOf(version) {
			t.Run(version+"/"+codec, func(t *testing.T) {
				const n = 500
				topic := harness.Topic(t, broker.Addr, 1)
				sent := messages(n)
				var lines strings.Builder
				for _, m := range sent {
					fmt.Fprintln(&lines, m)
				}
				begun := time.Now().Add(-time.Second)
				client(t, lines.String(), "produce", broker.Addr, topic, version, codec)
				for i, r := range harness.ReadPartition(t, broker.Addr, topic, 0, 0, n) {
					if got := (message{text(r.Key), text(r.Value)}); got.String() != sent[i].String() || r.Offset != int64(i) {
						t.Fatalf("record %d at offset %d is %v, %v was sent", i, r.Offset, got, sent[i])
					}
					if want := slices.Index([]string{"none", "gzip", "snappy", "lz4", "zstd"}, codec); int(r.Attrs.CompressionType()) != want {
						t.Fatalf("record %d is stored with codec %d", i, r.Attrs.CompressionType())
					}
					if hasTimestamps(version) == r.Timestamp.Before(begun) {
						t.Fatalf("record %d has timestamp %v", i, r.Timestamp)
					}
				}
			})
		}
	}
}

func TestFromNewToOld(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	const n = 500
	sent := messages(n)
	at := time.UnixMilli(time.Now().UnixMilli())
	for _, codec := range codecs {
		cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(codecOf[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		var records []*kgo.Record
		for i, m := range sent {
			r := &kgo.Record{Topic: topic, Timestamp: at.Add(time.Duration(i) * time.Millisecond), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}
			if m.key != nil {
				r.Key = []byte(*m.key)
			}
			if m.value != nil {
				r.Value = []byte(*m.value)
			}
			records = append(records, r)
		}
		if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			total := n * len(codecs)
			lines := client(t, "", "consume", broker.Addr, topic, version, fmt.Sprint(total))
			if len(lines) != total {
				t.Fatalf("%d of %d messages came:\n%s", len(lines), total, lines[len(lines)-1])
			}
			for i, line := range lines {
				var got [4]any
				if err := json.Unmarshal([]byte(line), &got); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				timestamp := any(nil)
				if hasTimestamps(version) {
					timestamp = float64(at.UnixMilli() + int64(i%n))
				}
				want := [4]any{float64(i), timestamp, orNil(sent[i%n].key), orNil(sent[i%n].value)}
				if got != want {
					t.Fatalf("message %d is %v, want %v", i, got, want)
				}
			}
		})
	}
}

func orNil(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// kcat without ApiVersions, told which version the broker is.
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
