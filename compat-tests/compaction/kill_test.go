package compaction

import (
	"context"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

var (
	kills = flag.Int("kills", 6, "how many kills amid a compaction; a sixth of that with Apache Kafka, which takes long to come back")
	seed  = flag.Uint64("seed", 0, "seed of the moments and the records; 0: a new one, which is printed")
)

// properties make the broker compact all the time, slowly, and in several passes: the map
// takes 200 keys.
var properties = map[string]string{
	"log.segment.bytes":                       "20000",
	"log.index.interval.bytes":                "500",
	"log.cleaner.backoff.ms":                  "5",
	"log.cleaner.min.cleanable.ratio":         "0.001",
	"log.cleaner.dedupe.buffer.size":          "1050000",
	"log.cleaner.io.buffer.load.factor":       "0.005",
	"log.cleaner.io.buffer.size":              "40000",
	"log.cleaner.io.max.bytes.per.second":     "1000000",
	"log.segment.delete.delay.ms":             "1000",
	"log.flush.offset.checkpoint.interval.ms": "1000",
	"log.initial.task.delay.ms":               "500",
}

// perSecond is how many records each table gets.
const perSecond = 200

// database is all tables and what writes them.
type database struct {
	b       *harness.Broker
	tables  []*table
	stop    chan struct{}
	writing sync.WaitGroup
}

func startDatabase(t *testing.T, b *harness.Broker, rnd *rand.Rand) *database {
	t.Helper()
	d := &database{b: b, stop: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for _, k := range kinds {
		table := newTable(t, b, k)
		d.tables = append(d.tables, table)
		keys := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		d.writing.Go(func() { table.run(ctx, d.stop, perSecond, keys) })
	}
	return d
}

func (d *database) dirs() (list []string) {
	for _, b := range d.tables {
		list = append(list, filepath.Join(d.b.LogDir, b.topic+"-0"))
	}
	return list
}

// kill kills the broker at a moment, starts it again, and says what the kill interrupted.
func (d *database) kill(t *testing.T, m moment) string {
	t.Helper()
	w, err := watchDirs(d.dirs()...)
	if err != nil {
		t.Fatal(err)
	}
	err = w.await(m.suffix, m.count)
	time.Sleep(m.after) // the seed decides what is under way by then
	d.b.Kill()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	what, err := met(d.dirs()...)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.b.Run(); err != nil {
		t.Fatalf("after a kill %s: %v; its log is kept: %s", m, err, d.b.KeepLog())
	}
	return what
}

// check checks every table and gives how many records they have.
func (d *database) check(t *testing.T) (records int) {
	t.Helper()
	for _, b := range d.tables {
		harness.AwaitTopic(t, d.b.Addr, b.topic, 1)
		records += b.check(t, d.b.Addr)
	}
	return records
}

// restart stops the broker cleanly, and has DumpLogSegments read what it left.
func (d *database) restart(t *testing.T) {
	t.Helper()
	if err := d.b.Stop(); err != nil {
		t.Fatal(err)
	}
	// Apache's own cleaner leaves time index entries for batches without records, and
	// Apache's DumpLogSegments finds fault with them.
	if !harness.Reference() {
		facts := harness.DumpCompactedLogs(t, d.b.LogDir)
		t.Logf("DumpLogSegments read %d records in %d batches of %d files", facts.Records, facts.Batches, facts.Files)
	}
	if err := d.b.Run(); err != nil {
		t.Fatal(err)
	}
}

// awaitCompacted waits until a good part of the sent records is gone. That takes records
// to compact, and compactions that complete.
func (d *database) awaitCompacted(t *testing.T) {
	t.Helper()
	for ctx := harness.Context(t); ; time.Sleep(50 * time.Millisecond) {
		sent := d.sent()
		records := d.check(t)
		if records < sent*2/3 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records are left", records, sent)
		}
	}
}

func (d *database) sent() (records int) {
	for _, b := range d.tables {
		b.mu.Lock()
		records += len(b.sent)
		b.mu.Unlock()
	}
	return records
}

// TestKill9AmidCompaction kills the broker until enough kills have interrupted a
// compaction.
func TestKill9AmidCompaction(t *testing.T) {
	rnd := harness.Rand(t, *seed)
	enough := *kills
	if harness.Reference() || harness.Small() {
		enough = max(1, enough/6)
	}
	d := startDatabase(t, harness.Start(t, harness.Options{Properties: properties}), rnd)
	all, amid, tally := 0, 0, map[string]int{}
	for amid < enough {
		m := anyMoment(rnd)
		what := d.kill(t, m)
		if all++; what != betweenTwo {
			amid++
		}
		tally[what]++
		records := d.check(t)
		t.Logf("kill %d, %s: %s; %d records are left", all, m, what, records)
		if all > 5*enough+5 {
			t.Fatalf("of %d kills only %d interrupted a compaction", all, amid)
		}
		if all%20 == 0 && amid < enough {
			d.restart(t)
			d.check(t)
		}
	}
	d.awaitCompacted(t)
	close(d.stop)
	d.writing.Wait()
	d.b.Kill()
	if err := d.b.Run(); err != nil {
		t.Fatal(err)
	}
	d.check(t)
	d.restart(t)
	t.Logf("%d kills, %d of them amid a compaction; %d records sent, %d left", all, amid, d.sent(), d.check(t))
	for _, what := range []string{copying, renaming, swapping, betweenTwo} {
		t.Logf("%5d %s", tally[what], what)
	}
}
