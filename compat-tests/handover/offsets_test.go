package handover

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
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

// TestGroupsGoThereAndBack: groups and their offsets go with the directory, whichever broker wrote
// them and however it ended.
func TestGroupsGoThereAndBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		stages []stage
	}{
		{"from klamm", []stage{{"klamm", false}, {"apache", false}, {"klamm", true}}},
		{"from Apache Kafka", []stage{{"apache", false}, {"klamm", true}, {"apache", true}, {"klamm", false}}},
	} {
		t.Run(c.name, func(t *testing.T) { travelAsGroups(t, c.stages) })
	}
}

// groups is what stays the same while the brokers change.
type groups struct {
	t       *testing.T
	b       *harness.Broker
	topic   string
	round   int
	sent    int
	offsets map[string]map[int32]offset // by group and partition
	stays   *consumer                   // over all brokers
}

// offset is what was committed.
type offset struct {
	at       int64
	epoch    int32
	metadata string
}

// offsetsPartitions is how many partitions __consumer_offsets has: few, so that each has
// groups.
const offsetsPartitions = 4

func travelAsGroups(t *testing.T, stages []stage) {
	b, err := harness.Prepare(harness.Options{Broker: "apache", Properties: map[string]string{
		"offsets.topic.num.partitions": fmt.Sprint(offsetsPartitions), "controlled.shutdown.enable": "false", "auto.create.topics.enable": "false",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Kill()
		b.Close()
		if t.Failed() {
			t.Logf("the broker's log is kept: %s", b.KeepLog())
		}
		b.Remove()
	})
	g := &groups{t: t, b: b, topic: "travels", offsets: map[string]map[int32]offset{}}
	var known kadm.Metadata
	for i, s := range stages {
		if s.broker == "apache" && i == 1 {
			if err := b.Znodes(zkTopics(known)...); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.RunAs(s.broker); err != nil {
			t.Fatalf("stage %d: %v", i, err)
		}
		g.round = i
		g.work()
		g.check(s.broker)
		if known, err = harness.Admin(t, b.Addr).Metadata(harness.Context(t)); err != nil {
			t.Fatal(err)
		}
		if s.kill {
			b.Kill()
		} else if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		if g.decoded(); t.Failed() {
			t.Fatalf("stage %d, %s", i, s.broker)
		}
	}
}

// admin is a client that asks a broker which has just started until that has read the groups.
func (g *groups) admin() *kadm.Client {
	return harness.Admin(g.t, g.b.Addr, kgo.RequestRetries(1<<20), kgo.RetryTimeout(2*time.Minute))
}

// zkTopics gives the znodes that an empty ZooKeeper needs for topics that klamm created.
func zkTopics(m kadm.Metadata) []string {
	nodes := []string{"/cluster", "null", "/cluster/id", fmt.Sprintf(`{"version":"1","id":"%s"}`, m.Cluster),
		// Apache's broker must not give out the producer ids that klamm gave out: it would take the new producers'
		// records for duplicates.
		"/latest_producer_id_block", `{"version":1,"broker":0,"block_start":"0","block_end":"99999"}`,
		"/brokers", "null", "/brokers/topics", "null", "/config", "null", "/config/topics", "null"}
	for name, topic := range m.Topics {
		var replicas, states []string
		for p := range int32(len(topic.Partitions)) {
			replicas = append(replicas, fmt.Sprintf(`"%d":[0]`, p))
			at := fmt.Sprintf("/brokers/topics/%s/partitions/%d", name, p)
			states = append(states, at, "null", at+"/state",
				fmt.Sprintf(`{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":%d,"isr":[0]}`, topic.Partitions[p].LeaderEpoch))
		}
		config := `{"version":1,"config":{}}`
		if topic.IsInternal {
			config = `{"version":1,"config":{"cleanup.policy":"compact","compression.type":"producer","segment.bytes":"104857600"}}`
		}
		id := base64.RawURLEncoding.EncodeToString(topic.ID[:])
		nodes = append(nodes, "/brokers/topics/"+name, fmt.Sprintf(`{"partitions":{%s},"topic_id":"%s","adding_replicas":{},"removing_replicas":{},"version":3}`,
			strings.Join(replicas, ","), id), "/brokers/topics/"+name+"/partitions", "null", "/config/topics/"+name, config)
		nodes = append(nodes, states...)
	}
	return nodes
}

// work has groups come and go, commit and forget.
func (g *groups) work() {
	g.t.Helper()
	ctx, adm := harness.Context(g.t), g.admin()
	if g.round == 0 {
		if _, err := adm.CreateTopic(ctx, partitions, 1, nil, g.topic); err != nil {
			g.t.Fatal(err)
		}
	}
	harness.AwaitTopic(g.t, g.b.Addr, g.topic, partitions)
	g.check("the next broker") // what was before it
	for i := range 8 {         // groups without members; half of them keep their offsets
		if g.round == 0 || i%2 == 0 {
			g.commit(ctx, adm, fmt.Sprintf("nobody-%d", i))
		}
	}
	g.commit(ctx, adm, fmt.Sprintf("new-%d", g.round))
	g.commit(ctx, adm, fmt.Sprintf("gone-%d", g.round))
	if g.round > 0 {
		g.forget(ctx, adm)
	}
	cl := harness.Client(g.t, g.b.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	defer cl.Close()
	var records []*kgo.Record
	for i := range 60 {
		records = append(records, &kgo.Record{Topic: g.topic, Partition: int32(i % partitions), Value: fmt.Appendf(nil, "%d-%d", g.round, i)})
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		g.t.Fatal(err)
	}
	g.sent += len(records)
	comes := g.join("comes-and-goes")
	comes.expect(len(records))
	comes.leave()
	g.goOn(len(records))
}

// commit has a group commit other offsets than it has.
func (g *groups) commit(ctx context.Context, adm *kadm.Client, group string) {
	g.t.Helper()
	all := kadm.Offsets{}
	g.offsets[group] = map[int32]offset{}
	for p := range int32(partitions) {
		o := offset{int64(1000*g.round+len(g.offsets)) + int64(p), p - 1, fmt.Sprintf("round %d, of %s", g.round, group)}
		all.Add(kadm.Offset{Topic: g.topic, Partition: p, At: o.at, LeaderEpoch: o.epoch, Metadata: o.metadata})
		g.offsets[group][p] = o
	}
	if err := adm.CommitAllOffsets(ctx, group, all); err != nil {
		g.t.Fatalf("round %d: %v", g.round, err)
	}
}

// forget deletes the group that the stage before left for it, and an offset of another.
func (g *groups) forget(ctx context.Context, adm *kadm.Client) {
	g.t.Helper()
	gone, less := fmt.Sprintf("gone-%d", g.round-1), fmt.Sprintf("new-%d", g.round-1)
	if _, err := adm.DeleteGroup(ctx, gone); err != nil {
		g.t.Fatalf("round %d: deleting %s: %v", g.round, gone, err)
	}
	g.offsets[gone] = nil
	deleted, err := adm.DeleteOffsets(ctx, less, kadm.TopicsSet{g.topic: {1: {}}})
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		g.t.Fatalf("round %d: deleting an offset of %s: %v", g.round, less, err)
	}
	delete(g.offsets[less], 1)
}

// goOn has the member that stays consume the new records. When its broker comes back, the member joins again under its
// old id, in a later generation than the broker read.
func (g *groups) goOn(count int) {
	g.t.Helper()
	if g.stays == nil {
		g.stays = g.join("stays")
		g.stays.expect(count)
		g.stays.id, g.stays.generation = g.stays.cl.GroupMetadata()
		return
	}
	g.stays.expect(count)
	id, generation := g.stays.cl.GroupMetadata()
	if id != g.stays.id || generation < g.stays.generation {
		g.t.Errorf("round %d: the member is %s in generation %d, it was %s in %d", g.round, id, generation, g.stays.id, g.stays.generation)
	}
	g.stays.generation = generation
}

// check asks for all offsets, and who is in the group that stays.
func (g *groups) check(by string) {
	g.t.Helper()
	ctx, adm := harness.Context(g.t), g.admin()
	for group, want := range g.offsets {
		got, err := adm.FetchOffsets(ctx, group)
		if err != nil {
			g.t.Fatalf("%s: %v", by, err)
		}
		for p := range int32(partitions) {
			o, ok := got.Lookup(g.topic, p)
			has := offset{o.At, o.LeaderEpoch, o.Metadata}
			if w, there := want[p]; ok != there || ok && has != w {
				g.t.Errorf("%s: %s has %t %+v of partition %d, want %t %+v", by, group, ok, has, p, there, w)
			}
		}
	}
	for g.stays != nil {
		described, err := adm.DescribeGroups(ctx, "stays")
		d := described["stays"]
		if err == nil && d.State != "Stable" && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond) // it joins anew
			continue
		}
		if err != nil || len(d.Members) != 1 || d.Members[0].MemberID != g.stays.id {
			g.t.Errorf("%s: the group that stays is %+v, %v", by, d, err)
		}
		break
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "__consumer_offsets")
	if err != nil || configs[0].Err != nil && g.round > 0 {
		g.t.Fatalf("%s: %v %v", by, configs, err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
			g.t.Errorf("%s: __consumer_offsets has the cleanup policy %s", by, c.MaybeValue())
		}
	}
}

