package directories

import (
	"path/filepath"
	"testing"

	"klamm/compat-tests/harness"
)

func TestDirectoriesGoToAndFroAfterCleanStops(t *testing.T) {
	t.Parallel()
	handOver(t, func(b *harness.Broker) {
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDirectoriesGoToAndFroAfterKill9(t *testing.T) {
	t.Parallel()
	handOver(t, func(b *harness.Broker) { b.Kill() })
}

// handOver begins with Apache's broker, then klamm, Apache and klamm have the
// directories in turn; end is how each but the last one ends.
func handOver(t *testing.T, end func(*harness.Broker)) {
	data := t.TempDir()
	dirs := []string{filepath.Join(data, "a"), filepath.Join(data, "b")}
	b := harness.Start(t, harness.Options{Broker: "apache", DataDir: data, Properties: map[string]string{
		"log.dirs":                                      dirs[0] + "," + dirs[1],
		"log.segment.bytes":                             "20000",
		"log.index.interval.bytes":                      "1000",
		"log.retention.ms":                              "-1",
		"log.cleaner.backoff.ms":                        "200",
		"log.initial.task.delay.ms":                     "100",
		"auto.create.topics.enable":                     "false",
		"controlled.shutdown.enable":                    "false", // no other broker could take over
		"log.flush.start.offset.checkpoint.interval.ms": "500",
	}})
	w := newWorld(t, b.Addr, dirs)
	w.create("codecs", int32(len(codecs)))
	w.create("stamped", 1, "message.timestamp.type", "LogAppendTime")
	w.create("idempotent", 2)
	w.create("compacted", 1, "cleanup.policy", "compact", "segment.bytes", "8000", "min.cleanable.dirty.ratio", "0.01")
	p := w.newProducer()
	p.goOn()
	w.fill()
	w.deleteRecords("codecs", 1, 17)
	w.awaitCleaned()
	w.check("apache")
	end(b)

	for round, software := range []string{"klamm", "apache", "klamm"} {
		if err := b.RunAs(software); err != nil {
			t.Fatalf("%s does not start on the directories: %v; its log is kept: %s", software, err, b.KeepLog())
		}
		w.await()
		w.check(software)
		p.again()
		p.skip()
		p.goOn()
		w.newProducer().goOn() // a new producer gets an id that no other has
		w.fill()
		w.deleteRecords("codecs", int32(2+round), int64(20+round))
		if software == "apache" {
			w.create("later", 2)
			w.grow("stamped", 2)
			w.fill()
		}
		w.check(software)
		if round < 2 {
			end(b)
		}
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	facts := harness.DumpLogs(t, dirs...)
	t.Logf("DumpLogSegments read %d records in %d batches of %d files", facts.Records, facts.Batches, facts.Files)
}
