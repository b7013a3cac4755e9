package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
)

// TestGroupsAfterOffsetsTopicGrew: after __consumer_offsets got more partitions and the broker started again, most groups
// belong to another partition. No group and no offset is lost, each group is listed once, and a group that is deleted stays
// deleted. All of it holds after each further start. Apache Kafka 3.9 keeps the groups and their offsets through the first
// start; see docs/log-directories.md for what it does with a group that is in two partitions at the next ones.
func TestGroupsAfterOffsetsTopicGrew(t *testing.T) {
	b := harness.Start(t, harness.Options{Properties: map[string]string{
		"offsets.topic.num.partitions": "5", "controlled.shutdown.enable": "false", "group.initial.rebalance.delay.ms": "0",
	}})
	g := grown{t: t, b: b, topic: harness.Topic(t, b.Addr, 1), want: map[string]int64{}}
	for i := range 8 {
		g.commit(fmt.Sprintf("group-%d", i), int64(10+i))
	}
	g.check("before")
	ctx, adm := harness.Context(t), harness.Admin(t, b.Addr)
	if grown, err := adm.UpdatePartitions(ctx, 11, "__consumer_offsets"); err != nil || grown.Error() != nil {
		t.Fatal(err, grown.Error())
	}
	g.check("grown")
	g.restart()
	g.check("first start")
	if harness.Reference() {
		return // see docs/log-directories.md
	}
	g.commit("group-0", 100)
	g.commit("group-1", 101)
	g.check("first start, committed")
	g.delete("group-2")
	g.check("first start, deleted")
	g.restart()
	g.check("second start")
	g.delete("group-0")
	g.delete("group-3")
	g.restart()
	g.check("third start")
}

// grown is a broker whose __consumer_offsets gets more partitions, and the offset that each group has.
type grown struct {
	t     *testing.T
	b     *harness.Broker
	topic string
	want  map[string]int64
}

func (g *grown) restart() {
	g.t.Helper()
	if err := g.b.Stop(); err != nil {
		g.t.Fatal(err)
	}
	if err := g.b.Run(); err != nil {
		g.t.Fatal(err)
	}
	for adm, ctx := harness.Admin(g.t, g.b.Addr), harness.Context(g.t); ; time.Sleep(100 * time.Millisecond) {
		listed, err := adm.ListGroups(ctx)
		if err == nil && len(listed) >= len(g.want) {
			_, err = adm.DescribeGroups(ctx, listed.Groups()...)
		} else if err == nil {
			err = errors.New("there are fewer groups than before")
		}
		if err == nil || ctx.Err() != nil {
			return // otherwise the broker is still reading the groups, or check says what is missing
		}
	}
}

func (g *grown) commit(group string, at int64) {
	g.t.Helper()
	var all kadm.Offsets
	all.Add(kadm.Offset{Topic: g.topic, At: at, LeaderEpoch: -1})
	if err := harness.Admin(g.t, g.b.Addr).CommitAllOffsets(harness.Context(g.t), group, all); err != nil {
		g.t.Errorf("%s commits: %v", group, err)
	}
	g.want[group] = at
}

func (g *grown) delete(group string) {
	g.t.Helper()
	if _, err := harness.Admin(g.t, g.b.Addr).DeleteGroup(harness.Context(g.t), group); err != nil {
		g.t.Errorf("deleting %s: %v", group, err)
	}
	delete(g.want, group)
}

// check lists, describes and reads all groups.
func (g *grown) check(when string) {
	g.t.Helper()
	ctx, adm := harness.Context(g.t), harness.Admin(g.t, g.b.Addr)
	names := slices.Sorted(maps.Keys(g.want))
	listed, err := adm.ListGroups(ctx)
	if err != nil {
		g.t.Fatalf("%s: %v", when, err)
	}
	if got := slices.Sorted(maps.Keys(listed)); !slices.Equal(got, names) {
		g.t.Errorf("%s: %v are listed, want %v", when, got, names)
	}
	for _, name := range names {
		g.checkGroup(ctx, adm, when, name)
	}
}

func (g *grown) checkGroup(ctx context.Context, adm *kadm.Client, when, name string) {
	g.t.Helper()
	described, err := adm.DescribeGroups(ctx, name)
	if err != nil || described[name].State != "Empty" {
		g.t.Errorf("%s: %s is described as %q, %v", when, name, described[name].State, err)
	}
	offsets, err := adm.FetchOffsets(ctx, name)
	if err != nil {
		g.t.Errorf("%s: %s: %v", when, name, err)
		return
	}
	if o, ok := offsets.Lookup(g.topic, 0); !ok || o.At != g.want[name] {
		g.t.Errorf("%s: %s has offset %d (%t), want %d", when, name, o.At, ok, g.want[name])
	}
}
