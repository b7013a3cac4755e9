package cluster

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// check ends the load and holds what its clients were told against what the brokers have:
//
//   - every acknowledged record stands at its offset, and the reader's records where it read them;
//   - each idempotent producer's records are there once each, in the order in which they were sent;
//   - no offset that a client was told of went back, neither the latest within a leader epoch nor a committed one;
//   - the groups read every record.
//
// It prints the longest pause of each thing that was done. Then it stops the brokers and looks at their disks.
func (l *load) check() {
	l.Helper()
	ends := l.stop()
	defer l.checkDisks(ends)
	for p := range l.partitions {
		var stored []string
		for i, r := range harness.ReadPartition(l, l.c.Addrs()[0], l.topic, p, 0, ends[p], kgo.SeedBrokers(l.c.Addrs()...)) {
			if r.Offset != int64(i) {
				l.Fatalf("partition %d has offset %d where %d is due", p, r.Offset, i)
			}
			stored = append(stored, string(r.Key))
		}
		once, _ := l.once.Counts(p)
		again, _ := l.again.Counts(p)
		l.Logf("partition %d: %d records, %d and %d sent", p, len(stored), once, again)
		l.faults("lost or changed", l.once.Misplaced(p, stored), l.again.Misplaced(p, stored), l.reader.Misread(p, stored))
		l.faults("not once and in order", l.once.Disordered(p, stored))
		l.faults("not stored", l.again.Missing(p, stored))
		if l.direct != nil {
			l.faults("lost or changed", l.direct.Misplaced(p, stored))
		}
		for _, more := range l.more {
			l.faults(more.Name, more.Misplaced(p, stored), more.Disordered(p, stored))
		}
		for _, g := range l.groups() {
			l.faults("not read by the group "+g.Name, g.Unread(p, ends[p]))
		}
	}
	l.faults("given up", l.once.Failed.All(), l.again.Failed.All())
	l.faults("read", l.reader.Faults.All())
	l.faults("latest offsets", l.offsets.All())
	for _, more := range l.more {
		l.faults("given up by "+more.Name, more.Failed.All())
	}
	for _, g := range l.groups() {
		l.faults("group "+g.Name, g.Faults.All())
	}
	for _, pause := range longest(l.pauses) {
		line := fmt.Sprintf("%s: no acknowledgement for %d ms", pause.what, pause.longest.Milliseconds())
		if l.direct != nil {
			line += fmt.Sprintf(", for %d ms to a producer that asks every broker", pause.direct.Milliseconds())
		}
		report(l.T, "%s", line)
	}
}

// faults fails the test if there are any, and prints the first of them.
func (l *load) faults(what string, lists ...[]string) {
	l.Helper()
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	if len(all) > 0 {
		l.Errorf("%s, %d faults:\n%s", what, len(all), strings.Join(all[:min(len(all), 20)], "\n"))
	}
}
