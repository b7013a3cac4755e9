package java

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// run runs a tool against the broker.
func run(t *testing.T, release, tool string, args ...string) string {
	t.Helper()
	return harness.Java(t, release, tool, nil, append(server(), args...)...)
}

// want fails the test where a pattern is not in a tool's output.
func want(t *testing.T, what, output string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(output) {
			t.Errorf("%s: no %q in\n%s", what, p, output)
		}
	}
}

func TestTopics(t *testing.T) {
	eachRelease(t, func(t *testing.T, release string) {
		topic := harness.Name(t)
		out := run(t, release, "topics", "--create", "--topic", topic, "--partitions", "2",
			"--config", "retention.ms=3600000", "--config", "cleanup.policy=compact,delete")
		want(t, "create", out, "Created topic "+topic)
		harness.AwaitTopic(t, broker.Addr, topic, 2)

		again := harness.JavaResult(t, release, "topics", nil, append(server(), "--create", "--topic", topic)...)
		if again.Code == 0 || !strings.Contains(again.Stdout+again.Stderr, "already exists") {
			t.Errorf("creating it again: exit code %d\n%s%s", again.Code, again.Stdout, again.Stderr)
		}
		out = run(t, release, "topics", "--describe", "--topic", topic)
		want(t, "describe", out, `TopicId: [A-Za-z0-9_-]{22}`, `PartitionCount: 2\s+ReplicationFactor: `+fmt.Sprint(harness.Brokers()),
			`retention.ms=3600000`, `cleanup.policy=compact,delete`, `Partition: 1\s+Leader: \d\s+Replicas: [\d,]+\s+Isr: [\d,]+`)

		run(t, release, "topics", "--alter", "--topic", topic, "--partitions", "4")
		harness.AwaitTopic(t, broker.Addr, topic, 4)
		want(t, "list", run(t, release, "topics", "--list"), "(?m)^"+topic+"$")
		run(t, release, "topics", "--delete", "--topic", topic)
	})
}

func TestConfigs(t *testing.T) {
	eachRelease(t, func(t *testing.T, release string) {
		topic := harness.Topic(t, broker.Addr, 1)
		entity := []string{"--entity-type", "topics", "--entity-name", topic}
		run(t, release, "configs", append(entity, "--alter", "--add-config", "retention.ms=54321,segment.bytes=2097152")...)
		out := run(t, release, "configs", append(entity, "--describe")...)
		want(t, "describe", out, `retention.ms=54321 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention.ms=54321`, `segment.bytes=2097152`)
		run(t, release, "configs", append(entity, "--alter", "--delete-config", "retention.ms")...)
		out = run(t, release, "configs", append(entity, "--describe", "--all")...)
		want(t, "describe --all", out, `retention.ms=604800000 sensitive=false synonyms=\{\}`, `segment.bytes=2097152`,
			`cleanup.policy=delete sensitive=false synonyms=\{DEFAULT_CONFIG:log.cleanup.policy=delete\}`)

		refused := harness.JavaResult(t, release, "configs", nil, append(append(server(), entity...), "--alter", "--add-config", "retention.ms=soon")...)
		if refused.Code == 0 || !strings.Contains(refused.Stdout+refused.Stderr, "InvalidConfigurationException") {
			t.Errorf("retention.ms=soon: exit code %d\n%s%s", refused.Code, refused.Stdout, refused.Stderr)
		}

		of := []string{"--entity-type", "brokers", "--entity-name", fmt.Sprint(broker.IDs()[0])}
		run(t, release, "configs", append(of, "--alter", "--add-config", "log.cleaner.threads=2")...)
		want(t, "the broker", run(t, release, "configs", append(of, "--describe")...), `log.cleaner.threads=2`)
		run(t, release, "configs", append(of, "--alter", "--delete-config", "log.cleaner.threads")...)
		if out := run(t, release, "configs", append(of, "--describe", "--all")...); strings.Count(out, "\n") < 150 {
			t.Errorf("the broker has %d configurations", strings.Count(out, "\n"))
		}
	})
}

func TestOffsetsRecordsAndDirectories(t *testing.T) {
	eachRelease(t, func(t *testing.T, release string) {
		topic := harness.Topic(t, broker.Addr, 2)
		var records []*kgo.Record
		for i := range 30 {
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 3 / 2), Value: fmt.Append(nil, i)})
		}
		cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		want(t, "latest", run(t, release, "get-offsets", "--topic", topic), "(?m)^"+topic+":0:20$", "(?m)^"+topic+":1:10$")
		want(t, "largest timestamp", run(t, release, "get-offsets", "--topic-partitions", topic+":1", "--time", "max-timestamp"),
			"(?m)^"+topic+`:1:\d$`)

		file := filepath.Join(t.TempDir(), "delete.json")
		spec := fmt.Sprintf(`{"partitions":[{"topic":%q,"partition":0,"offset":7},{"topic":%q,"partition":1,"offset":-1}],"version":1}`, topic, topic)
		if err := os.WriteFile(file, []byte(spec), 0o644); err != nil {
			t.Fatal(err)
		}
		want(t, "delete-records", run(t, release, "delete-records", "--offset-json-file", file),
			"partition: "+topic+`-0\s+low_watermark: 7`, "partition: "+topic+`-1\s+low_watermark: 10`)
		want(t, "earliest", run(t, release, "get-offsets", "--topic", topic, "--time", "earliest"), "(?m)^"+topic+":0:7$", "(?m)^"+topic+":1:10$")

		want(t, "log-dirs", run(t, release, "log-dirs", "--describe", "--topic-list", topic, "--broker-list", fmt.Sprint(broker.IDs()[0])),
			`"partition":"`+topic+`-0"`, `"logDir":"`+regexp.QuoteMeta(broker.LogDir)+`"`, `"error":null`, `"offsetLag":0`)
	})
}
