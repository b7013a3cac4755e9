package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
)

// reassignSame are command lines of kafka-reassign-partitions that move nothing, or fail.
const reassignSame = `
reassign-partitions --list
reassign-partitions --verify --reassignment-json-file @D/is.json
reassign-partitions --verify --reassignment-json-file @D/is-not.json --preserve-throttles
reassign-partitions --verify --reassignment-json-file @D/nix.json
reassign-partitions --cancel --reassignment-json-file @D/is.json
reassign-partitions --generate --topics-to-move-json-file @D/topics.json --broker-list 2
reassign-partitions --generate --topics-to-move-json-file @D/topics.json --broker-list 1,1
reassign-partitions --execute --reassignment-json-file @D/twice.json
reassign-partitions --execute --reassignment-json-file @D/unknown.json
reassign-partitions --execute --reassignment-json-file @D/missing.json
reassign-partitions --execute --reassignment-json-file @D/is.json --preserve-throttles
reassign-partitions --execute
`

// reassignments writes the files that reassignSame names.
func (w *world) reassignments(t *testing.T) {
	t.Helper()
	dir := w.cluster.Dirs(2)[0]
	for name, text := range map[string]string{
		"is.json":      `{"version":1,"partitions":[{"topic":"alpha","partition":0,"replicas":[1,2]},{"topic":"be.ta","partition":0,"replicas":[1,2,3]}]}`,
		"is-not.json":  `{"partitions":[{"topic":"alpha","partition":1,"replicas":[2,1],"log_dirs":["any","any"]},{"topic":"gamma","partition":1,"replicas":[2],"log_dirs":["/nix"]}]}`,
		"nix.json":     `{"version":1,"partitions":[{"topic":"nix","partition":0,"replicas":[1]}]}`,
		"topics.json":  `{"version":1,"topics":[{"topic":"gamma"},{"topic":"empty"}]}`,
		"twice.json":   `{"version":1,"partitions":[{"topic":"gamma","partition":0,"replicas":[1,1]}]}`,
		"unknown.json": `{"version":1,"partitions":[{"topic":"gamma","partition":0,"replicas":[9]}]}`,
		"missing.json": `{"version":1,"partitions":[{"topic":"gamma","partition":7,"replicas":[1]}]}`,
		"move.json":    `{"version":1,"partitions":[{"topic":"gamma","partition":0,"replicas":[2,3],"log_dirs":["` + dir + `","any"]},{"topic":"empty","partition":0,"replicas":[1]}]}`,
	} {
		if err := os.WriteFile(filepath.Join(w.files, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// reassigned moves partitions by both, from the same place, with throttles, waits until they are there, and verifies.
func (w *world) reassigned(t *testing.T) {
	reset := func() {
		var back kadm.AlterPartitionAssignmentsReq
		back.Assign("gamma", 0, []int32{1})
		back.Assign("empty", 0, []int32{2})
		if _, err := w.admin.AlterPartitionAssignments(harness.Context(t), back); err != nil {
			t.Fatal(err)
		}
		w.moved(t)
	}
	w.changes(t, try{line: "reassign-partitions --execute --reassignment-json-file @D/move.json --throttle 1000000 --replica-alter-log-dirs-throttle 2000000"}, reset, func() string {
		w.moved(t)
		return w.throttles(t)
	})
	throttled := func() {
		if r := w.klamm(t, try{line: "reassign-partitions --execute --reassignment-json-file @D/move.json --throttle 1000000"}); r.code != 0 {
			t.Fatal(r)
		}
		w.moved(t)
	}
	w.changes(t, try{line: "reassign-partitions --verify --reassignment-json-file @D/move.json"}, throttled, func() string { return w.throttles(t) })
	reset()
	if r := w.klamm(t, try{line: "reassign-partitions --verify --reassignment-json-file @D/is.json"}); r.code != 0 {
		t.Fatal(r)
	}
}

// moved waits until no reassignment is under way and no replica moves between directories.
func (w *world) moved(t testing.TB) {
	t.Helper()
	harness.Await(t, "all replicas to be where they are to be", func() bool {
		all, err := harness.Reassignments(harness.Context(t), w.client)
		if err != nil || len(all) > 0 {
			return false
		}
		dirs, err := w.admin.DescribeAllLogDirs(harness.Context(t), nil)
		future := false
		dirs.Each(func(d kadm.DescribedLogDir) {
			d.Topics.Each(func(p kadm.DescribedLogDirPartition) { future = future || p.IsFuture })
		})
		return err == nil && !future
	})
	w.settle(t)
}

// throttles gives where the partitions are that move, and the throttles of their topics and of the brokers.
func (w *world) throttles(t testing.TB) string {
	t.Helper()
	var lines []string
	topics, err := w.admin.ListTopics(harness.Context(t), "gamma", "empty")
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			lines = append(lines, fmt.Sprint(topic.Topic, "-", p.Partition, " ", p.Replicas))
		}
	}
	return strings.Join(sorted(lines), "\n") + "\n" + w.inTree(t, "topics/gamma", "topics/empty", "brokers/1", "brokers/2", "brokers/3")
}
