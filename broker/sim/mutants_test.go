//go:build mutants

package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mutant is a bug put into klamm, of those that Apache Kafka had where its name says so.
type mutant struct {
	name  string
	edits []edit
	runs  int    // within how many seeds it is found
	shows string // a pattern of what the run says that finds it
}

// edit is a change of a file: its path below the module's root, a text that the file has once, and what that becomes.
type edit struct{ file, is, made string }

// at is a bug that is one edit.
func at(file, is, made string) []edit { return []edit{{file, is, made}} }

// allMutants are those that are found.
//
// Some have been tried and were not found. In 30 runs: KAFKA-6082, in which a controller writes without the check of its epoch (its session has ended
// by then, and the tree refuses its writes); KAFKA-7415, in which a leader's epoch does not count before its first record (a follower tells its
// leader the epoch of its own last record, which shows where the logs diverge all the same); the controller takes an older version of an ISR (whoever
// changes an ISR but its leader raises the leader epoch, too); a broker obeys an older controller, or orders for an earlier registration; a follower
// joins the ISR by where it was in an earlier leader epoch; and a leader does not wait for replicas that may be in sync by now. In 12 runs:
// KAFKA-12751, in which a change of an ISR is refused that was made and whose answer was lost; KAFKA-13141, in which a fetch that finds a diverging
// epoch tells how far the follower is; a follower takes over a high watermark past the end of its log; a log that is truncated keeps its producers; and
// a leader counts replicas out of the ISR before the controller agrees.
var allMutants = []mutant{
	{"KAFKA-7128: a follower joins the ISR that lacks committed records", at("cluster/replica/isr.go",
		"r.fetchedMs < sinceMs || r.end < max(p.hw.Load(), s.EpochStart)", "r.fetchedMs < sinceMs"), 300, lost},
	{"KAFKA-7235: a broker that restarts between two looks stays in the ISRs", at("cluster/controller/brokers.go",
		"case was.epoch != b.epoch:", "case was.epoch > b.epoch:"), 30, `^(not well: |given up: .* comprehensive set of partitions)`}, // nobody shows the broker all of them
	{"the high watermark waits for one follower alone", at("cluster/replica/watermark.go",
		"if r.end >= hw {", "if r.end >= hw || i > 0 {"), 30, lost},
	{"the high watermark waits for no follower", at("cluster/replica/watermark.go",
		"if len(p.remotes) == 0 {", "if true {"), 30, lost},
	{"a replica is elected that is not in sync", at("cluster/controller/elect.go",
		"leader, ok = firstOf(assignment, isr, online)\n\treturn leader, kept(isr, online), ok",
		"leader, ok = firstOf(assignment, assignment, online)\n\treturn leader, []int32{leader}, ok"), 30, `^I1: .* which was not in the isr`},
	{"followers forget the producers", at("logstore/follow.go",
		"l.producers.apply(&h, run[at:at+h.Size()])", ""), 30, lost},
	{"the end of a log after a power cut is not checked", at("logstore/recovery.go",
		"return scan.check()", "return nil"), 30, lost},
	{"KIP-101: a follower keeps what its leader never had", at("cluster/replica/follower.go",
		"return p.log.TruncateTo(offset, p.manager.wallMs())", "return nil"), 30, `^(not well|I2): `},
	{"KAFKA-1211: a follower truncates its log to its high watermark", at("cluster/replica/become.go",
		"if p.log.LatestEpoch() < 0 {", "if true {"), 30, lost},
	{"KIP-279: a leader takes a follower for one of its kind that went on in the same epoch", at("server/data/fetch.go",
		"if epoch < t.lastFetchedEpoch || end < t.offset {", "if epoch < t.lastFetchedEpoch {"), 30, lost},
	{"the high watermark is the end of the log after a restart", at("logstore/store_load.go",
		"l.highWatermark.Store(max(start, min(highWatermark, end)))", "l.highWatermark.Store(max(start, end))"), 300, lost},
	{"consumers read past the high watermark", at("server/data/fetch_consumer.go",
		"upTo := r.hw", "upTo := log.EndOffset()"), 30, `^I4 read: `},
	{"acks=all is answered well when its time is over", at("cluster/replica/delayed_produce.go",
		"c.produce(d, &CommitTimeoutError{Partition: p.tp, Offset: d.offset})", "c.produce(d, nil)"), 30, lost},
	{"a leader that is none any more acknowledges what waits", at("cluster/replica/become.go",
		"p.failProducesLocked(c, why)", "p.failProducesLocked(c, nil)"), 30, lost},
	{"a start reads the producers from a snapshot and not what follows it", at("logstore/recovery.go",
		"\treturn r.replay()", "\tp.mapEnd = r.end\n\treturn nil"), 30, `^(given up: .* OUT_OF_ORDER_SEQUENCE_NUMBER|I5 )`},
	{"KAFKA-2334: a new leader tells a high watermark that goes back", at("server/data/list_offsets.go",
		"!p.CatchingUp():", "true:"), 30, `^I3 latest offsets: `},
	{"KAFKA-3968: the name of a new segment is not synced", at("logstore/flush.go",
		"if unnamed {", "if unnamed && false {"), 30, lost},
	{"a leader counts its own records before they are on the disk", at("cluster/replica/partition.go",
		"\tif flushDue {", "\tif false {"), 30, lost},
	{"a segment counts as synced and is not", at("logstore/flush.go",
		"err = syncOpen(f)\n\ts.log.release()", "_ = f\n\ts.log.release()"), 30, lost},
	{"a group's offset is acknowledged before it is committed", at("broker/groups.go",
		"if l.acks != -1 || l.partition.Counts(w) {", "if true {"), 30, lost},
	{"a coordinator serves what it has in memory when another broker is the coordinator", at("broker/groups.go",
		"groups.Resigned(tp.Partition)", "_ = tp"), 30, lost},
	{"a coordinator reads the groups' offsets up to the high watermark alone", at("broker/groups.go",
		"(start, end int64) { return l.partition.Log().Offsets() }",
		"(start, end int64) { return l.partition.Log().StartOffset(), l.partition.HighWatermark() }"), 30, lost},
}

