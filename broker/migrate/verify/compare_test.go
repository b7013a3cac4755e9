package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"klamm/protocol/batch"
)

// fakeLog is a replica whose log is a list of batches. An answer has two batches, and a part of the third.
type fakeLog struct {
	batches   [][]byte
	start, hw int64
	refuses   int64                  // the offset that it refuses to send; -1 for none
	fetches   int                    // so far
	onFetch   func(l *fakeLog) error // called before each
}

func (l *fakeLog) bounds(context.Context) (start, end int64, err error) { return l.start, l.hw, nil }

func (l *fakeLog) fetch(_ context.Context, offset int64) (fetched, error) {
	l.fetches++
	if l.onFetch != nil {
		if err := l.onFetch(l); err != nil {
			return fetched{}, err
		}
	}
	if offset < l.start || offset > l.hw {
		return fetched{}, errOutOfRange
	}
	f := fetched{highWatermark: l.hw, logStart: l.start, release: func() {}}
	n := 0
	for _, b := range l.batches {
		_, next, err := batch.Bounds(b)
		switch {
		case err == nil && next <= offset:
			continue
		case l.refuses >= 0 && err == nil && next > l.refuses:
			if n == 0 {
				return fetched{}, &unreadableError{0, offset, "refused"}
			}
			return f, nil
		case n == 2:
			f.records = append(f.records, b[:len(b)/2]...)
			return f, nil
		}
		f.records = append(f.records, b...)
		n++
	}
	return f, nil
}

// rec is a record of a test: "key=value", or "key" for a tombstone.
func makeBatch(t *testing.T, base int64, epoch int32, records map[int32]string, deltas int32) []byte {
	t.Helper()
	b := batch.NewBuilder(batch.None)
	b.BaseOffset, b.LeaderEpoch = base, epoch
	for d := range deltas + 1 {
		key, value, has := strings.Cut(records[d], "=")
		if _, ok := records[d]; !ok {
			continue
		}
		v := []byte(value)
		if !has {
			v = nil
		}
		b.AddAt(d, 1000+base, []byte(key), v)
	}
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// logOf makes a log of batches of two records each, from offset 0 on.
func logOf(t *testing.T, batches int) *fakeLog {
	t.Helper()
	l := &fakeLog{hw: int64(2 * batches), refuses: -1}
	for i := range batches {
		l.batches = append(l.batches, makeBatch(t, int64(2*i), 3, map[int32]string{0: fmt.Sprint("a=", i), 1: fmt.Sprint("b=", i)}, 1))
	}
	return l
}

// compareLogs compares logs, the first of which is the reference on broker 1.
func compareLogs(t *testing.T, compacted bool, logs ...*fakeLog) (c *comparison, failures []string) {
	t.Helper()
	c = &comparison{topic: "orders", compacted: compacted}
	var cursors []*cursor
	for i, l := range logs {
		cursors = append(cursors, &cursor{broker: int32(i + 1), log: l})
	}
	if err := c.run(t.Context(), cursors, func(broker int32, err error) { failures = append(failures, fmt.Sprint(broker, ": ", err)) }); err != nil {
		failures = append(failures, err.Error())
	}
	return c, failures
}

// found says what a comparison found, pair by pair.
func found(c *comparison) string {
	var all []string
	for _, p := range c.pairs {
		if d := p.difference; d != nil {
			all = append(all, fmt.Sprintf("%d-%d: %d %s at %d to %d, %s", d.Brokers[0], d.Brokers[1], d.Count, d.Of, d.FirstOffset, d.LastOffset, d.First))
		}
	}
	return strings.Join(all, "\n")
}

// TestPlantedDifferences plants a difference in the replica on broker 2, beside an equal one on broker 3.
func TestPlantedDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(l *fakeLog)
		want  string // "" for no difference
		words []string
	}{
		"none":   {plant: func(*fakeLog) {}},
		"a byte": {func(l *fakeLog) { l.batches[3][len(l.batches[3])-2] ^= 1 }, "1-2: 1 batches at 6 to 7, offset 6: ", []string{"broker 2's batch is damaged", "the first byte that differs"}},
		"a record, with a right CRC": {func(l *fakeLog) { l.batches[3] = makeBatch(t, 6, 3, map[int32]string{0: "a=3", 1: "b=x"}, 1) },
			"1-2: 1 batches at 6 to 7, offset 6: the CRC is ", nil},
		"another leader epoch": {func(l *fakeLog) { l.batches[3] = makeBatch(t, 6, 4, map[int32]string{0: "a=3", 1: "b=3"}, 1) },
			"1-2: 1 batches at 6 to 7, offset 6: the leader epoch is 3 and 4", nil},
		"a batch is missing": {func(l *fakeLog) { l.batches = slices.Delete(l.batches, 3, 4) },
			"1-2: 1 batches at 6 to 7, offset 6: broker 1 has a batch that broker 2 lacks", nil},
		"the end is missing": {func(l *fakeLog) { l.batches = l.batches[:8] },
			"1-2: 2 batches at 16 to 19, offset 16: broker 1 has a batch that broker 2 lacks", nil},
		"batches are swapped": {func(l *fakeLog) {
			l.batches[3], l.batches[4] = makeBatch(t, 6, 3, map[int32]string{0: "a=4", 1: "b=4"}, 1), makeBatch(t, 8, 3, map[int32]string{0: "a=3", 1: "b=3"}, 1)
		}, "1-2: 2 batches at 6 to 9, offset 6: the CRC is ", nil},
		"batches are one": {func(l *fakeLog) {
			l.batches = slices.Replace(l.batches, 3, 5, makeBatch(t, 6, 3, map[int32]string{0: "a=3", 1: "b=3", 2: "a=4", 3: "b=4"}, 3))
		}, "1-2: 2 batches at 6 to 9, offset 6: broker 1 has a batch with the offsets 6 to 7, and broker 2 one with 6 to 9", nil},
		"a length that cannot be": {func(l *fakeLog) { l.batches[9][8] = 0xff }, "1-2: 1 batches at 18 to 19, offset 18: broker 2 has something at offset 18 that cannot be read", nil},
		"its broker refuses":      {func(l *fakeLog) { l.refuses = 18 }, "1-2: 1 batches at 18 to 19, offset 18: broker 0 has something at offset 18 that cannot be read: refused", nil},
		"it ends earlier":         {func(l *fakeLog) { l.batches, l.hw = l.batches[:4], 8 }, "", nil},
		"it begins later":         {func(l *fakeLog) { l.batches, l.start = l.batches[4:], 9 }, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			logs := []*fakeLog{logOf(t, 10), logOf(t, 10), logOf(t, 10)}
			c.plant(logs[1])
			got, failures := compareLogs(t, false, logs...)
			if text := found(got); !strings.HasPrefix(text, c.want) || c.want == "" && text != "" || strings.Contains(text, "\n") || failures != nil {
				t.Errorf("%s %q\nwant %s", text, failures, c.want)
			}
			for _, w := range c.words {
				if !strings.Contains(found(got), w) {
					t.Errorf("no %q in %s", w, found(got))
				}
			}
			if got.batches != 10 {
				t.Errorf("%d batches of the reference were compared", got.batches)
			}
		})
	}
}

