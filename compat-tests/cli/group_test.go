package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

type groupJSON struct {
	Group, State string
	TotalLag     int64
	Members      []struct{ ClientID, Host string }
	Offsets      []struct {
		Topic       string
		Partition   int32
		Offset, Lag *int64
	}
}

// commit gives a group offsets.
func commit(t *testing.T, group string, at map[string]map[int32]int64) {
	t.Helper()
	var to kadm.Offsets
	for topic, parts := range at {
		for p, offset := range parts {
			to.Add(kadm.Offset{Topic: topic, Partition: p, At: offset, LeaderEpoch: -1})
		}
	}
	harness.CommitOffsets(t, harness.Admin(t, broker.Addr), group, to)
}

// offsets writes where a group is, as export does.
func offsets(t *testing.T, group string) string {
	t.Helper()
	return klamm(t, "group", "describe", group, "--export").ok().stdout
}

// TestGroupReset moves a group in each way.
func TestGroupReset(t *testing.T) {
	topic, other, group := harness.Topic(t, broker.Addr, 2), harness.Topic(t, broker.Addr, 1), harness.Name(t)
	for i := range 10 {
		write(t, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)*1000)})
	}
	produce(t, other, 0, 3)
	file := filepath.Join(t.TempDir(), "offsets.csv")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s,0,6\n%s,0,1\n", topic, other), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := func() { commit(t, group, map[string]map[int32]int64{topic: {0: 5}, other: {0: 2}}) }
	begin()
	klamm(t, "group", "list").ok(group+" ", "Empty")
	var all []groupJSON
	klamm(t, "group", "describe", group, "-o", "json").json(&all)
	if len(all) != 1 || all[0].State != "Empty" || all[0].TotalLag != 6 || len(all[0].Offsets) != 2 {
		t.Errorf("%+v", all)
	}
	for args, want := range map[string][3]string{ // topic-0, topic-1, other-0; "" for none
		"--topic T --to start":                  {"0", "0", "2"},
		"--topic T:0 --to end":                  {"10", "", "2"},
		"--topic T:0 --to 7":                    {"7", "", "2"},
		"--topic T:0 --to 99":                   {"10", "", "2"},
		"--topic T:0 --to @1700000003000":       {"3", "", "2"},
		"--topic T:0 --to 2023-11-14T22:13:24Z": {"4", "", "2"},
		"--topic T:0 --to -2":                   {"8", "", "2"},
		"--topic T:0 --to 1d":                   {"10", "", "2"},
		"--topic T --shift-by -2":               {"3", "", "2"},
		"--topic T:0 --shift-by 100":            {"10", "", "2"},
		"--topic T --topic U --to start":        {"0", "0", "0"},
		"--all-topics --to end":                 {"10", "0", "3"},
		"--all-topics --shift-by -1":            {"4", "", "1"},
		"--from-file F":                         {"6", "", "1"},
	} {
		line := strings.NewReplacer("T", topic, "U", other, "F", file)
		words := strings.Fields(args)
		for i, w := range words {
			if !strings.HasPrefix(w, "--") && !strings.HasPrefix(w, "20") {
				words[i] = line.Replace(w)
			}
		}
		before := offsets(t, group)
		klamm(t, append([]string{"group", "reset", group}, words...)...).ok("NEW OFFSET", "Nothing is changed: --execute does it")
		if after := offsets(t, group); after != before {
			t.Errorf("%s without --execute makes %q of %q", args, after, before)
		}
		klamm(t, append([]string{"group", "reset", group, "--execute"}, words...)...).ok()
		expected := ""
		for i, at := range want {
			if name := []string{topic, topic, other}[i]; at != "" {
				expected += fmt.Sprintf("%s,%d,%s\n", name, i%2, at)
			}
		}
		if got := offsets(t, group); got != expected {
			t.Errorf("%s: %q, want %q", args, got, expected)
		}
		klamm(t, "group", "delete", group, "--execute").ok("Deleted.")
		begin()
	}
	klamm(t, "group", "reset", group, "--topic", topic+":0", "--to", "end", "--execute").ok()
	committed, err := harness.Admin(t, broker.Addr).FetchOffsets(harness.Context(t), group)
	if o, ok := committed.Lookup(topic, 0); err != nil || !ok || o.LeaderEpoch != -1 {
		t.Errorf("%+v, %v: the leader epoch of another time would have consumers look for a truncation", o, err)
	}
	klamm(t, "group", "reset", group, "--topic", topic+":7", "--to", "end").fails(1, "there is no partition "+topic+"-7")
	klamm(t, "group", "reset", group, "--topic", topic+"-gone", "--to", "end").fails(1, "there is no topic")
	klamm(t, "group", "reset", group, "--topic", topic+":1", "--shift-by", "1").fails(1, "has no offset in "+topic+"-1 to shift")
	klamm(t, "group", "reset", group+"-new", "--topic", topic, "--to", "end").ok("The group does not exist yet")
	klamm(t, "group", "reset", group+"-new", "--all-topics", "--to", "end").fails(1, "has no offsets")
}

