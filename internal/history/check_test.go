package history

import (
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestReadersMayHearOfStaleLeaders: a group's member was reset to the start when a leader that was cut off called its offset out of range.
func TestReadersMayHearOfStaleLeaders(t *testing.T) {
	for _, c := range []struct {
		err    error
		stale  bool
		passes bool
	}{
		{kerr.OffsetOutOfRange, false, false},
		{kerr.OffsetOutOfRange, true, true},
		{kerr.NotLeaderForPartition, false, true},
		{kerr.CorruptMessage, true, true},
		{kerr.UnknownServerError, true, false},
	} {
		if got := mayHear(c.err, c.stale); got != c.passes {
			t.Errorf("%v, a broker that may be stale: %t: passes %t", c.err, c.stale, got)
		}
	}
}

// TestOffsetsOfACoordinatorThatResigns: Apache's answers once without them, and offsets that are lost stay lost.
func TestOffsetsOfACoordinatorThatResigns(t *testing.T) {
	for _, c := range []struct {
		twice        bool
		less, counts []bool
	}{
		{false, []bool{true, false, true}, []bool{true, false, true}},
		{true, []bool{true, false, true, false}, []bool{false, false, false, false}},
		{true, []bool{true, true, false, true, true}, []bool{false, true, false, false, true}},
	} {
		var d doubt
		for i, less := range c.less {
			if got := d.counts(less, c.twice); got != c.counts[i] {
				t.Errorf("twice %t, less %v: answer %d counts: %t", c.twice, c.less, i, got)
			}
		}
	}
}

// TestCheckerFindsFaults has the functions of check.go look at a partition in which things went wrong.
func TestCheckerFindsFaults(t *testing.T) {
	once := &Sent{Name: "once", sent: []int{4}, acked: [][]Ack{{{N: 0, Offset: 0}, {N: 1, Offset: 1}, {N: 2, Offset: 3}, {N: 3, Offset: 4}}}}
	group := &Group{read: [][]int{{1, 2, 0, 1, 1}}}
	key := func(n int) string { return Value("once", 0, n) }
	good := []string{key(0), key(1), "again 0 0", key(2), key(3)}
	reader := &Reader{seen: [][]string{good}}
	for _, c := range []struct {
		name   string
		stored []string
		faulty []string // the functions that find something
	}{
		{"as it was told", good, nil},
		{"the last record is lost", good[:4], []string{"misplaced", "disordered", "missing", "misread"}},
		{"a record moved", []string{key(0), key(1), key(2), "again 0 0", key(3)}, []string{"misplaced", "misread"}},
		{"a record twice", append(slices.Clone(good), key(3)), []string{"disordered"}},
		{"another order", []string{key(1), key(0), "again 0 0", key(2), key(3)}, []string{"misplaced", "disordered", "misread"}},
	} {
		found := map[string][]string{
			"misplaced":  once.Misplaced(0, c.stored),
			"disordered": once.Disordered(0, c.stored),
			"missing":    once.Missing(0, c.stored),
			"misread":    reader.Misread(0, c.stored),
		}
		for function, faults := range found {
			if want := slices.Contains(c.faulty, function); want != (len(faults) > 0) {
				t.Errorf("%s: %s finds %q, want faults: %t", c.name, function, faults, want)
			}
		}
	}
	if faults := group.Unread(0, 6); len(faults) != 2 {
		t.Errorf("of offsets 2 and 5, which nobody read, the check finds %q", faults)
	}
}

// TestDifferFindsFaults compares replicas that are not the same.
func TestDifferFindsFaults(t *testing.T) {
	batches := func(texts ...string) (r Replica) { // of ten records each
		for i, text := range texts {
			header := make([]byte, 61)
			header[26] = 9 // the last offset's delta
			r.Batches = append(r.Batches, Batch{int64(10 * i), append(header, text...)})
		}
		return r
	}
	for _, c := range []struct {
		name  string
		other Replica
		same  bool
	}{
		{"the same", batches("a", "b", "c"), true},
		{"more above the offset", batches("a", "b", "c", "d"), true},
		{"other bytes above the offset", batches("a", "b", "x"), true},
		{"other bytes", batches("a", "x", "c"), false},
		{"too short", batches("a"), false},
		{"nothing", batches(), false},
	} {
		if difference := Differ(batches("a", "b", "c"), c.other, 20); (difference == "") != c.same {
			t.Errorf("%s: %q", c.name, difference)
		}
	}
	late := Replica{Batches: batches("a", "b", "c").Batches[1:]}
	for name, r := range map[string]Replica{"neither has anything": {}, "both end before the offset": batches("a"), "both lack the first batch": late} {
		if Differ(r, r, 20) == "" {
			t.Errorf("%s: no difference is found", name)
		}
	}
}

// TestOldMessagesEndAtTheirOffsets: the end of a replica was read from amid the last message, where a batch has its last offset's delta.
func TestOldMessagesEndAtTheirOffsets(t *testing.T) {
	for magic := range byte(2) {
		var r Replica
		for n := range byte(3) {
			message := append([]byte{0, 0, 0, 0, 0, 0, 0, n, 0, 0, 0, 28, 0, 0, 0, 0, magic}, make([]byte, 23)...)
			message[26] = 9
			if err := r.Append("a segment", message); err != nil {
				t.Fatal(err)
			}
		}
		if difference := Differ(r, r, 3); difference != "" {
			t.Errorf("magic %d: %s", magic, difference)
		}
		if Differ(r, r, 4) == "" {
			t.Errorf("magic %d: the replica ends at 3, and no difference is found up to 4", magic)
		}
	}
}

// TestCooperativeMembersMayReadAgain what another has committed.
func TestCooperativeMembersMayReadAgain(t *testing.T) {
	for _, cooperative := range []bool{false, true} {
		g := NewGroup(Topic{Name: "t", Partitions: 1}, "g")
		if cooperative {
			g.Cooperative()
		}
		g.takeLocked(&kgo.Record{Offset: 1}, map[int32]int64{0: 2})
		if faults := g.Faults.All(); (len(faults) == 0) != cooperative {
			t.Errorf("cooperative %t: %q", cooperative, faults)
		}
	}
}

// A check may come while clients still note what they are told, as after a test that gives up waiting for them.
func TestChecksWhileClientsGoOn(t *testing.T) {
	topic := Topic{Name: "t", Partitions: 1}
	s, g := NewSent("p", topic), NewGroup(topic, "g")
	var clients sync.WaitGroup
	clients.Go(func() {
		s.Acked(0, s.Next(0), 0)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.read[0] = append(g.read[0], 1)
	})
	_, _, _, _ = s.Misplaced(0, nil), s.Disordered(0, nil), s.Missing(0, nil), g.Unread(0, 1)
	clients.Wait()
	if got := s.Missing(0, nil); len(got) != 1 {
		t.Errorf("missing: %v", got)
	}
}
