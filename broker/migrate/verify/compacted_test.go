package verify

import (
	"fmt"
	"strings"
	"testing"
)

// keyed makes a log of one batch for each of the offsets that are given, each with one record; "" for an offset that was compacted away.
func keyed(t *testing.T, hw int64, records ...string) *fakeLog {
	t.Helper()
	l := &fakeLog{hw: hw, refuses: -1}
	for i, r := range records {
		if r != "" {
			l.batches = append(l.batches, makeBatch(t, int64(i), 3, map[int32]string{0: r}, 0))
		}
	}
	return l
}

// TestCompactedReplicas compares replicas that were compacted to different points, and some that lost something.
func TestCompactedReplicas(t *testing.T) {
	whole := []string{"a=1", "b=1", "a=2", "c=1", "b", "a=3", "d=1"}
	for name, c := range map[string]struct {
		other []string
		want  string
	}{
		"not compacted":                    {whole, ""},
		"compacted":                        {[]string{"", "", "", "c=1", "b", "a=3", "d=1"}, ""},
		"compacted, without the tombstone": {[]string{"", "", "", "c=1", "", "a=3", "d=1"}, ""},
		"compacted in parts":               {[]string{"", "b=1", "a=2", "c=1", "b", "a=3", "d=1"}, ""},
		"a last value is lost":             {[]string{"a=1", "b=1", "a=2", "", "b", "a=3", "d=1"}, "1-2: 1 records at 3 to 3, offset 3: broker 2 lacks a record, and no later one has its key"},
		"the last record is lost":          {[]string{"", "", "", "c=1", "", "a=3", ""}, "1-2: 1 records at 6 to 6, offset 6: broker 2 lacks a record, and no later one has its key"},
		"a value is another":               {[]string{"", "", "", "c=2", "b", "a=3", "d=1"}, "1-2: 1 records at 3 to 3, offset 3: brokers 1 and 2 have different records"},
		"it has more":                      {[]string{"a=1", "b=1", "a=2", "c=1", "b", "a=3", "d=1", "e=1"}, "1-2: 1 records at 7 to 7, offset 7: broker 1 lacks a record, and no later one has its key"},
	} {
		t.Run(name, func(t *testing.T) {
			got, failures := compareLogs(t, true, keyed(t, 8, whole...), keyed(t, 8, c.other...))
			if text := found(got); text != c.want || failures != nil {
				t.Errorf("%s %q\nwant %s", text, failures, c.want)
			}
			if strings.HasPrefix(name, "not") && got.records != 0 {
				t.Errorf("%d records were opened of equal batches", got.records)
			}
		})
	}
}

// TestCompactedBeyondTheRange has a replica that was compacted with a record after the range that is compared.
func TestCompactedBeyondTheRange(t *testing.T) {
	behind := keyed(t, 3, "a=1", "b=1", "c=1")
	ahead := keyed(t, 5, "", "b=1", "c=1", "d=1", "a=2")
	for name, logs := range map[string][]*fakeLog{"the leader is ahead": {ahead, behind}, "the leader is behind": {behind, ahead}} {
		if c, failures := compareLogs(t, true, logs...); found(c) != "" || failures != nil {
			t.Errorf("%s: %s %q", name, found(c), failures)
		}
	}
	lost := keyed(t, 5, "", "b=1", "c=1", "d=1", "e=2")
	if c, _ := compareLogs(t, true, lost, behind); found(c) != "1-2: 1 records at 0 to 0, offset 0: broker 1 lacks a record, and no later one has its key" {
		t.Error(found(c))
	}
}

// TestRecordsWithinABatch compares batches that compaction has taken records out of.
func TestRecordsWithinABatch(t *testing.T) {
	all := map[int32]string{0: "a=1", 1: "b=1", 2: "a=2", 3: "c=1"}
	for name, c := range map[string]struct {
		kept map[int32]string
		want string
	}{
		"compacted": {map[int32]string{1: "b=1", 2: "a=2", 3: "c=1"}, ""},
		"lost":      {map[int32]string{0: "a=1", 2: "a=2", 3: "c=1"}, "1-2: 1 records at 1 to 1, offset 1: broker 2 lacks a record, and no later one has its key"},
	} {
		a, b := &fakeLog{hw: 4, refuses: -1}, &fakeLog{hw: 4, refuses: -1}
		a.batches, b.batches = [][]byte{makeBatch(t, 0, 1, all, 3)}, [][]byte{makeBatch(t, 0, 1, c.kept, 3)}
		if got, failures := compareLogs(t, true, a, b); found(got) != c.want || failures != nil {
			t.Errorf("%s: %s %q", name, found(got), failures)
		}
	}
}

// TestDamageInACompactedLog has a batch whose CRC is wrong: it is a difference, and what follows is compared.
func TestDamageInACompactedLog(t *testing.T) {
	records := []string{"a=1", "b=1", "c=1", "d=1", "e=1"}
	for damaged, broker := range map[int]int{0: 1, 1: 2} {
		logs := []*fakeLog{keyed(t, 5, records...), keyed(t, 5, records...)}
		b := logs[damaged].batches[1]
		b[len(b)-2] ^= 1
		logs[1].batches[4] = makeBatch(t, 4, 3, map[int32]string{0: "e=2"}, 0)
		c, failures := compareLogs(t, true, logs...)
		want := fmt.Sprintf("1-2: 2 records at 1 to 4, offset 1: broker %d has something at offset 1 that cannot be read: ", broker)
		if got := found(c); !strings.HasPrefix(got, want) || failures != nil {
			t.Errorf("%s %q\nwant %s", got, failures, want)
		}
	}
}
