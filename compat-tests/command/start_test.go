package command

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

func TestWhatItSaysAtTheStart(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	// The port answers a moment before the broker writes the line. When the broker has ended,
	// its log is complete.
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	said := b.Log()
	for _, want := range []string{b.Addr, b.LogDir, "kcat", "accepting clients"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not name %q:\n%s", want, said)
		}
	}
	if strings.Count(said, "accepting clients") != 1 || strings.Count(said, "\n") > 24 {
		t.Errorf("want one line that says that it accepts clients, on one screen:\n%s", said)
	}
}

func TestACleanStopAndStart(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	topic := harness.Topic(t, b.Addr, 3, "retention.ms", "123456789")
	cl := harness.Client(t, b.Addr, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	var records []*kgo.Record
	for i := range 300 {
		records = append(records, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)})
	}
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	before, err := harness.Admin(t, b.Addr).Metadata(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.LogDir, ".kafka_cleanshutdown")); err != nil {
		t.Errorf("the mark of a clean stop: %v", err)
	}
	if _, err := net.Dial("tcp", b.Addr); err == nil {
		t.Error("the broker is stopped and its port is open")
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	harness.AwaitTopic(t, b.Addr, topic, 3)
	after, err := harness.Admin(t, b.Addr).Metadata(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if after.Cluster != before.Cluster || after.Topics[topic].ID != before.Topics[topic].ID {
		t.Errorf("cluster %s and topic %v became %s and %v", before.Cluster, before.Topics[topic].ID, after.Cluster, after.Topics[topic].ID)
	}
	for p := range int32(3) {
		if end := harness.EndOffset(t, b.Addr, topic, p); end != 100 {
			t.Errorf("partition %d ends at %d, want 100", p, end)
		}
		harness.ReadPartition(t, b.Addr, topic, p, 0, 100)
	}
	described, err := harness.Admin(t, b.Addr).DescribeTopicConfigs(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range described[0].Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != "123456789" {
			t.Errorf("retention.ms is %s after the restart", c.MaybeValue())
		}
	}
}

// TestADynamicConfigSurvivesAKill sets a broker configuration while it runs.
func TestADynamicConfigSurvivesAKill(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	adm := harness.Admin(t, b.Addr)
	value := "3000000"
	got, err := adm.AlterBrokerConfigs(harness.Context(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.max.bytes", Value: &value}}, 0)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	b.Kill()
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	described, err := harness.Admin(t, b.Addr).DescribeBrokerConfigs(harness.Context(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range described[0].Configs {
		if c.Key == "message.max.bytes" && c.MaybeValue() != value {
			t.Errorf("message.max.bytes is %s after a kill, %s was set", c.MaybeValue(), value)
		}
	}
}

// brokers asks for Metadata at one address, and dials no other.
func brokers(t *testing.T, addr string) []string {
	t.Helper()
	cl := harness.Client(t, addr)
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := cl.SeedBrokers()[0].Request(harness.Context(t), req)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	var list []string
	for _, b := range resp.(*kmsg.MetadataResponse).Brokers {
		list = append(list, net.JoinHostPort(b.Host, fmt.Sprint(b.Port)))
	}
	return list
}

// addresses are the local addresses that a client on this machine can connect to: the
// loopback in both families and any other address of the machine.
func addresses(t *testing.T) []string {
	t.Helper()
	list := []string{"127.0.0.1", "127.0.0.2", "::1"}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			list = append(list, ip.IP.String())
		}
	}
	return list
}

func TestEachClientGetsTheAddressThatItCameInOn(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "[::]", ""} {
		t.Run("listening on "+host, func(t *testing.T) {
			port, err := harness.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			harness.StartAt(t, fmt.Sprintf("127.0.0.1:%d", port), harness.Options{Properties: map[string]string{
				"listeners": fmt.Sprintf("PLAINTEXT://%s:%d", host, port)}})
			for _, ip := range addresses(t) {
				if host == "0.0.0.0" && strings.Contains(ip, ":") {
					continue // listens on IPv4 alone
				}
				at := net.JoinHostPort(ip, fmt.Sprint(port))
				if got := brokers(t, at); len(got) != 1 || got[0] != at {
					t.Errorf("a client that came in on %s is sent to %v", at, got)
				}
			}
		})
	}
}

func TestSeveralListeners(t *testing.T) {
	ports := [3]int{}
	for i := range ports {
		var err error
		if ports[i], err = harness.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	inside := fmt.Sprintf("127.0.0.1:%d", ports[0])
	outside := fmt.Sprintf("127.0.0.1:%d", ports[1])
	six := fmt.Sprintf("[::1]:%d", ports[2])
	harness.StartAt(t, inside, harness.Options{Properties: map[string]string{
		"listeners":                      "INSIDE://" + inside + ",OUTSIDE://" + outside + ",SIX://" + six,
		"advertised.listeners":           "INSIDE://" + inside + ",OUTSIDE://broker.example.com:19092,SIX://" + six,
		"listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,SIX:PLAINTEXT",
		"inter.broker.listener.name":     "INSIDE",
	}})
	for at, want := range map[string]string{inside: inside, outside: "broker.example.com:19092", six: six} {
		if got := brokers(t, at); len(got) != 1 || got[0] != want {
			t.Errorf("a client of %s is sent to %v, want %s", at, got, want)
		}
	}
}