// consumer is a member of a group.
type consumer struct {
	g          *groups
	name       string
	cl         *kgo.Client
	id         string
	generation int32
}

func (g *groups) join(name string) *consumer {
	return &consumer{g: g, name: name, cl: harness.Client(g.t, g.b.Addr, kgo.ConsumerGroup(name), kgo.ConsumeTopics(g.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(5*time.Minute),
		kgo.FetchMaxWait(200*time.Millisecond), kgo.DisableAutoCommit(), kgo.ClientID(name))}
}

// expect consumes and commits what is new: each record of this round once, and no other.
func (c *consumer) expect(count int) {
	c.g.t.Helper()
	ctx := harness.Context(c.g.t)
	got := map[string]bool{}
	for len(got) < count {
		fetches := c.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			c.g.t.Fatalf("round %d: %s consumed %d of %d: %v", c.g.round, c.name, len(got), count, fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if round, _, _ := strings.Cut(string(r.Value), "-"); round != fmt.Sprint(c.g.round) || got[string(r.Value)] {
				c.g.t.Errorf("round %d: %s consumed %q of partition %d at %d", c.g.round, c.name, r.Value, r.Partition, r.Offset)
			}
			got[string(r.Value)] = true
		})
	}
	if err := c.cl.CommitUncommittedOffsets(ctx); err != nil {
		c.g.t.Fatal(err)
	}
	id, _ := c.cl.GroupMetadata() // which franz-go commits as well
	offsets := map[int32]offset{}
	for p, o := range c.cl.CommittedOffsets()[c.g.topic] {
		if want := int64(c.g.sent / partitions); o.Offset != want {
			c.g.t.Errorf("round %d: %s committed %d of partition %d, want %d", c.g.round, c.name, o.Offset, p, want)
		}
		offsets[p] = offset{o.Offset, o.Epoch, id}
	}
	c.g.offsets[c.name] = offsets
}

