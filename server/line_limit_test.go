package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Lines that say the same of one topic after the other are written at a bounded rate, each kind by
// itself, and say how many are missing.
func TestLinesOfWhatClientsAskForAreBounded(t *testing.T) {
	var out bytes.Buffer
	limited := limitLines(slog.New(slog.NewTextHandler(&out, nil))).With("broker", 1)
	at := time.Unix(1_000_000_000, 0)
	line := func(msg string, i int) {
		r := slog.NewRecord(at, slog.LevelError, msg, 0)
		r.AddAttrs(slog.Int("partition", i))
		if err := limited.Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10_000 {
		line("partition cannot be made", i)
	}
	line("something else", 0)
	if n := strings.Count(out.String(), "\n"); n != lineBurst+1 {
		t.Fatalf("%d lines of 10,000 partitions", n)
	}
	out.Reset()
	at = at.Add(time.Second)
	line("partition cannot be made", 1)
	if want := fmt.Sprintf("suppressed=%d", 10_000-lineBurst); !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "broker=1") {
		t.Errorf("%q does not say %s", out.String(), want)
	}
}

// A configuration is changed as often as a client wants, to values of megabytes: the log has the
// properties' names, now and then.
func TestChangedConfigurationsFillNoDisk(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	const changes = 40
	value := strings.Repeat("0:0,", 20_000) + "0:0"
	begun := time.Now()
	for i := range changes {
		r := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r.SetVersion(1)
		one := kmsg.NewIncrementalAlterConfigsRequestResource()
		one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
		for name, v := range map[string]string{"leader.replication.throttled.replicas": value, "retention.ms": fmt.Sprint(1_000_000 + i)} {
			set := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			set.Name, set.Value = name, kmsg.StringPtr(v)
			one.Configs = append(one.Configs, set)
		}
		r.Resources = append(r.Resources, one)
		if resp := c.ask(r).(*kmsg.IncrementalAlterConfigsResponse); resp.Resources[0].ErrorCode != 0 {
			t.Fatal(resp.Resources[0].ErrorCode, *resp.Resources[0].ErrorMessage)
		}
	}
	log, most := b.log.String(), lineBurst*(int(time.Since(begun)/time.Second)+2)
	if n := strings.Count(log, "topic configuration changed"); n == 0 || n > most {
		t.Errorf("%d lines of %d changes", n, changes)
	}
	if !strings.Contains(log, "leader.replication.throttled.replicas") || strings.Contains(log, "0:0,") {
		t.Error("the log has values in it, or no names")
	}
	if len(log) > 1000*most {
		t.Errorf("the log has %d bytes", len(log))
	}
}
