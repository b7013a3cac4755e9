package reassign

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"klamm/cmd/reassign/plan"
)

func comparePartitions(a, b tp) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}

func sortedIDs[V any](m map[int32]V) []int32 { return slices.Sorted(maps.Keys(m)) }

// some names the first of many partitions.
func some(parts []tp) string {
	var names []string
	for _, p := range parts[:min(5, len(parts))] {
		names = append(names, p.String())
	}
	if len(parts) > len(names) {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

func (r *runner) seeds() string { return strings.Join(r.Cluster.Servers, ",") }

// share is what a broker has.
type share struct {
	replicas, leaders int
	bytes             int64
}

func shares(v *view, to map[tp][]int32) map[int32]share {
	all := map[int32]share{}
	for _, b := range v.brokers {
		all[b.ID] = share{}
	}
	for _, p := range v.parts {
		replicas := p.Replicas
		if moved := to[tp{p.Topic, p.ID}]; moved != nil {
			replicas = moved
		}
		for i, id := range replicas {
			s := all[id]
			s.replicas, s.bytes = s.replicas+1, s.bytes+p.Bytes
			if i == 0 {
				s.leaders++
			}
			all[id] = s
		}
	}
	return all
}

// writePlan writes the moves, and what each broker has before and after.
func writePlan(to io.Writer, v *view, moves []plan.Move, elections int) error {
	out := bufio.NewWriter(to)
	replicas := map[tp][]int32{}
	bytes := int64(0)
	for _, m := range moves {
		replicas[tp{m.Topic, m.Partition}] = m.To
		bytes += int64(len(m.Added())) * m.Bytes
		fmt.Fprintf(out, "%s-%d: %v -> %v\n", m.Topic, m.Partition, m.From, m.To)
	}
	before, after := shares(v, nil), shares(v, replicas)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "broker\treplicas\tpreferred leader\tbytes")
	for _, id := range sortedIDs(before) {
		b, a := before[id], after[id]
		fmt.Fprintf(w, "%d\t%d -> %d\t%d -> %d\t%d -> %d\n", id, b.replicas, a.replicas, b.leaders, a.leaders, b.bytes, a.bytes)
	}
	_ = w.Flush() // out keeps its first error
	fmt.Fprintf(out, "%d partitions change, %d replicas with %d bytes are copied, %d partitions get their first replica as the leader\n", len(moves), copies(moves), bytes, elections)
	return written(out)
}

// written writes what a plan's writer still holds, and gives the first error of all writes.
func written(out *bufio.Writer) error {
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}
