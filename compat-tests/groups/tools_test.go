package groups

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// tool runs kafka-consumer-groups.sh and gives what it prints, stderr first. The tool ends with 0 even when the
// broker refused.
func tool(t *testing.T, release string, args ...string) string {
	t.Helper()
	r := harness.JavaResult(t, release, "consumer-groups", nil, append(server(), args...)...)
	if r.Code != 0 {
		t.Fatalf("kafka-consumer-groups.sh of %s %s: exit code %d\n%s%s", release, strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stderr + r.Stdout
}

// asked gives an answer about groups. Where brokers restart, it asks until the answer is right, for a minute at most: a list is joined from the
// answers of all brokers, and a group whose coordinator moves meanwhile may be in none of them, and its member may be joining again.
func asked[T any](ask func() T, right func(T) bool) T {
	for deadline := time.Now().Add(time.Minute); ; {
		if answer := ask(); !harness.Rolling() || right(answer) || time.Now().After(deadline) {
			return answer
		}
	}
}

// wantTool runs a tool, and fails the test where a pattern is not in its output. See [asked].
func wantTool(t *testing.T, release string, args []string, patterns ...string) {
	t.Helper()
	output := asked(func() string { return tool(t, release, args...) }, func(output string) bool {
		return !slices.ContainsFunc(patterns, func(p string) bool { return !regexp.MustCompile(p).MatchString(output) })
	})
	want(t, strings.Join(args, " ")+" of "+release, output, patterns...)
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

// table gives the rows that follow a header, sorted. Not every release ends a row with a new line.
func table(t *testing.T, output, header string) (rows []string) {
	t.Helper()
	words, columns := strings.Fields(output), strings.Fields(header)
	for i := range words {
		if i+len(columns) > len(words) || !slices.Equal(words[i:i+len(columns)], columns) {
			continue
		}
		for row := range slices.Chunk(words[i+len(columns):], len(columns)) {
			rows = append(rows, strings.Join(row, " "))
		}
		slices.Sort(rows)
		return rows
	}
	t.Errorf("no header %q in\n%s", header, output)
	return nil
}

// lines gives the lines that begin with one of these groups, sorted.
func lines(output string, groups ...string) (rows []string) {
	for line := range strings.Lines(output) {
		if words := strings.Fields(line); len(words) > 0 && slices.Contains(groups, words[0]) {
			rows = append(rows, strings.Join(words, " "))
		}
	}
	slices.Sort(rows)
	return rows
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// eachRelease runs a test with the tools of both releases.
func eachRelease(t *testing.T, f func(t *testing.T, release string)) {
	for _, release := range []string{harness.Kafka39, harness.KafkaNewest} {
		t.Run(release, func(t *testing.T) { f(t, release) })
	}
}

// perPartition is how many records timed writes to each partition, one for each of the last hours.
const perPartition = 100

// timed makes a topic of three partitions.
func timed(t *testing.T) string {
	t.Helper()
	topic := harness.Topic(t, broker.Addr, 3)
	cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for i := range 3 * perPartition {
		at := time.Now().Add(-time.Hour * time.Duration(perPartition-i/3))
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 3), Value: fmt.Append(nil, i), Timestamp: at})
	}
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return topic
}

// commit commits offsets of a topic's first partitions for a group without members.
func commit(t *testing.T, group, topic string, offsets ...int64) {
	t.Helper()
	all := kadm.Offsets{}
	for p, o := range offsets {
		all.Add(kadm.Offset{Topic: topic, Partition: int32(p), At: o, LeaderEpoch: -1, Metadata: fmt.Sprintf("at %d", o)})
	}
	adm, ctx := harness.Admin(t, broker.Addr), harness.Context(t)
	if err := harness.Ask(ctx, func() error { return adm.CommitAllOffsets(ctx, group, all) }); err != nil {
		t.Fatal(err)
	}
}

// committed gives a group's offsets of a topic, by partition; -1 where there is none.
func committed(t *testing.T, group, topic string) []int64 {
	t.Helper()
	adm, ctx := harness.Admin(t, broker.Addr), harness.Context(t)
	offsets, err := fetchOffsets(ctx, adm, group)
	if err != nil {
		t.Fatal(err)
	}
	got := []int64{-1, -1, -1}
	for p, o := range offsets[topic] {
		got[p] = o.At
	}
	return got
}

// stable has a member join and waits until it has all three partitions of a topic.
func stable(t *testing.T, topic string, opts ...kgo.Opt) (id string) {
	t.Helper()
	id = "active-of-" + topic
	assigned := make(chan struct{}, 10)
	harness.Client(t, broker.Addr, append([]kgo.Opt{kgo.ConsumerGroup(id), kgo.ConsumeTopics(topic), kgo.ClientID("the-client"),
		kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(heartbeat), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, of map[string][]int32) {
			if len(of[topic]) == 3 {
				assigned <- struct{}{}
			}
		})}, opts...)...)
	select {
	case <-assigned:
	case <-harness.Context(t).Done():
		t.Fatal("the member is assigned nothing")
	}
	return id
}

