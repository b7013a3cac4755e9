package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"klamm/broker/migrate/size"
)

// What a Difference counts.
const (
	Batches = "batches"
	Records = "records" // of a compacted topic
)

// Difference says how two replicas of a partition differ.
type Difference struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Brokers have the two replicas. The first is the one that the others were compared with: the leader, where it could be read.
	Brokers [2]int32 `json:"brokers"`
	// FirstOffset and LastOffset are the range in which all differences lie.
	FirstOffset int64 `json:"first_offset"`
	LastOffset  int64 `json:"last_offset"`
	// Count is the number of batches that differ, or of records: see Of.
	Count int64  `json:"count"`
	Of    string `json:"of"`
	// First describes the difference at the lowest offset.
	First string `json:"first"`
}

// Note says something of a partition, or of one of its replicas.
type Note struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Broker has the replica; -1 for the partition as a whole.
	Broker int32  `json:"broker"`
	Text   string `json:"text"`
}

// Report is the result.
type Report struct {
	Cluster string  `json:"cluster"`
	Brokers []int32 `json:"brokers"`
	// Partitions is how many there are of the topics that were asked for. Of these, Compared were compared as far as all their replicas reach, and Single have
	// fewer than two replicas on the brokers.
	Partitions int `json:"partitions"`
	Compared   int `json:"compared"`
	Single     int `json:"single"`
	// Bytes were read, from all brokers together. Batches and RecordsCompared, these of compacted topics, were held against another replica's.
	Bytes           int64 `json:"bytes"`
	Batches         int64 `json:"batches"`
	RecordsCompared int64 `json:"records"`
	// SkippedOffsets counts offsets that one replica does not have any more, since its log start offset is larger.
	SkippedOffsets int64 `json:"skipped_offsets"`
	// CompactedTopics were compared record by record.
	CompactedTopics []string     `json:"compacted_topics"`
	Differences     []Difference `json:"differences"`
	NotCompared     []Note       `json:"not_compared"`
	Information     []Note       `json:"information"`
	// Interrupted says that the rest was not compared, since somebody stopped it.
	Interrupted bool `json:"interrupted"`
}

// ExitCode is 1 if there is a difference, 2 if there is none and something was not compared, and otherwise 0.
func (r *Report) ExitCode() int {
	switch {
	case len(r.Differences) > 0:
		return 1
	case r.Interrupted || len(r.NotCompared) > 0:
		return 2
	}
	return 0
}

// sort orders what was found by topic, partition and broker.
func (r *Report) sort() {
	slices.SortFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), slices.Compare(a.Brokers[:], b.Brokers[:]))
	})
	for _, notes := range [][]Note{r.NotCompared, r.Information} {
		slices.SortFunc(notes, func(a, b Note) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Text, b.Text))
		})
	}
	slices.Sort(r.CompactedTopics)
}

// mostNotes is how many notes of a kind are written as text. JSON has all.
const mostNotes = 100

// WriteText writes the report for people.
func (r *Report) WriteText(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %s, brokers %s\n\n", r.Cluster, strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Brokers), " ", ", "), "[]"))
	fmt.Fprintf(&b, "partitions  %d: %d compared", r.Partitions, r.Compared)
	if r.Single > 0 {
		fmt.Fprintf(&b, ", %d without a second replica", r.Single)
	}
	if left := r.Partitions - r.Compared - r.Single; left > 0 {
		fmt.Fprintf(&b, ", %d not or not wholly", left)
	}
	fmt.Fprintf(&b, "\nread        %s; %d batches and %d records of compacted topics compared\n", size.Text(r.Bytes), r.Batches, r.RecordsCompared)
	if r.SkippedOffsets > 0 {
		fmt.Fprintf(&b, "skipped     %d offsets, which one of the replicas does not have any more\n", r.SkippedOffsets)
	}
	if len(r.CompactedTopics) > 0 {
		fmt.Fprintf(&b, "compacted   %s: the records that both replicas have, and the last value of each key\n", strings.Join(r.CompactedTopics, ", "))
	}
	if len(r.Differences) > 0 {
		fmt.Fprintf(&b, "\nDIFFERENT (%d)\n", len(r.Differences))
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "  %s-%d on brokers %d and %d: %d %s at offsets %d to %d\n    first at %s\n", d.Topic, d.Partition, d.Brokers[0], d.Brokers[1], d.Count, d.Of,
			d.FirstOffset, d.LastOffset, d.First)
	}
	writeNotes(&b, "not compared", r.NotCompared)
	writeNotes(&b, "for your information", r.Information)
	switch {
	case r.Interrupted:
		b.WriteString("\nInterrupted: the rest was not compared.\n")
	case r.ExitCode() == 0:
		b.WriteString("\nNo replica differs.\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// writeNotes writes notes under a heading.
func writeNotes(b *strings.Builder, heading string, notes []Note) {
	if len(notes) > 0 {
		fmt.Fprintf(b, "\n%s (%d)\n", heading, len(notes))
	}
	for i, n := range notes {
		if i == mostNotes {
			fmt.Fprintf(b, "  and %d more\n", len(notes)-i)
			return
		}
		on := ""
		if n.Broker >= 0 {
			on = fmt.Sprintf(" on broker %d", n.Broker)
		}
		fmt.Fprintf(b, "  %s-%d%s: %s\n", n.Topic, n.Partition, on, n.Text)
	}
}
