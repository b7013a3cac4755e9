package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
)

// linesASecond is how many lines that say the same are logged: see package boundedlog.
const linesASecond = 10

// A configuration is changed as often as a client wants, to values of megabytes: the log has the
// properties' names, now and then.
func TestChangedConfigurationsFillNoDisk(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
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
		if resp := c.Ask(r).(*kmsg.IncrementalAlterConfigsResponse); resp.Resources[0].ErrorCode != 0 {
			t.Fatal(resp.Resources[0].ErrorCode, *resp.Resources[0].ErrorMessage)
		}
	}
	log, most := b.Log.String(), linesASecond*(int(time.Since(begun)/time.Second)+2)
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
