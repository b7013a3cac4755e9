package scripts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// groups makes groups with offsets and without members, and one with members that have partitions, of which one is static.
func (w *world) groups(t *testing.T) {
	t.Helper()
	ctx := harness.Context(t)
	for _, id := range []string{"idle", "an-idle-group-with-a-long-name", "g3", "busy"} {
		w.commit(t, id)
	}
	members, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	for i, instance := range []string{"", "", "static-1"} {
		opts := []kgo.Opt{kgo.ConsumerGroup("busy"), kgo.ConsumeTopics("alpha", "be.ta", "gamma"), kgo.ClientID(fmt.Sprint("client-", i)),
			kgo.DisableAutoCommit(), kgo.Balancers(kgo.RangeBalancer())}
		if instance != "" {
			opts = append(opts, kgo.InstanceID(instance))
		}
		cl := harness.Client(t, w.addr, opts...)
		go func() {
			for members.Err() == nil {
				cl.PollFetches(members)
			}
		}()
	}
	harness.Await(t, "the members to have partitions", func() bool {
		all, err := w.admin.DescribeGroups(ctx, "busy")
		return err == nil && all["busy"].State == "Stable" && len(all["busy"].Members) == 3
	})
}

// commit commits offsets of some partitions for a group without members.
func (w *world) commit(t testing.TB, id string) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset("alpha", 0, 3, -1)
	offsets.AddOffset("alpha", 2, 1, -1)
	offsets.AddOffset("be.ta", 0, 2, -1)
	for p := range int32(14) {
		offsets.AddOffset(wide, p, int64(p), -1)
	}
	harness.CommitOffsets(t, w.admin, id, offsets)
}

// groupsSame are command lines of kafka-consumer-groups that change nothing.
const groupsSame = `
consumer-groups --list
consumer-groups --list --state stable,empty --type
consumer-groups --list --state nix
consumer-groups --describe --all-groups
consumer-groups --describe --all-groups --members
consumer-groups --describe --all-groups --members --verbose
consumer-groups --describe --all-groups --state
consumer-groups --describe --group nix
consumer-groups --describe
consumer-groups --delete --group nix
consumer-groups --reset-offsets --all-groups --to-latest --topic alpha --topic be.ta:0
consumer-groups --reset-offsets --group idle --to-offset 400 --all-topics --dry-run --export
consumer-groups --reset-offsets --group idle --shift-by -2 --all-topics --dry-run
consumer-groups --reset-offsets --group idle --to-current --topic alpha --dry-run
consumer-groups --reset-offsets --group idle --to-datetime 2023-11-14T22:13:22.000 --topic alpha --dry-run
consumer-groups --reset-offsets --group idle --to-datetime 2033-11-14T22:13:22.000+01:00 --topic alpha --dry-run
consumer-groups --reset-offsets --group idle --to-datetime 2033-11-14T22:13:22 --topic alpha --dry-run
consumer-groups --reset-offsets --group idle --by-duration P100000D --all-topics --dry-run
consumer-groups --reset-offsets --group idle --group g3 --to-earliest --all-topics --export --dry-run
consumer-groups --reset-offsets --group idle --topic alpha --dry-run
consumer-groups --reset-offsets --group idle --topic nix --to-latest --dry-run
consumer-groups --reset-offsets --group idle --topic alpha --to-latest --to-earliest
consumer-groups --reset-offsets --group idle --from-file @D/plan.csv --dry-run
consumer-groups --reset-offsets --group idle --group g3 --from-file @D/plans.csv --dry-run
consumer-groups --delete-offsets --group nix --topic alpha
consumer-groups --delete-offsets --group busy --topic alpha:1
`

// offsetsSame are command lines of kafka-get-offsets.
const offsetsSame = `
get-offsets
get-offsets @none --broker-list @B --exclude-internal-topics --time earliest
get-offsets --topic alpha --partitions 0,2
get-offsets --topic alpha --partitions x
get-offsets --topic alpha --time -3
get-offsets --topic alpha --time 1700000002000
get-offsets --topic alpha --time x
get-offsets --topic-partitions alpha:1-,be.*:0,gamma,:-1
get-offsets @none --time 3
`

// plans writes the files that offsetsSame names.
func (w *world) plans(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{
		"plan.csv":  "alpha,0,2\nalpha,1,700\n\"" + wide + "\",13,5\n",
		"plans.csv": "idle,alpha,0,2\nidle,be.ta,0,700\ng3,alpha,1,1\n",
	} {
		if err := os.WriteFile(filepath.Join(w.files, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// groupsChanged resets and deletes offsets and groups by both, from the same offsets, and holds what came of it against each
// other.
func (w *world) groupsChanged(t *testing.T) {
	const id = "changes"
	for _, line := range []string{
		"consumer-groups --reset-offsets --group changes --to-offset 1 --all-topics --execute",
		"consumer-groups --reset-offsets --group changes --topic alpha:1,2 --to-latest --execute --export",
		"consumer-groups --delete-offsets --group changes --topic alpha:2 --topic gamma",
		"consumer-groups --delete --group changes",
	} {
		w.changes(t, try{line: line}, func() { w.commit(t, id) }, func() string { return w.offsetsOf(t, id) })
	}
}

// offsetsOf gives the offsets of a group as a text.
func (w *world) offsetsOf(t testing.TB, id string) string {
	t.Helper()
	all, err := w.admin.FetchOffsets(harness.Context(t), id)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, o := range all.Sorted() {
		text += fmt.Sprintln(o.Topic, o.Partition, o.At)
	}
	return text
}
