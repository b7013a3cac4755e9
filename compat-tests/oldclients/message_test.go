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

// versions are the broker versions that kafka-python is told.
var versions = []string{"0.8.2", "0.9", "0.10", "0.11", "1.0", "2.1"}

func hasTimestamps(version string) bool { return slices.Index(versions, version) >= 2 }
func hasHeaders(version string) bool    { return slices.Index(versions, version) >= 3 }
func hasZstd(version string) bool       { return version == "2.1" }

// codecs stand at the index that is their number in a batch. Clients of all versions have
// all codecs but the last.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

var codecOf = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// codecsOf are the codecs that clients of a version have.
func codecsOf(version string) []string {
	if hasZstd(version) {
		return codecs
	}
	return codecs[:4]
}

// message is one record as the clients exchange it; nil stands for a null, and for no
// header.
type message struct {
	key, value *string
	timestamp  int64 // ms; -1 for none
	header     *string
}

// messages makes n messages that compress well, with nulls and empty strings among them.
func messages(n int) []message {
	all := make([]message, n)
	begun := time.Now().Add(-time.Hour).UnixMilli()
	for i := range all {
		key, value, header := fmt.Sprint("key ", i), fmt.Sprintf("value %d of a text that says the same again and again", i), fmt.Sprint("header ", i)
		all[i] = message{&key, &value, begun + int64(i)*7, &header}
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

// as gives the part of a message that a client of this version can send and read.
func (m message) as(version string) message {
	if !hasTimestamps(version) {
		m.timestamp = -1
	}
	if !hasHeaders(version) {
		m.header = nil
	}
	return m
}

// line is a message as client.py reads it.
func (m message) line() string {
	b, _ := json.Marshal([]any{m.key, m.value, m.timestamp, m.header})
	return string(b)
}

// seen is a message as client.py prints it.
func (m message) seen(offset int64) string {
	timestamp := any(m.timestamp)
	if m.timestamp < 0 {
		timestamp = nil
	}
	b, _ := json.Marshal([]any{offset, timestamp, m.key, m.value, m.header})
	return string(b)
}

// printed is a message as the console consumer prints it.
func (m message) printed(offset int64) string {
	header := "NO_HEADERS"
	if m.header != nil {
		header = "h:" + *m.header
	}
	return fmt.Sprintf("CreateTime:%d\tOffset:%d\t%s\t%s\t%s", m.timestamp, offset, header, orNull(m.key, "null"), orNull(m.value, "null"))
}

// typed is a message as the console producer reads it.
func (m message) typed() string {
	return fmt.Sprintf("h:%s\t%s\t%s", *m.header, orNull(m.key, "NULL"), orNull(m.value, "NULL"))
}

func orNull(s *string, null string) string {
	if s == nil {
		return null
	}
	return *s
}

// record is a message as franz-go sends it.
func (m message) record(topic string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(m.timestamp), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(*m.header)}}}
	if m.key != nil {
		r.Key = []byte(*m.key)
	}
	if m.value != nil {
		r.Value = []byte(*m.value)
	}
	return r
}

// read is a record that franz-go read, as a message.
func read(r *kgo.Record) message {
	m := message{text(r.Key), text(r.Value), r.Timestamp.UnixMilli(), nil}
	if len(r.Headers) == 1 && r.Headers[0].Key == "h" {
		m.header = text(r.Headers[0].Value)
	}
	return m
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// client runs client.py and gives its lines.
func client(t *testing.T, stdin string, args ...string) []string {
	t.Helper()
	script := filepath.Join(harness.Root(), "compat-tests", "oldclients", "client.py")
	out := harness.Python(t, strings.NewReader(stdin), append([]string{script}, args...)...)
	return strings.Split(strings.TrimSpace(out), "\n")
}

// compareLines fails at the first line that is not as it should be.
func compareLines(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%d lines, want %d; line %d is\n%s\nwant\n%s", len(got), len(want), i,
				strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""), strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}
}
