package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

// trimmed is what a trim does to one partition.
type trimmed struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Start     int64  `json:"startOffset"`
	End       int64  `json:"endOffset"`
	NewStart  int64  `json:"newStartOffset"`
}

func topicTrimCommand(p Process) *cobra.Command {
	var a ask
	var before string
	var partitions []int32
	var execute bool
	cmd := &cobra.Command{
		Use:   "trim NAME --before POSITION [--execute]",
		Short: "Delete the oldest records of a topic",
		Long: `Deletes the records of a topic that come before a position. Without --execute it shows what would go, and changes nothing.

A position is ` + positions + `.`,
		Example: `  klamm topic trim orders --before 7d
  klamm topic trim orders --before 1200 --partition 3 --execute
  klamm topic trim orders --before end --execute`,
		Args:              arguments("the name of a topic", 1, 1),
		ValidArgsFunction: a.complete(1, topicNames),
	}
	cmd.Flags().StringVar(&before, "before", "", "`position` of the first record that stays")
	cmd.Flags().Int32SliceVar(&partitions, "partition", nil, "trim these partitions alone: `numbers`, separated by commas")
	cmd.Flags().BoolVar(&execute, "execute", false, "do it; without this the command shows what it would do")
	var pos position
	a.check = func(args []string) (err error) {
		if before == "" {
			return misuse("--before has to say which record is the first that stays")
		}
		if pos, err = parsePosition(before, time.Now()); err != nil {
			return misuse("--before: %w", err)
		}
		return checkTopics(args)
	}
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		plan, err := s.planTrim(ctx, args[0], partitions, pos)
		if err == nil && execute {
			err = s.trim(ctx, plan)
		}
		if err != nil {
			return err
		}
		return s.show(plan, func(out io.Writer) error { return writeTrim(out, plan, execute) })
	})
	return cmd
}

// only gives those of the partitions that are asked for, or all where none is. One that does not exist is an error.
func only(all []tp, topic string, wanted []int32) ([]tp, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	var some []tp
	for _, p := range wanted {
		if !slices.Contains(all, tp{topic, p}) {
			return nil, fmt.Errorf("topic %s has no partition %d with a leader", topic, p)
		}
		some = append(some, tp{topic, p})
	}
	return some, nil
}

func (s *session) planTrim(ctx context.Context, topic string, partitions []int32, pos position) ([]trimmed, error) {
	meta, err := s.topics(ctx, topic)
	if err != nil {
		return nil, err
	}
	led := ledPartitions(meta.Topics)
	if len(partitions) == 0 && len(led) < len(meta.Topics[topic].Partitions) {
		return nil, fmt.Errorf("topic %s has partitions without a leader, which cannot be trimmed; --partition names those that can", topic)
	}
	if led, err = only(led, topic, partitions); err != nil {
		return nil, err
	}
	b, err := s.bounds(ctx, led)
	if err != nil {
		return nil, err
	}
	to, err := s.resolve(ctx, pos, b)
	if err != nil {
		return nil, err
	}
	var plan []trimmed
	for _, at := range sortedTPs(to) {
		t := trimmed{at.topic, at.partition, b.starts[at], b.ends[at], max(to[at], b.starts[at])}
		if t.NewStart > t.End {
			return nil, fmt.Errorf("%s ends at offset %d, before %d; --before end deletes all its records", at, t.End, t.NewStart)
		}
		plan = append(plan, t)
	}
	return plan, nil
}

func (s *session) trim(ctx context.Context, plan []trimmed) error {
	var to kadm.Offsets
	for _, t := range plan {
		if t.NewStart > t.Start {
			to.Add(kadm.Offset{Topic: t.Topic, Partition: t.Partition, At: t.NewStart})
		}
	}
	answers, err := s.Admin.DeleteRecords(ctx, to)
	if err != nil {
		return fmt.Errorf("deleting records: %w", err)
	}
	var errs []error
	for _, r := range answers.Sorted() {
		errs = append(errs, refused(fmt.Sprintf("deleting records of %s", tp{r.Topic, r.Partition}), r.Err, ""))
	}
	return errors.Join(errs...)
}

func writeTrim(out io.Writer, plan []trimmed, done bool) error {
	t := table{head: []string{"PARTITION", "START", "END", "NEW START", "RECORDS TO DELETE"}}
	if done {
		t.head[4] = "RECORDS DELETED"
	}
	for _, p := range plan {
		t.row(p.Partition, p.Start, p.End, p.NewStart, p.NewStart-p.Start)
	}
	if err := t.write(out); err != nil || done {
		return err
	}
	_, err := fmt.Fprintln(out, "\nNothing is changed: --execute does it. The counts are of offsets, of which compaction may have taken some already.")
	return err
}