func (c *consumer) leave() { c.cl.Close() }

// decoded has DumpLogSegments read what the broker left of __consumer_offsets, and compares the last record of each
// key with what was committed.
func (g *groups) decoded() {
	g.t.Helper()
	files, err := filepath.Glob(filepath.Join(g.b.LogDir, "__consumer_offsets-*", "*.log"))
	if err != nil || len(files) != offsetsPartitions {
		g.t.Fatalf("segments of __consumer_offsets: %v, %v", files, err)
	}
	out := harness.Java(g.t, harness.Kafka39, "dump-log", nil, "--offsets-decoder", "--files", strings.Join(files, ","))
	offsets, members := map[string]map[int32]offset{}, map[string]string{}
	for _, m := range decodedRecord.FindAllStringSubmatch(out, -1) {
		g.decode(m[1], m[2], offsets, members)
	}
	for group, want := range g.offsets {
		if !maps.Equal(offsets[group], want) {
			g.t.Errorf("%+v is decoded for %s, want %+v", offsets[group], group, want)
		}
	}
	if id, _ := g.stays.cl.GroupMetadata(); members["stays"] != id || members["comes-and-goes"] != "" {
		g.t.Errorf("the decoded members are %v, want %s among them", members, id)
	}
}

var decodedRecord = regexp.MustCompile(`(?m)^\|.* key: (\{.*\}) payload: (.*)$`)

// decode notes the offset or the member in a record that the tool printed. It fails the
// test where the tool could not decode the key or the value.
func (g *groups) decode(key, value string, offsets map[string]map[int32]offset, members map[string]string) {
	g.t.Helper()
	var k struct {
		Type string
		Data struct {
			Group, Topic string
			Partition    int32
		}
	}
	var v struct {
		Version string
		Data    struct {
			Offset      int64
			LeaderEpoch int32
			Metadata    string
			Members     []struct{ MemberID string }
		}
	}
	if err := json.Unmarshal([]byte(key), &k); err != nil || !slices.Contains([]string{"1", "2"}, k.Type) {
		g.t.Fatalf("a key is %s, %v", key, err)
	}
	tombstone := value == "<DELETE>" || value == "null"
	if err := json.Unmarshal([]byte(value), &v); err != nil && !tombstone {
		g.t.Fatalf("the value of %s is %s, %v", key, value, err)
	}
	group := k.Data.Group
	switch {
	case k.Type == "2":
		if members[group] = ""; len(v.Data.Members) > 0 {
			members[group] = v.Data.Members[0].MemberID
		}
	case tombstone:
		delete(offsets[group], k.Data.Partition)
	default:
		if offsets[group] == nil {
			offsets[group] = map[int32]offset{}
		}
		offsets[group][k.Data.Partition] = offset{v.Data.Offset, v.Data.LeaderEpoch, v.Data.Metadata}
	}
}