// lost is what a run says when a record, or a committed offset, was acknowledged or read, and is gone or somewhere else. A cluster whose replicas
// differ may not become well, and is not read then.
const lost = `^(not well|I1 lost or moved|I1, I4 read and lost|I2|I5 not once and in order|not stored|I6 group): `

// TestMutants builds the tests of this package with one bug at a time, and sees that TestSeeds finds it. The patched files are an overlay of
// the compiler's: the product has no switch for any of them.
func TestMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range allMutants {
		t.Run(m.name, func(t *testing.T) {
			out, err := m.run(t, root)
			if err == nil {
				t.Fatalf("not found in %d runs", m.runs)
			}
			found := regexp.MustCompile(`(?m)(?:--- FAIL: TestSeeds/seed=|^panic: .* sim +seed )(\d+)`).FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("no seed has failed, but %v:\n%s", err, out)
			}
			var wrong []string
			for _, w := range regexp.MustCompile(`(?m)WRONG +(.*)$`).FindAllStringSubmatch(out, -1) {
				wrong = append(wrong, w[1])
			}
			if !slices.ContainsFunc(wrong, regexp.MustCompile(m.shows).MatchString) {
				t.Fatalf("seed %s has failed, but for another reason than %s:\n%s", found[1], m.shows, strings.Join(wrong, "\n"))
			}
			t.Logf("found by seed %s: %s", found[1], strings.Join(wrong, "\n"))
		})
	}
}

// run runs seeds with the mutant until one fails.
func (m *mutant) run(t *testing.T, root string) (out string, err error) {
	dir := t.TempDir()
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	replace := map[string]string{}
	for i, e := range m.edits {
		path := filepath.Join(root, e.file)
		from := path
		if replace[path] != "" {
			from = replace[path]
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), e.is); n != 1 {
			t.Fatalf("%s has %q %d times, once is due", e.file, e.is, n)
		}
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(text), e.is, e.made, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	body, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, "./broker/sim")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	run := exec.Command(binary, "-test.run", "^TestSeeds$", "-test.failfast", "-seeds", fmt.Sprint(m.runs))
	run.Dir = filepath.Join(root, "broker/sim")
	body, err = run.CombinedOutput()
	return string(body), err
}