// TestDamagedReference has a reference that cannot be read in the middle: that is a difference, and what follows is compared.
func TestDamagedReference(t *testing.T) {
	for name, damage := range map[string]func(l *fakeLog){
		"a length that cannot be": func(l *fakeLog) { l.batches[4][8] = 0xff },
		"its magic":               func(l *fakeLog) { l.batches[4][16] = 9 },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := logOf(t, 10), logOf(t, 10)
			damage(a)
			b.batches[9] = makeBatch(t, 18, 4, map[int32]string{0: "a=9", 1: "b=9"}, 1)
			// The broker finds what follows by its index.
			damaged := a.batches
			a.onFetch = func(l *fakeLog) error {
				if l.batches = damaged; l.fetches > 3 {
					l.batches = slices.Delete(slices.Clone(damaged), 4, 5)
				}
				return nil
			}
			c, failures := compareLogs(t, false, a, b)
			if got := found(c); !strings.HasPrefix(got, "1-2: 2 batches at 8 to 19, offset 8: broker 1 has something at offset 8") || failures != nil {
				t.Errorf("%s %q", got, failures)
			}
		})
	}
}

// TestDamageThatAllHave compares replicas that have the same damaged batch.
func TestDamageThatAllHave(t *testing.T) {
	a, b := logOf(t, 3), logOf(t, 3)
	for _, l := range []*fakeLog{a, b} {
		l.batches[1][len(l.batches[1])-2] ^= 1
	}
	c, _ := compareLogs(t, false, a, b)
	if got := found(c); !strings.HasPrefix(got, "1-2: 1 batches at 2 to 3, offset 2: brokers 1 and 2 have the same batch, and it is damaged") {
		t.Error(got)
	}
}

// TestSkippedOffsets has replicas whose log start offsets differ, and move while they are read.
func TestSkippedOffsets(t *testing.T) {
	a, b, moving := logOf(t, 10), logOf(t, 10), logOf(t, 10)
	b.batches, b.start = b.batches[2:], 4
	moving.onFetch = func(l *fakeLog) error {
		if l.fetches == 3 { // four batches were given
			l.batches, l.start = l.batches[7:], 14
		}
		return nil
	}
	c, failures := compareLogs(t, false, a, b, moving)
	if found(c) != "" || failures != nil || c.pairs[0].skipped != 4 || c.pairs[1].skipped != 6 {
		t.Errorf("%s %q, %d and %d offsets skipped", found(c), failures, c.pairs[0].skipped, c.pairs[1].skipped)
	}
	c, failures = compareLogs(t, false, logOf(t, 10), func() *fakeLog { l := logOf(t, 10); l.batches, l.hw = nil, 0; return l }())
	if found(c) != "" || failures != nil {
		t.Errorf("beside an empty replica: %s %q", found(c), failures)
	}
}

// TestFailingReplicas has replicas that cannot be read, from the beginning or in the middle. The others are compared.
func TestFailingReplicas(t *testing.T) {
	fails := func(from int) *fakeLog {
		l := logOf(t, 10)
		l.onFetch = func(l *fakeLog) error {
			if l.fetches > from {
				return errors.New("gone")
			}
			return nil
		}
		return l
	}
	other := logOf(t, 10)
	other.batches[9] = makeBatch(t, 18, 4, map[int32]string{0: "a=9", 1: "b=9"}, 1)
	c, failures := compareLogs(t, false, logOf(t, 10), fails(2), other)
	if got := found(c); !strings.HasPrefix(got, "1-3: 1 batches at 18 to 19") || fmt.Sprint(failures) != "[2: gone]" {
		t.Errorf("%s %q", got, failures)
	}
	if _, failures = compareLogs(t, false, fails(2), logOf(t, 10)); fmt.Sprint(failures) != "[broker 1: gone]" {
		t.Errorf("%q", failures)
	}
	cut := logOf(t, 10)
	cut.onFetch = func(l *fakeLog) error {
		if l.fetches == 3 {
			l.hw = 2
		}
		return nil
	}
	if _, failures = compareLogs(t, false, logOf(t, 10), cut); fmt.Sprint(failures) != "[2: the log was cut back to offset 2 while it was read at 8]" {
		t.Errorf("%q", failures)
	}
}
