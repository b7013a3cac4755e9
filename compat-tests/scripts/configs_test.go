package scripts

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
)

// configsSame are command lines of kafka-configs that change nothing, or fail.
const configsSame = `
configs --describe --entity-type topics
configs --describe --topic alpha --all
configs --describe --topic nix
configs --describe --topic a/b
configs --describe --entity-type brokers
configs --describe --broker 1 --all
configs --describe --broker-defaults
configs --describe --entity-type brokers --entity-name x
configs --alter --broker 1 --add-config broker.id=7
configs --alter --broker 1 --add-config log.cleaner.threads=x
configs --alter --topic alpha --delete-config retention.bytes
configs --alter --topic alpha --add-config foo
configs --describe --broker-logger 1
configs --describe --entity-type users
configs --describe --entity-type clients
configs --describe --entity-type users --entity-name u1 --entity-type clients
configs --describe --user u1
configs --describe --entity-type ips
configs --alter --user u1 --add-config foo=x
configs --alter --user u1 --add-config SCRAM-SHA-256=[iterations=100,password=x]
configs --describe --entity-type client-metrics
configs --describe --entity-type foo
configs --describe --topic a --entity-type topics
configs --describe --alter
configs @none --describe --entity-type users
`

// configs gives brokers, users and clients a configuration by klamm's script, with one command line for each entity. Whoever has no
// quotas refuses those, and has to refuse them to both.
func (w *world) configs(t *testing.T) {
	t.Helper()
	for _, line := range []string{
		"configs --alter --broker 1 --add-config log.cleaner.threads=2",
		"configs --alter --broker-defaults --add-config log.cleaner.threads=2,message.max.bytes=1000000",
	} {
		if r := w.klamm(t, try{line: line}); r.code != 0 {
			t.Fatalf("%s ends with %d: %s%s", line, r.code, r.stdout, r.stderr)
		}
	}
	if !harness.Reference() {
		return
	}
	for _, line := range []string{
		"configs --alter --user u1 --add-config producer_byte_rate=1024,consumer_byte_rate=10000000",
		"configs --alter --user-defaults --add-config request_percentage=12.5",
		"configs --alter --user u1 --client c1 --add-config producer_byte_rate=1",
		"configs --alter --client c1 --add-config producer_byte_rate=1e12",
		"configs --alter --user u1 --add-config SCRAM-SHA-256=[password=x],SCRAM-SHA-512=[iterations=5000,password=y]",
		"configs --alter --ip-defaults --add-config connection_creation_rate=10000",
	} {
		if r := w.klamm(t, try{line: line}); r.code != 0 {
			t.Fatalf("%s ends with %d: %s%s", line, r.code, r.stdout, r.stderr)
		}
	}
}

// configsChanged changes configurations by both, and compares what the brokers have then.
func (w *world) configsChanged(t *testing.T) {
	defer w.forget(t)
	for _, line := range []string{
		"configs --alter --topic gamma --add-config cleanup.policy=[compact,delete],retention.ms=7 --delete-config segment.bytes",
		"configs --alter --broker 2 --add-config log.retention.ms=1000000000 --delete-config num.io.threads",
	} {
		reset := func() {
			_, err := w.admin.AlterTopicConfigs(harness.Context(t), []kadm.AlterConfig{
				{Op: kadm.SetConfig, Name: "segment.bytes", Value: kadm.StringPtr("100000")},
				{Op: kadm.DeleteConfig, Name: "cleanup.policy"}, {Op: kadm.DeleteConfig, Name: "retention.ms"}}, "gamma")
			if err == nil {
				_, err = w.admin.AlterBrokerConfigs(harness.Context(t), []kadm.AlterConfig{
					{Op: kadm.SetConfig, Name: "num.io.threads", Value: kadm.StringPtr("9")}, {Op: kadm.DeleteConfig, Name: "log.retention.ms"}}, 2)
			}
			if err != nil {
				t.Fatal(err)
			}
			harness.Await(t, "the configuration to be what it was", func() bool {
				all := w.settings(t)
				return slices.Contains(all, "gamma segment.bytes=100000") && slices.Contains(all, "2 num.io.threads=9") && len(all) == 2
			})
		}
		w.changes(t, try{line: line}, reset, func() string { return w.inTree(t, "topics/gamma", "brokers/2") })
	}
}

// inTree gives configurations as ZooKeeper has them: brokers learn of a change later, a property at a time.
func (w *world) inTree(t testing.TB, entities ...string) string {
	t.Helper()
	var lines []string
	for _, entity := range entities {
		data, _, err := w.cluster.Zk(t).Get("/config/" + entity)
		if errors.Is(err, zk.ErrNoNode) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var node struct {
			Config map[string]string `json:"config"`
		}
		if err := json.Unmarshal(data, &node); err != nil {
			t.Fatal(err)
		}
		for name, value := range node.Config {
			lines = append(lines, entity+" "+name+"="+value)
		}
	}
	return strings.Join(sorted(lines), "\n")
}

// forget removes what configsChanged set on broker 2: what a broker says of a topic's configuration depends on its own.
func (w *world) forget(t *testing.T) {
	t.Helper()
	_, err := w.admin.AlterBrokerConfigs(harness.Context(t), []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "num.io.threads"}, {Op: kadm.DeleteConfig, Name: "log.retention.ms"}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "broker 2 to have no configuration of its own", func() bool {
		return !slices.ContainsFunc(w.settings(t), func(s string) bool { return strings.HasPrefix(s, "2 ") })
	})
}

// settings gives the properties that topic gamma and broker 2 have of their own.
func (w *world) settings(t testing.TB) (all []string) {
	t.Helper()
	topics, err := w.admin.DescribeTopicConfigs(harness.Context(t), "gamma")
	if err != nil {
		t.Fatal(err)
	}
	brokers, err := w.admin.DescribeBrokerConfigs(harness.Context(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(topics, brokers...) {
		for _, c := range r.Configs {
			if s := c.Source.String(); s == "DYNAMIC_TOPIC_CONFIG" || s == "DYNAMIC_BROKER_CONFIG" {
				all = append(all, r.Name+" "+c.Key+"="+c.MaybeValue())
			}
		}
	}
	return sorted(all)
}
