package command

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// TestLevelsOfLoggers: kafka-configs.sh reads and changes the levels of klamm's loggers, which count at once, and until the next start.
func TestLevelsOfLoggers(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"klamm.log.levels": "root=INFO,cluster=WARN"}})
	configs := func(args ...string) harness.Result {
		t.Helper()
		return harness.JavaResult(t, harness.Kafka39, "configs", nil, append([]string{"--bootstrap-server", b.Addr, "--entity-type", "broker-loggers", "--entity-name", "0"}, args...)...)
	}
	changed := configs("--alter", "--add-config", "server.requests=DEBUG,logstore=ERROR")
	if changed.Code != 0 || !strings.Contains(changed.Stdout, "Completed updating config for broker-logger 0") {
		t.Fatalf("kafka-configs.sh --alter: exit code %d:\n%s%s", changed.Code, changed.Stdout, changed.Stderr)
	}
	described := configs("--describe")
	for _, want := range []string{"  root=INFO sensitive=false synonyms={}", "  server.requests=DEBUG ", "  logstore.cleaner=ERROR ", "  cluster.controller=WARN ", "  server=INFO "} {
		if described.Code != 0 || !strings.Contains(described.Stdout, want) {
			t.Errorf("kafka-configs.sh --describe does not say %q: exit code %d:\n%s%s", want, described.Code, described.Stdout, described.Stderr)
		}
	}
	b.AwaitLog(t, "msg=request logger=server.requests api=DescribeConfigs")
	unknown := configs("--alter", "--add-config", "kafka.controller=DEBUG")
	if unknown.Code == 0 || !strings.Contains(unknown.Stdout+unknown.Stderr, "kafka.controller") {
		t.Errorf("kafka-configs.sh sets the level of a logger that there is not: exit code %d:\n%s%s", unknown.Code, unknown.Stdout, unknown.Stderr)
	}
	deleted := configs("--alter", "--delete-config", "server.requests")
	if deleted.Code != 0 {
		t.Fatalf("kafka-configs.sh --delete-config: exit code %d:\n%s%s", deleted.Code, deleted.Stdout, deleted.Stderr)
	}
	if got := levels(t, b)["server.requests"]; got != "INFO" {
		t.Errorf("server.requests has %s without a level of its own, want INFO", got)
	}
	if strings.Contains(b.Log(), "logger=cluster.controller") || strings.Contains(b.Log(), "api=IncrementalAlterConfigs version=1 correlation_id=1 ") {
		t.Errorf("lines below the level of their logger are logged:\n%s", b.Log())
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	if got := levels(t, b); got["logstore"] != "INFO" || got["cluster"] != "WARN" {
		t.Errorf("after a restart logstore has %s and cluster has %s, want INFO and WARN", got["logstore"], got["cluster"])
	}
}

// levels reads the levels of a broker's loggers.
func levels(t *testing.T, b *harness.Broker) map[string]string {
	t.Helper()
	cl := harness.Client(t, b.Addr)
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBrokerLogger, "0"
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(harness.Context(t), cl)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range resp.Resources[0].Configs {
		all[c.Name] = *c.Value
	}
	return all
}

// TestLogIsJSON: with klamm.log.format=json each line that the process writes is a JSON object, from the first to the last, also that about a start
// that fails.
func TestLogIsJSON(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"klamm.log.format": "json", "klamm.log.levels": "root=TRACE", "unheard.of": "1"}})
	harness.Topic(t, b.Addr, 1)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	said := jsonLines(t, b.Log())
	for _, want := range []string{"starting klamm", "a warning about the configuration", "accepting clients", "topic created", "request", "stopped cleanly"} {
		if !said[want] {
			t.Errorf("no line says %q:\n%s", want, b.Log())
		}
	}
	if !strings.Contains(b.Log(), `"topic_id":"`) || !strings.Contains(b.Log(), `"broker_id":0`) {
		t.Errorf("ids are not what a reader of JSON expects:\n%s", b.Log())
	}
	failed := klamm(t, t.TempDir(), nil, "--set", "klamm.log.format=json", "--set", "num.partitions=many", "--set", "unheard.of=1")
	if failed.code != 1 || failed.stdout != "" || !jsonLines(t, failed.stderr)["the process ends"] || !strings.Contains(failed.stderr, "num.partitions") {
		t.Errorf("a start that fails: exit code %d:\n%s%s", failed.code, failed.stdout, failed.stderr)
	}
	klamm(t, t.TempDir(), nil, "--set", "klamm.log.format=xml").refused(t, "klamm.log.format", "xml", "text, json")
	klamm(t, t.TempDir(), nil, "--set", "klamm.log.levels=kafka=INFO").refused(t, "klamm.log.levels", "kafka")
	klamm(t, t.TempDir(), nil, "--set", "klamm.log.levels=cluster=LOUD").refused(t, "klamm.log.levels", "LOUD")
}

// jsonLines checks that each line is an object with a time, a level, a message and a logger, and gives the messages.
func jsonLines(t *testing.T, log string) map[string]bool {
	t.Helper()
	said := map[string]bool{}
	for line := range strings.Lines(log) {
		var got struct{ Time, Level, Msg, Logger string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Time == "" || got.Level == "" || got.Msg == "" || got.Logger == "" {
			t.Errorf("%v: %s", err, line)
		}
		said[got.Msg] = true
	}
	return said
}
