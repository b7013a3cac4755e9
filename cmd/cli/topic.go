package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func topicCommand(p Process) *cobra.Command {
	return Parent("topic", "List, describe, create, change, delete and trim topics",
		topicListCommand(p), topicDescribeCommand(p), topicCreateCommand(p), topicAlterCommand(p), topicDeleteCommand(p), topicAddPartitionsCommand(p), topicTrimCommand(p))
}

// topicEntry is a topic in the list.
type topicEntry struct {
	Name       string `json:"name"`
	ID         string `json:"id"`
	Internal   bool   `json:"internal"`
	Partitions int    `json:"partitions"`
	Replicas   int    `json:"replicas"` // of its first partition
}

func topicID(id kadm.TopicID) string {
	if id == (kadm.TopicID{}) {
		return "" // a broker before 2.8
	}
	return base64.RawURLEncoding.EncodeToString(id[:]) // as Kafka's tools write it
}

func entryOf(t kadm.TopicDetail) topicEntry {
	return topicEntry{t.Topic, topicID(t.ID), t.IsInternal, len(t.Partitions), len(t.Partitions[0].Replicas)}
}

func topicListCommand(p Process) *cobra.Command {
	var a ask
	var internal bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the topics of a cluster",
		Example: "  klamm topic list\n  klamm topic list --internal -o json",
		Args:    arguments("", 0, 0),
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "list the topics that Kafka makes for itself too")
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		meta, err := s.topics(ctx)
		if err != nil {
			return err
		}
		entries := []topicEntry{}
		t := table{head: []string{"NAME", "PARTITIONS", "REPLICAS"}}
		for _, topic := range meta.Topics.Sorted() {
			if topic.IsInternal && !internal {
				continue
			}
			e := entryOf(topic)
			entries = append(entries, e)
			t.row(e.Name, e.Partitions, e.Replicas)
		}
		return s.show(entries, t.write)
	})
	return cmd
}

// topicDescription is a topic with what there is to know of it.
type topicDescription struct {
	topicEntry
	PartitionList []partitionDescription `json:"partitionList"`
	Configs       []configEntry          `json:"configs"` // those that are not defaults
}

type partitionDescription struct {
	Partition   int32   `json:"partition"`
	Leader      *int32  `json:"leader"` // null for none
	LeaderEpoch int32   `json:"leaderEpoch"`
	Replicas    []int32 `json:"replicas"`
	InSync      []int32 `json:"isr"`
	Offline     []int32 `json:"offlineReplicas"`
	Start       *int64  `json:"startOffset"` // null where no broker says it
	End         *int64  `json:"endOffset"`
}

func topicDescribeCommand(p Process) *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:   "describe NAME...",
		Short: "Show a topic's partitions, offsets and configuration",
		Long: `Shows topics with their partitions: who leads, who has a replica, who is in sync, and where the log starts and ends. Of the
configuration it shows what is not a default; klamm config list topic NAME --all shows all.`,
		Example:           "  klamm topic describe orders\n  klamm topic describe orders payments -o yaml",
		Args:              arguments("the name of a topic", 1, -1),
		ValidArgsFunction: a.complete(-1, topicNames),
	}
	a.check = checkTopics
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		all, err := s.describeTopics(ctx, args)
		if err != nil {
			return err
		}
		return s.show(all, func(out io.Writer) error { return writeTopics(out, all) })
	})
	return cmd
}

func (s *session) describeTopics(ctx context.Context, names []string) ([]topicDescription, error) {
	meta, err := s.topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	// A partition without a leader has no offsets to tell: its error is no error of the command.
	led := ledPartitions(meta.Topics)
	var b bounds
	b.starts, _ = s.listOffsets(ctx, atStart, led)
	b.ends, _ = s.listOffsets(ctx, atEnd, led)
	configs, err := s.configs(ctx, kmsg.ConfigResourceTypeTopic, names...)
	if err != nil {
		return nil, err
	}
	var all []topicDescription
	for _, name := range names {
		t := meta.Topics[name]
		d := topicDescription{topicEntry: entryOf(t), Configs: slices.DeleteFunc(configs[name], configEntry.isDefault)}
		for _, p := range t.Partitions.Sorted() {
			d.PartitionList = append(d.PartitionList, describePartition(p, b))
		}
		all = append(all, d)
	}
	return all, nil
}

func describePartition(p kadm.PartitionDetail, b bounds) partitionDescription {
	d := partitionDescription{Partition: p.Partition, LeaderEpoch: p.LeaderEpoch, Replicas: ids(p.Replicas), InSync: ids(p.ISR), Offline: ids(p.OfflineReplicas)}
	if p.Leader >= 0 {
		d.Leader = &p.Leader
	}
	if o, ok := b.starts[tp{p.Topic, p.Partition}]; ok {
		d.Start = &o
	}
	if o, ok := b.ends[tp{p.Topic, p.Partition}]; ok {
		d.End = &o
	}
	return d
}

// ids makes a list that is empty in JSON, not null.
func ids(list []int32) []int32 { return append([]int32{}, list...) }

func writeTopics(out io.Writer, all []topicDescription) error {
	for i, d := range all {
		head := table{}
		head.row("topic", d.Name)
		head.row("id", dash(d.ID))
		head.row("partitions", d.Partitions)
		head.row("replicas", d.Replicas)
		if d.Internal {
			head.row("internal", "yes")
		}
		parts := table{head: []string{"PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "OFFLINE", "START", "END"}}
		for _, p := range d.PartitionList {
			parts.row(p.Partition, number(p.Leader), p.LeaderEpoch, p.Replicas, p.InSync, p.Offline, number(p.Start), number(p.End))
		}
		pieces := []table{head, parts}
		if len(d.Configs) > 0 {
			pieces = append(pieces, configTable(d.Configs))
		}
		if err := writePieces(out, i > 0, pieces); err != nil {
			return err
		}
	}
	return nil
}

// writePieces writes tables with an empty line between them, and before the first one where that is said.
func writePieces(out io.Writer, apart bool, pieces []table) error {
	for _, t := range pieces {
		if apart {
			if _, err := io.WriteString(out, "\n"); err != nil {
				return err
			}
		}
		if err := t.write(out); err != nil {
			return err
		}
		apart = true
	}
	return nil
}

// number writes a number that may be missing.
func number[N int32 | int64](n *N) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// each gives the outcomes of requests about several topics or the like, in their order: a line for what is done, and an error for what is not.
func each[R any](out io.Writer, all map[string]R, done func(name string, r R) (string, error)) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		line, err := done(name, all[name])
		if err == nil && line != "" {
			_, err = fmt.Fprintln(out, line)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
