package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

type topicJSON struct {
	Name       string
	ID         string
	Partitions int
	Replicas   int
	List       []struct {
		Partition       int32
		Leader          *int32
		Replicas, ISR   []int32
		StartOffset     *int64
		EndOffset       *int64
		OfflineReplicas []int32
	} `json:"partitionList"`
	Configs []configJSON
}

type configJSON struct{ Name, Value, Source string }

// TestTopics leads topics through their life.
func TestTopics(t *testing.T) {
	name := harness.Name(t)
	klamm(t, "topic", "create", name, "-p", "3", "-r", "1", "-c", "retention.ms=86400000", "--dry-run").ok("would create topic " + name + " with 3 partitions and 1 replicas")
	klamm(t, "topic", "describe", name).fails(1, "there is no topic "+name, "klamm topic list")
	klamm(t, "topic", "create", name, "-p", "3", "-r", "1", "-c", "retention.ms=86400000").ok("created topic " + name + " with 3 partitions")
	harness.AwaitTopic(t, broker.Addr, name, 3)
	klamm(t, "topic", "create", name).fails(1, "creating topic "+name, "already exists", "TOPIC_ALREADY_EXISTS")
	klamm(t, "topic", "create", name, "--if-not-exists").ok("exists already")
	klamm(t, "topic", "list").ok("NAME", name)
	var list []topicJSON
	klamm(t, "topic", "list", "-o", "json").json(&list)
	found := false
	for _, topic := range list {
		found = found || topic.Name == name && topic.Partitions == 3 && topic.Replicas == 1
	}
	if !found {
		t.Errorf("%v has no %s", list, name)
	}
	klamm(t, "topic", "list", "-o", "yaml").ok("- name: " + name + "\n")

	produce(t, name, 0, 10)
	klamm(t, "topic", "describe", name).ok("PARTITION  LEADER", "retention.ms  86400000  topic")
	d := describe(t, name)
	if len(d.List) != 3 || d.List[0].Leader == nil || *d.List[0].StartOffset != 0 || *d.List[0].EndOffset != 10 || len(d.List[0].ISR) != 1 {
		t.Errorf("%+v", d)
	}
	klamm(t, "topic", "alter", name, "--set", "cleanup.policy=compact,delete", "--unset", "retention.ms").ok("changed topic " + name)
	klamm(t, "config", "get", "topic", name, "cleanup.policy").ok("compact,delete\n")
	klamm(t, "topic", "alter", name, "--set", "cleanup.policy=burn").fails(1, "changing topic "+name, "cleanup.policy", "burn")

	klamm(t, "topic", "trim", name, "--before", "4", "--partition", "0").ok("Nothing is changed: --execute does it")
	if start := *describe(t, name).List[0].StartOffset; start != 0 {
		t.Errorf("without --execute the log starts at %d", start)
	}
	klamm(t, "topic", "trim", name, "--before", "4", "--partition", "0", "--execute").ok("RECORDS DELETED")
	if start := *describe(t, name).List[0].StartOffset; start != 4 {
		t.Errorf("the log starts at %d, want 4", start)
	}
	klamm(t, "topic", "trim", name, "--before", "4", "--execute").fails(1, name+"-1 ends at offset 0, before 4")
	klamm(t, "topic", "trim", name, "--before", "11", "--partition", "0", "--execute").fails(1, name+"-0 ends at offset 10")
	klamm(t, "topic", "trim", name, "--before", "end", "--execute").ok()
	if start := *describe(t, name).List[0].StartOffset; start != 10 {
		t.Errorf("the log starts at %d, want 10", start)
	}

	klamm(t, "topic", "add-partitions", name, "--total", "2").fails(1, "adding partitions to topic "+name)
	klamm(t, "topic", "add-partitions", name, "--add", "2").ok()
	harness.AwaitTopic(t, broker.Addr, name, 5)
	klamm(t, "topic", "delete", name).ok("deleted topic " + name)
	klamm(t, "topic", "delete", harness.Name(t)+"-never").fails(1, "there is no topic")
	klamm(t, "topic", "delete", harness.Name(t)+"-never", "--if-exists").ok()
}

func describe(t *testing.T, name string) topicJSON {
	t.Helper()
	var all []topicJSON
	klamm(t, "topic", "describe", name, "-o", "json").json(&all)
	if len(all) != 1 {
		t.Fatalf("%v", all)
	}
	return all[0]
}

// produce writes n records, whose values are their numbers.
func produce(t *testing.T, topic string, partition int32, n int) {
	t.Helper()
	cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range n {
		cl.Produce(harness.Context(t), &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := harness.Flush(harness.Context(t), cl); err != nil {
		t.Fatal(err)
	}
}

// TestMisused gives the commands what they cannot work with. None of it reaches the broker.
func TestMisused(t *testing.T) {
	env := []string{"KLAMM_BOOTSTRAP_SERVER=" + nobody(t)}
	for args, words := range map[string]string{
		"topic":                                  "",
		"dance":                                  `"dance" klamm --help`,
		"--dance":                                "--dance",
		"topic dance":                            `"dance" create describe`,
		"topic list orders":                      `"orders"`,
		"topic list --fast":                      "--fast",
		"topic list -o xml":                      "table, json and yaml",
		"topic list -b nowhere":                  `"nowhere" host:port`,
		"topic list --profile none":              "HOME",
		"topic list --command-config none":       "there is no file none",
		"topic describe":                         "the name of a topic",
		"topic create a -p 0":                    "--partitions 0",
		"topic create a -c retention.ms":         "retention.ms name=value",
		"topic create a a":                       "topic a is named twice",
		"topic alter a":                          "--set --unset",
		"topic add-partitions a":                 "--add --total",
		"topic add-partitions a --add 1 --total": "--total",
		"topic trim a":                           "--before",
		"topic trim a --before yesterday":        "yesterday",
		"config list disk sda":                   `"disk" topic broker`,
		"config get topic a":                     "property",
		"config set topic a retention.ms":        "name=value",
		"config unset topic a retention.ms=1":    "retention.ms=1",
		"config list broker one":                 `"one"`,
		"broker describe one":                    `"one"`,
		"cluster health now":                     `"now"`,
		"completion tcsh":                        "bash zsh fish",
		"cluster dance":                          "dance info health rebalance",
		"config dance":                           "dance",
		"version 3":                              `"3"`,
	} {
		t.Run(args, func(t *testing.T) {
			e := klammIn(t, env, "", strings.Fields(args)...)
			if words == "" {
				e.ok("Usage")
				return
			}
			e.fails(2, strings.Fields(words)...)
		})
	}
	for _, name := range []string{"a b", "a/b", "..", "ä", "\x1b[31mred", "a\nb", strings.Repeat("a", 250), "$(reboot)"} {
		for _, cmd := range []string{"create", "describe", "delete"} {
			e := klammIn(t, nil, "", "topic", cmd, "-b", broker.Addr, "--", name)
			e.fails(2, "cannot be the name of a topic", "249")
		}
	}
}

// TestUnreachable holds the exit code and the words where no broker answers.
func TestUnreachable(t *testing.T) {
	gone := nobody(t)
	for _, args := range []string{"topic list", "topic create a", "config list topic a", "cluster info", "cluster health", "broker list", "logdirs"} {
		e := klammIn(t, nil, "", append(strings.Fields(args), "-b", gone)...)
		e.fails(3, "cannot reach "+gone+": connection refused; is a broker running there?")
		if e.stdout != "" || strings.Count(e.stderr, "\n") != 1 {
			t.Errorf("klamm %s prints %q and says %q", args, e.stdout, e.stderr)
		}
	}
}