func TestList(t *testing.T) {
	topic := timed(t)
	active, empty := stable(t, topic), "empty-of-"+topic
	commit(t, empty, topic, 10, 0, perPartition)
	for _, c := range []struct {
		releases string
		args     []string
		want     []string
	}{
		{"3.9.2 4.4.0", nil, []string{active, empty}},
		{"3.9.2 4.4.0", []string{"--state"}, []string{active + " Stable", empty + " Empty"}},
		{"3.9.2", []string{"--state", "stable"}, []string{active + " Stable"}},
		{"3.9.2 4.4.0", []string{"--type"}, []string{active + " Classic", empty + " Classic"}},
		{"3.9.2", []string{"--type", "consumer"}, nil},
		{"4.4.0", []string{"--type", "classic", "--state", "Empty"}, []string{empty + " Classic Empty"}},
	} {
		for _, release := range strings.Fields(c.releases) {
			args := append([]string{"--list"}, c.args...)
			got := asked(func() []string { return lines(tool(t, release, args...), active, empty) },
				func(got []string) bool { return slices.Equal(got, c.want) })
			same(t, strings.Join(args, " ")+" of "+release, got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	topic := timed(t)
	active, empty := stable(t, topic), "empty-of-"+topic
	commit(t, empty, topic, 10, 0, perPartition)
	eachRelease(t, func(t *testing.T, release string) {
		out := tool(t, release, "--describe", "--group", empty)
		want(t, "--describe", out, "Consumer group '"+empty+"' has no active members")
		same(t, "--describe", table(t, out, "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID"), []string{
			empty + " " + topic + " 0 10 100 90 - - -", empty + " " + topic + " 1 0 100 100 - - -", empty + " " + topic + " 2 100 100 0 - - -",
		})
		var offsets []string
		for p := range 3 {
			offsets = append(offsets, fmt.Sprintf(`%s\s+%s\s+%d\s+-\s+100\s+-\s+the-client-[0-9a-f-]{36}\s+/127.0.0.1\s+the-client`, active, topic, p))
		}
		wantTool(t, release, []string{"--describe", "--group", active, "--offsets"}, offsets...)
		wantTool(t, release, []string{"--describe", "--group", active, "--members", "--verbose"},
			active+`\s+the-client-[0-9a-f-]{36}\s+/127.0.0.1\s+the-client\s+3\s+`+assignment[release](topic))
		addr := `(` + strings.ReplaceAll(regexp.QuoteMeta(broker.Addr), ",", "|") + `)`
		wantTool(t, release, []string{"--describe", "--all-groups", "--state"}, active+`\s+`+addr+`\s+\(\d\)\s+range\s+Stable\s+1`,
			empty+`\s+`+addr+`\s+\(\d\)\s+(-\s+)?Empty\s+0`)
	})
	r := harness.JavaResult(t, harness.Kafka39, "consumer-groups", nil, append(server(), "--describe", "--group", "nobody")...)
	want(t, "--describe of none", r.Stdout+r.Stderr, "Consumer group 'nobody' does not exist")
}

// assignment is how the releases print what a member has, all three partitions of a topic. 3.9 leaves out the topic.
var assignment = map[string]func(topic string) string{
	harness.Kafka39:     func(string) string { return `\(0,1,2\)` },
	harness.KafkaNewest: func(topic string) string { return `-\s+` + topic + `:0,1,2` },
}

func TestDescribeStaticMember(t *testing.T) {
	topic := timed(t)
	active := stable(t, topic, kgo.InstanceID("the-instance"))
	wantTool(t, harness.Kafka39, []string{"--describe", "--group", active, "--members"},
		active+`\s+the-instance-[0-9a-f-]{36}\s+the-instance\s+/127.0.0.1\s+the-client\s+3`)
}

// resets is the header that --reset-offsets prints.
const resets = "GROUP TOPIC PARTITION NEW-OFFSET"

func TestResetOffsets(t *testing.T) {
	topic := timed(t)
	group := "reset-of-" + topic
	file := filepath.Join(t.TempDir(), "offsets.csv")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s,0,7\n%[1]s,2,9\n", topic), 0o644); err != nil {
		t.Fatal(err)
	}
	ago := time.Now().Add(-30*time.Hour - 30*time.Minute).UTC().Format("2006-01-02T15:04:05.000")
	for _, c := range []struct {
		releases string
		args     []string
		want     []int64 // of the partitions; -1 for one that is not reset
	}{
		{"3.9.2 4.4.0", []string{"--to-earliest", "--topic", topic}, []int64{0, 0, 0}},
		{"3.9.2 4.4.0", []string{"--to-latest", "--all-topics"}, []int64{100, 100, 100}},
		{"3.9.2", []string{"--to-offset", "55", "--topic", topic + ":0,2"}, []int64{55, -1, 55}},
		{"3.9.2", []string{"--to-offset", "5555", "--topic", topic + ":1"}, []int64{-1, 100, -1}},
		{"3.9.2 4.4.0", []string{"--shift-by", "7", "--topic", topic}, []int64{17, 27, 37}},
		{"3.9.2", []string{"--shift-by", "-15", "--topic", topic}, []int64{0, 5, 15}},
		{"3.9.2 4.4.0", []string{"--to-datetime", ago, "--topic", topic}, []int64{70, 70, 70}},
		{"3.9.2", []string{"--by-duration", "P2DT2H30M", "--topic", topic}, []int64{50, 50, 50}},
		{"3.9.2", []string{"--to-current", "--topic", topic}, []int64{10, 20, 30}},
		{"3.9.2 4.4.0", []string{"--from-file", file}, []int64{7, -1, 9}},
	} {
		for _, release := range strings.Fields(c.releases) {
			t.Run(release+" "+c.args[0], func(t *testing.T) {
				before := []int64{10, 20, 30}
				commit(t, group, topic, before...)
				out := tool(t, release, append([]string{"--reset-offsets", "--group", group, "--execute"}, c.args...)...)
				var rows []string
				for p, o := range c.want {
					if o == -1 {
						continue
					}
					rows = append(rows, fmt.Sprintf("%s %s %d %d", group, topic, p, o))
					before[p] = o
				}
				same(t, "it prints", table(t, out, resets), rows)
				if got := committed(t, group, topic); !slices.Equal(got, before) {
					t.Errorf("the group is at %d, want %d", got, before)
				}
			})
		}
	}
}

func TestResetOffsetsWithoutDoingIt(t *testing.T) {
	topic := timed(t)
	eachRelease(t, func(t *testing.T, release string) {
		group := "dry-of-" + topic + "-" + release
		commit(t, group, topic, 10, 20, 30)
		reset := []string{"--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--dry-run"}
		same(t, "--dry-run", table(t, tool(t, release, reset...), resets),
			[]string{group + " " + topic + " 0 0", group + " " + topic + " 1 0", group + " " + topic + " 2 0"})
		exported := strings.Fields(harness.Java(t, release, "consumer-groups", nil, append(server(), append(reset, "--export")...)...))
		slices.Sort(exported)
		same(t, "--export", exported, []string{`"` + topic + `",0,0`, `"` + topic + `",1,0`, `"` + topic + `",2,0`})
		if got := committed(t, group, topic); !slices.Equal(got, []int64{10, 20, 30}) {
			t.Errorf("the group is at %d after a dry run", got)
		}
	})
}

// TestRefusedWhileActive: the tools do not change a group that has members.
func TestRefusedWhileActive(t *testing.T) {
	topic := timed(t)
	active := stable(t, topic)
	eachRelease(t, func(t *testing.T, release string) {
		wantTool(t, release, []string{"--reset-offsets", "--group", active, "--topic", topic, "--to-latest", "--execute"},
			"Assignments can only be reset if the group '"+active+"' is inactive, but the current state is Stable")
		if got := committed(t, active, topic); !slices.Equal(got, []int64{-1, -1, -1}) {
			t.Errorf("the group is at %d after a reset that was refused", got)
		}
		out := tool(t, release, "--delete", "--group", active)
		want(t, "--delete", out, "Group '"+active+"' could not be deleted due to: .*GroupNotEmptyException: The group is not empty")
		out = tool(t, release, "--delete-offsets", "--group", active, "--topic", topic)
		want(t, "--delete-offsets", out, topic+`\s+0\s+Error.*GroupSubscribedToTopicException|`+topic+`\s+0\s+Error.*is actively subscribed`)
	})
}

func TestDeleteOffsetsAndGroups(t *testing.T) {
	topic, other := timed(t), timed(t)
	eachRelease(t, func(t *testing.T, release string) {
		group, stays := "deleted-of-"+topic+"-"+release, "stays-of-"+topic+"-"+release
		commit(t, group, topic, 10, 20, 30)
		commit(t, group, other, 1, 2, 3)
		commit(t, stays, topic, 4, 5, 6)
		out := tool(t, release, "--delete-offsets", "--group", group, "--topic", topic+":1", "--topic", other)
		same(t, "--delete-offsets", table(t, out, "TOPIC PARTITION STATUS"),
			[]string{topic + " 1 Successful", other + " 0 Successful", other + " 1 Successful", other + " 2 Successful"})
		if got := committed(t, group, topic); !slices.Equal(got, []int64{10, -1, 30}) {
			t.Errorf("the group is at %d after the offset of partition 1 was deleted", got)
		}
		if got := committed(t, group, other); !slices.Equal(got, []int64{-1, -1, -1}) {
			t.Errorf("the group is at %d after its offsets were deleted", got)
		}
		out = tool(t, release, "--delete", "--group", group, "--group", "nobody")
		deleted := "deleted successfully: '" + group + "'"
		if harness.Rolling() { // it may be the second time that the tool asks
			deleted += "|Group '" + group + "' could not be deleted due to: .*GroupIdNotFoundException"
		}
		want(t, "--delete", out, "Group 'nobody' could not be deleted due to: .*GroupIdNotFoundException", deleted)
		adm, ctx := harness.Admin(t, broker.Addr), harness.Context(t)
		names := asked(func() []string {
			var listed kadm.ListedGroups
			err := harness.Ask(ctx, func() (err error) { listed, err = adm.ListGroups(ctx); return err })
			if err != nil {
				t.Fatal(err)
			}
			return listed.Groups()
		}, func(names []string) bool { return slices.Contains(names, stays) })
		if slices.Contains(names, group) || !slices.Contains(names, stays) {
			t.Errorf("after the deletion of %s there are %v", group, names)
		}
		if got := committed(t, group, topic); !slices.Equal(got, []int64{-1, -1, -1}) {
			t.Errorf("a deleted group is at %d", got)
		}
	})
}

// TestStreamsReset: kafka-streams-application-reset.sh resets the offsets of an application and deletes its internal
// topics.
func TestStreamsReset(t *testing.T) {
	input := timed(t)
	eachRelease(t, func(t *testing.T, release string) {
		adm := harness.Admin(t, broker.Addr)
		app := "app-of-" + input + "-" + release
		internal := app + "-store-changelog"
		err := harness.OnAllBrokers(func() error {
			_, err := adm.CreateTopic(harness.Context(t), 3, -1, nil, internal)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		harness.AwaitTopic(t, broker.Addr, internal, 3)
		commit(t, app, input, 10, 20, 30)
		args := append(server(), "--application-id", app, "--input-topics", input, "--to-offset", "5")
		run := func(more ...string) string {
			return harness.Java(t, release, "streams-application-reset", nil, append(args, more...)...)
		}
		want(t, "--dry-run", run("--dry-run"), "Topic: "+input+" Partition: 2 Offset: 5", internal)
		if got := committed(t, app, input); !slices.Equal(got, []int64{10, 20, 30}) {
			t.Errorf("the group is at %d after a dry run", got)
		}
		r := harness.JavaResult(t, release, "streams-application-reset", nil, args...)
		// Where brokers restart, it may be the second time that the tool asks to delete the topic.
		if out := r.Stdout + r.Stderr; !(harness.Rolling() && strings.Contains(out, "UnknownTopicOrPartitionException")) {
			want(t, "the tool", out, "Topic: "+input+" Partition: 0 Offset: 5", "Done.")
		}
		if got := committed(t, app, input); !slices.Equal(got, []int64{5, 5, 5}) {
			t.Errorf("the group is at %d, it was set to 5", got)
		}
		topics, err := adm.ListTopics(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if topics.Has(internal) || !topics.Has(input) {
			t.Errorf("after the reset there are %v", topics.Names())
		}
	})
}

// TestStreamsResetOfActiveApplication: the tool refuses while the application has members,
// unless it is told to remove them.
func TestStreamsResetOfActiveApplication(t *testing.T) {
	input := timed(t)
	app := "app-of-" + input
	killed := runKcat(t, func(string) {}, "-X", "session.timeout.ms=300000", "-G", app, input)
	for adm, ctx := harness.Admin(t, broker.Addr), harness.Context(t); ; time.Sleep(10 * time.Millisecond) {
		if described, err := adm.DescribeGroups(ctx, app); err == nil && described[app].State == "Stable" {
			break
		} else if ctx.Err() != nil {
			t.Fatalf("the group is %+v, %v", described[app], err)
		}
	}
	killed.Kill()
	args := append(server(), "--application-id", app, "--input-topics", input, "--to-offset", "3")
	r := harness.JavaResult(t, harness.Kafka39, "streams-application-reset", nil, args...)
	want(t, "while active", r.Stdout+r.Stderr, "Consumer group '"+app+"' is still active and has following members")
	if r.Code == 0 {
		t.Error("the tool ends with 0 while the application has members")
	}
	want(t, "--force", harness.Java(t, harness.Kafka39, "streams-application-reset", nil, append(args, "--force")...), "Force deleting all active members", "Done.")
	if got := committed(t, app, input); !slices.Equal(got, []int64{3, 3, 3}) {
		t.Errorf("the group is at %d, it was set to 3", got)
	}
}
