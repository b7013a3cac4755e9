package logstore

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// whileCleaning is what may happen to a log while it is cleaned.
type whileCleaning struct {
	name   string
	change func(m *compacted)
	// ends says that the cleaning has to end with it and change nothing any more.
	ends bool
}

func changesWhileCleaning() []whileCleaning {
	configure := func(m *compacted, change func(*Config)) {
		c := m.o.Config
		change(&c)
		m.l.Configure(c)
	}
	return []whileCleaning{
		{"retention", func(m *compacted) { // compact,delete
			configure(m, func(c *Config) { c.Delete, c.RetentionBytes, c.RetentionMs = true, m.l.SizeBytes()/2, -1 })
			_, _, err := m.l.Retain(m.nowMs)
			must(m.t, err)
			configure(m, func(*Config) {})
		}, false},
		{"DeleteRecords", func(m *compacted) {
			_, err := m.l.DeleteRecordsBefore(m.l.EndOffset() / 3)
			must(m.t, err)
		}, false},
		{"DeleteRecords and retention", func(m *compacted) {
			_, err := m.l.DeleteRecordsBefore(m.l.EndOffset() / 3)
			must(m.t, err)
			_, _, err = m.l.Retain(m.nowMs)
			must(m.t, err)
		}, false},
		{"cleanup.policy=delete", func(m *compacted) {
			configure(m, func(c *Config) { c.Delete, c.Compact, c.RetentionMs = true, false, -1 })
		}, true},
		{"cleanup.policy=delete and back", func(m *compacted) {
			configure(m, func(c *Config) { c.Delete, c.Compact, c.RetentionMs = true, false, -1 })
			configure(m, func(*Config) {})
		}, false},
		{"a truncation", func(m *compacted) { must(m.t, m.l.TruncateTo(m.l.HighWatermark(), m.nowMs)) }, true},
		{"a roll and appends", func(m *compacted) {
			must(m.t, m.l.Roll(m.nowMs))
			m.append()
		}, false},
	}
}

// TestCleaningMeetsAChange has each change come at each step of a cleaning, and holds that no key
// has another last value than it should, that nothing is left behind, and that the next
// cleaning goes through.
func TestCleaningMeetsAChange(t *testing.T) {
	for _, c := range changesWhileCleaning() {
		t.Run(c.name, func(t *testing.T) {
			steps, ended := 0, 0
			for at := 1; ; at++ {
				met, err := meetChange(t, c, at)
				if !met {
					break
				}
				steps++
				if err != nil {
					ended++
				}
			}
			if steps < 20 || c.ends && ended != steps {
				t.Fatalf("%d steps, of which %d ended the cleaning", steps, ended)
			}
		})
	}
}

// meetChange cleans a log that changes at a step, and says whether there were so many.
func meetChange(t *testing.T, c whileCleaning, at int) (met bool, err error) {
	t.Helper()
	m := newCompacted(t, 7)
	m.o.Config.SegmentBytes, m.o.Config.MinCompactionLagMs, m.o.Config.DeleteRetentionMs = 900, 0, 100
	m.keys = 12
	m.l.Configure(m.o.Config)
	for range 16 {
		m.append()
	}
	m.l.SetHighWatermark(m.batches[13].base)
	must(t, m.l.Flush(m.l.EndOffset()))
	work := testWork(1<<20, 600)
	step := 0
	var after []kept
	work.spend = func(int, func() error) error {
		if step++; step == at {
			met = true
			c.change(m)
			if c.ends {
				after, err = recordsOf(m.l)
				must(t, err)
			}
		}
		return nil
	}
	x, err := m.l.cleanable(m.nowMs)
	must(t, err)
	_, err = m.l.clean(&x, work, m.nowMs)
	if err != nil && !errors.Is(err, errCleaningAborted) {
		t.Fatalf("step %d: %v", at, err)
	}
	if c.ends && met {
		got, rerr := recordsOf(m.l)
		must(t, rerr)
		if len(got) != len(after) || err == nil {
			t.Fatalf("step %d: %d records after the change, %d in the end (%v)", at, len(after), len(got), err)
		}
	}
	checkAfterChange(t, m, at)
	m.l.Configure(m.o.Config)
	cleanLog(t, m.l, m.nowMs)
	checkAfterChange(t, m, at)
	return met, err
}

// checkAfterChange holds what is in the log against what was appended, from the log's start to its end.
func checkAfterChange(t *testing.T, m *compacted, at int) {
	t.Helper()
	start, end := m.l.Offsets()
	var all []kept
	for _, b := range m.batches {
		for _, r := range b.records {
			if r.offset >= start && r.offset < end {
				all = append(all, r)
			}
		}
	}
	got, err := recordsOf(m.l)
	if err == nil {
		err = errors.Join(sameLastValues(got, all), checkIndexes(m.l), noOverlap(m.l))
	}
	if err != nil {
		t.Fatalf("step %d: %v", at, err)
	}
	entries, err := m.disk.ReadDir(testDir)
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), cleanedSuffix) || strings.HasSuffix(e.Name(), swapSuffix) {
			t.Fatalf("step %d: %s is left", at, e.Name())
		}
	}
}

// TestTopicDeletedWhileCleaning deletes a topic at each step of a cleaning and makes it anew:
// nothing of the old one is there, on the disk or in the checkpoint.
func TestTopicDeletedWhileCleaning(t *testing.T) {
	tp := protocol.TopicPartition{Topic: "t"}
	for at := 1; ; at++ {
		disk := vfs.NewMem()
		s, l, _ := compactedStore(t, disk)
		work := testWork(1<<20, 300)
		deleted := make(chan error, 1)
		step := 0
		work.spend = func(int, func() error) error {
			if step++; step == at {
				go func() { deleted <- s.Delete(tp) }() // waits for the cleaning, which is told to end
				for !l.ending.Load() {
					runtime.Gosched()
				}
			}
			return nil
		}
		cleaned := s.cleanFilthiest(work)
		if step < at {
			closeStore(t, s)
			if at < 20 {
				t.Fatalf("only %d steps", step)
			}
			return
		}
		must(t, <-deleted)
		if cleaned {
			t.Fatalf("step %d: it was cleaned", at)
		}
		l = create(t, s, tp, 2)
		if start, end := l.Offsets(); start != 0 || end != 0 || l.CleanedTo() >= 0 {
			t.Fatalf("step %d: the new log has %d..%d, cleaned to %d", at, start, end, l.CleanedTo())
		}
		dirty(t, l)
		if !s.cleanFilthiest(testWork(1<<20, 300)) {
			t.Fatalf("step %d: the new log is not cleaned", at)
		}
		closeStore(t, s)
	}
}