// TestGroupWithMembers refuses to move and to delete what a consumer reads.
func TestGroupWithMembers(t *testing.T) {
	topic, old, group := harness.Topic(t, broker.Addr, 1), harness.Topic(t, broker.Addr, 1), harness.Name(t)
	produce(t, topic, 0, 5)
	commit(t, group, map[string]map[int32]int64{old: {0: 0}})
	cl := harness.Client(t, broker.Addr, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ClientID("a-reader"), kgo.DisableAutoCommit())
	fetches := cl.PollFetches(harness.Context(t))
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if err := cl.CommitRecords(harness.Context(t), fetches.Records()[:3]...); err != nil {
		t.Fatal(err)
	}
	var all []groupJSON
	harness.Await(t, "the member in the group", func() bool {
		klamm(t, "group", "describe", group, "-o", "json").json(&all)
		return all[0].State == "Stable"
	})
	if len(all[0].Members) != 1 || all[0].Members[0].ClientID != "a-reader" || all[0].TotalLag != 2 {
		t.Errorf("%+v", all)
	}
	klamm(t, "group", "describe", group).ok("Stable", "a-reader", "127.0.0.1")
	klamm(t, "group", "describe", group, "--members").ok("a-reader", topic)
	members := "group " + group + " has 1 member"
	for _, execute := range []string{"", "--execute"} {
		with := func(args string) []string { return strings.Fields("group " + args + " " + execute) }
		klamm(t, with("reset "+group+" --topic "+topic+" --to start")...).fails(1, members, "a-reader at /127.0.0.1", "stop them, then reset it")
		klamm(t, with("delete "+group)...).fails(1, members, "stop them, then delete it")
		klamm(t, with("delete-offsets "+group+" --topic "+topic)...).fails(1, members+" that read "+topic)
	}
	klamm(t, "group", "delete-offsets", group, "--topic", old).ok("Nothing is changed")
	klamm(t, "group", "delete-offsets", group, "--topic", old+":0", "--execute").ok("Deleted.")
	if got := offsets(t, group); got != topic+",0,3\n" {
		t.Errorf("%q", got)
	}
	if err := cl.LeaveGroupContext(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	klamm(t, "group", "delete", group).ok("Nothing is changed", topic)
	klamm(t, "group", "delete", group, "--execute").ok("Deleted.")
	klamm(t, "group", "describe", group).fails(1, "there is no group "+group)
	klamm(t, "group", "delete", group, "--execute").fails(1, "there is no group "+group)
}

// TestHostileGroupName shows a group whose name has control characters.
func TestHostileGroupName(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	group := harness.Name(t) + "\x1b[2J\n\u009b $(reboot)"
	commit(t, group, map[string]map[int32]int64{topic: {0: 0}})
	shown := strings.NewReplacer("\x1b", `\x1b`, "\n", `\n`, "\u009b", `\u009b`).Replace(group)
	for _, args := range [][]string{{"group", "list"}, {"group", "describe", group}, {"group", "delete", group}} {
		if e := klamm(t, args...).ok(shown); strings.ContainsAny(e.stdout, "\x1b\u009b") {
			t.Errorf("klamm %q prints %q", args, e.stdout)
		}
	}
	var list []struct{ Group string }
	klamm(t, "group", "list", "-o", "json").json(&list)
	found := false
	for _, g := range list {
		found = found || g.Group == group
	}
	if !found {
		t.Errorf("%q is not in %q", group, list)
	}
	if said := klamm(t, "__complete", "group", "describe", "").stdout; strings.Contains(said, "reboot") {
		t.Errorf("a shell gets %q", said)
	}
	klamm(t, "group", "describe", group+"\x07").fails(1, "there is no group ")
}

// TestGroupMisused gives the commands what they cannot work with.
func TestGroupMisused(t *testing.T) {
	env := []string{"KLAMM_BOOTSTRAP_SERVER=" + nobody(t)}
	for args, words := range map[string]string{
		"group dance":                 `"dance" list reset`,
		"group describe":              "the name of a group",
		"group describe a b --export": "--export",
		"group reset a":               "--to --shift-by --from-file",
		"group reset a --to start":    "--topic --all-topics",
		"group reset a --to start --shift-by 1 --topic b": "--to --shift-by",
		"group reset a --to start --topic b --all-topics": "--topic --all-topics",
		"group reset a --to soon --topic b":               "--to soon",
		"group reset a --to 1 --topic b:x":                "b:x topic:0,1,2",
		"group reset a --to 1 --topic b/c":                "cannot be the name of a topic",
		"group reset a --to 1 --topic b --topic b:1":      "named twice",
		"group reset a --from-file none":                  "--from-file none",
		"group reset a --from-file /dev/null":             "no offsets",
		"group delete":                                    "the name of a group",
		"group delete-offsets a":                          "--topic",
	} {
		klammIn(t, env, "", strings.Fields(args)...).fails(2, strings.Fields(words)...)
	}
}

// TestGroupOfTheNewProtocol describes a group of KIP-848 on a broker of Apache Kafka 4.4.0, and refuses to move it while its member is there.
func TestGroupOfTheNewProtocol(t *testing.T) {
	if !harness.Reference() {
		return // klamm has no such groups
	}
	b := harness.Start(t, harness.Options{Broker: "apache", Release: harness.KafkaNewest})
	env := []string{"KLAMM_BOOTSTRAP_SERVER=" + b.Addr}
	topic := harness.Topic(t, b.Addr, 1)
	klammIn(t, env, "one\n", "produce", topic).ok()
	came := make(chan struct{}, 1)
	consumer := harness.RunJava(t, func(line string) {
		if line == "one" {
			came <- struct{}{}
		}
	}, harness.KafkaNewest, "console-consumer", "--bootstrap-server", b.Addr, "--topic", topic, "--from-beginning", "--group", "new",
		"--command-property", "group.protocol=consumer")
	select {
	case <-came:
	case <-time.After(within):
		t.Fatal("the consumer reads nothing")
	}
	klammIn(t, env, "", "group", "list").ok("new")
	var all []groupJSON
	klammIn(t, env, "", "group", "describe", "new", "-o", "json").json(&all)
	if len(all[0].Members) != 1 || len(all[0].Offsets) != 1 || all[0].Offsets[0].Topic != topic {
		t.Errorf("%+v", all)
	}
	reset := []string{"group", "reset", "new", "--topic", topic, "--to", "start", "--execute"}
	klammIn(t, env, "", reset...).fails(1, "group new has 1 member")
	consumer.Stop()
	harness.Await(t, "the member to leave", func() bool {
		klammIn(t, env, "", "group", "describe", "new", "-o", "json").json(&all)
		return len(all[0].Members) == 0
	})
	klammIn(t, env, "", reset...).ok()
	if e := klammIn(t, env, "", "group", "describe", "new", "--export").ok(); e.stdout != topic+",0,0\n" {
		t.Errorf("%q", e.stdout)
	}
	klammIn(t, env, "", "group", "delete", "new", "--execute").ok("Deleted.")
}
