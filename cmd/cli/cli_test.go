package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TestPositions reads what a person may write.
func TestPositions(t *testing.T) {
	now := time.UnixMilli(1_000_000_000_000)
	for text, want := range map[string]position{
		"start": {kind: start}, "earliest": {kind: start}, "end": {kind: end}, "latest": {kind: end},
		"0": {offset, 0}, "12": {offset, 12}, "-12": {beforeEnd, 12},
		"@1700000000000": {atTime, 1_700_000_000_000},
		"90s":            {atTime, 1_000_000_000_000 - 90_000}, "-90s": {atTime, 1_000_000_000_000 - 90_000},
		"2d": {atTime, 1_000_000_000_000 - 172_800_000}, "1d12h": {atTime, 1_000_000_000_000 - 129_600_000},
		"1970-01-02": {atTime, 86_400_000}, "1970-01-01T01:00": {atTime, 3_600_000}, "1970-01-01T01:00:00.5Z": {atTime, 3_600_500},
		"1970-01-01T01:00:00+01:00": {atTime, 0},
	} {
		if got, err := parsePosition(text, now); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "1.5", "@", "@-1", "--5s", "5", "1969-12-31", "99999999999999999999", "1h-5m", "d"} {
		if got, err := parsePosition(text, now); err == nil && text != "5" {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestJudge holds what is counted for a cluster that is not well.
func TestJudge(t *testing.T) {
	part := func(p, leader int32, replicas, isr, offline []int32) kadm.PartitionDetail {
		return kadm.PartitionDetail{Topic: "t", Partition: p, Leader: leader, Replicas: replicas, ISR: isr, OfflineReplicas: offline}
	}
	meta := kadm.Metadata{Controller: 1, Brokers: kadm.BrokerDetails{{NodeID: 1}, {NodeID: 2}}, Topics: kadm.TopicDetails{"t": {Topic: "t", Partitions: kadm.PartitionDetails{
		0: part(0, 1, []int32{1, 2}, []int32{2, 1}, nil),
		1: part(1, 1, []int32{1, 2, 3}, []int32{1, 2}, []int32{3}),
		2: part(2, 1, []int32{1, 2}, []int32{1}, nil),
		3: part(3, -1, []int32{3}, []int32{3}, []int32{3}),
	}}}}
	h := judge(meta, map[string]int{"t": 2})
	var out strings.Builder
	if err := h.write(&out, true); err != nil {
		t.Fatal(err)
	}
	want := `not healthy: 1 without leader, 2 under min ISR, 1 at min ISR, 2 under-replicated, 2 with offline replicas, brokers away: 3 (of 2 brokers, 1 topic, 4 partitions)
t-3  without leader
t-2  under min ISR
t-3  under min ISR
t-1  at min ISR
t-1  under-replicated
t-2  under-replicated
t-1  with offline replicas
t-3  with offline replicas
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
	for _, p := range []int32{1, 2, 3} {
		delete(meta.Topics["t"].Partitions, p)
	}
	if h := judge(meta, map[string]int{"t": 2}); !h.Healthy {
		t.Errorf("%+v", h)
	}
	meta.Controller = -1
	if h := judge(meta, map[string]int{"t": 2}); h.Healthy {
		t.Error("healthy without a controller")
	}
}

// TestFormats holds a hostile name in each format.
func TestFormats(t *testing.T) {
	value := []topicEntry{{Name: "a\x1b[31m\u202e: \"b\"\nc\u009b", ID: "true"}}
	for f, want := range map[format]string{
		asJSON:  `"name": "a\u001b[31m\u202e: \"b\"\nc\u009b"`,
		asYAML:  `name: "a\e[31m\u202e: \"b\"\nc\x9B"`,
		asTable: `a\x1b[31m\u202e: "b"\nc\u009b  0`,
	} {
		var out bytes.Buffer
		var rows table
		rows.row(value[0].Name, value[0].Partitions)
		if err := (Process{Out: &out}).show(f, value, rows.write); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q\nwant %q", f, out.String(), want)
		}
		if f == asYAML && !strings.Contains(out.String(), `id: "true"`) {
			t.Errorf("%q makes a boolean of a text", out.String())
		}
	}
}
