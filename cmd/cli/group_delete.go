package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// deletion is what the deletion of a group, or of offsets, takes away.
type deletion struct {
	Group   string        `json:"group"`
	State   string        `json:"state"`
	Offsets []groupOffset `json:"offsets"`
}

func groupDeleteCommand(p Process) *cobra.Command {
	var a ask
	var execute bool
	cmd := &cobra.Command{
		Use:   "delete GROUP... [--execute]",
		Short: "Delete groups with their offsets",
		Long: `Deletes groups with all their offsets. Without --execute it shows what would go, and changes nothing. A group that has members is not deleted, nor is
any other then.`,
		Example:           "  klamm group delete billing\n  klamm group delete billing --execute",
		Args:              arguments("the name of a group", 1, -1),
		ValidArgsFunction: a.complete(-1, groupNames),
	}
	cmd.Flags().BoolVar(&execute, "execute", false, "do it; without this the command shows what it would do")
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		plan := []deletion{}
		for _, name := range args {
			d, err := s.describeGroup(ctx, name)
			if err == nil {
				err = d.idle("delete it")
			}
			if err != nil {
				return err
			}
			plan = append(plan, deletion{d.Group, d.State, d.Offsets})
		}
		if execute {
			if err := s.deleteGroups(ctx, args); err != nil {
				return err
			}
		}
		return s.show(plan, func(out io.Writer) error { return writeDeletion(out, plan, execute) })
	})
	return cmd
}

func (s *session) deleteGroups(ctx context.Context, names []string) error {
	answers, err := s.Admin.DeleteGroups(ctx, names...)
	if err != nil {
		return fmt.Errorf("deleting groups: %w", err)
	}
	var errs []error
	for _, name := range sortedKeys(answers) {
		errs = append(errs, refused("deleting group "+name, answers[name].Err, answers[name].ErrMessage))
	}
	return errors.Join(errs...)
}

func writeDeletion(out io.Writer, plan []deletion, done bool) error {
	t := table{head: []string{"GROUP", "TOPIC", "PARTITION", "OFFSET"}}
	for _, d := range plan {
		for _, o := range d.Offsets {
			t.row(d.Group, o.Topic, o.Partition, number(o.Offset))
		}
		if len(d.Offsets) == 0 {
			t.row(d.Group, "-", "-", "-")
		}
	}
	if err := t.write(out); err != nil {
		return err
	}
	last := "\nNothing is changed: --execute deletes it."
	if done {
		last = "\nDeleted."
	}
	_, err := fmt.Fprintln(out, last)
	return err
}

func groupDeleteOffsetsCommand(p Process) *cobra.Command {
	var a ask
	var topics []string
	var execute bool
	var of targets
	cmd := &cobra.Command{
		Use:   "delete-offsets GROUP --topic TOPIC[:0,1,...] [--execute]",
		Short: "Delete the offsets of a group in some topics",
		Long: `Deletes the offsets that a group has in some topics, which it does not read any more. Without --execute it shows what would go, and changes nothing. No
member of the group may read the topics.`,
		Example:           "  klamm group delete-offsets billing --topic old-orders --execute",
		Args:              arguments("the name of a group", 1, 1),
		ValidArgsFunction: a.complete(1, groupNames),
	}
	cmd.Flags().StringArrayVarP(&topics, "topic", "t", nil, "`topic` whose offsets go, or topic:0,1,2 for some partitions; may be repeated")
	cmd.Flags().BoolVar(&execute, "execute", false, "do it; without this the command shows what it would do")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.complete(-1, topicNames))
	a.check = func([]string) (err error) {
		if len(topics) == 0 {
			return misuse("--topic has to say in which topics")
		}
		of, err = parseTargets("--topic", topics)
		return err
	}
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		d, err := s.describeGroup(ctx, args[0])
		if err == nil {
			err = d.idle("delete its offsets", sortedKeys(of)...)
		}
		if err != nil {
			return err
		}
		gone := slices.DeleteFunc(d.Offsets, func(o groupOffset) bool { return o.Offset == nil || !of.have(tp{o.Topic, o.Partition}) })
		if len(gone) == 0 {
			return fmt.Errorf("group %s has no offsets there; klamm group describe %s shows those that it has", d.Group, d.Group)
		}
		if execute {
			if err := s.deleteOffsets(ctx, args[0], gone); err != nil {
				return err
			}
		}
		plan := []deletion{{d.Group, d.State, gone}}
		return s.show(plan, func(out io.Writer) error { return writeDeletion(out, plan, execute) })
	})
	return cmd
}

func (s *session) deleteOffsets(ctx context.Context, group string, gone []groupOffset) error {
	var set kadm.TopicsSet
	for _, o := range gone {
		set.Add(o.Topic, o.Partition)
	}
	answers, err := s.Admin.DeleteOffsets(ctx, group, set)
	if err != nil {
		return refused("deleting offsets of group "+group, err, "")
	}
	var errs []error
	for topic, parts := range answers {
		for p, err := range parts {
			errs = append(errs, refused(fmt.Sprintf("deleting the offset of group %s in %s", group, tp{topic, p}), err, ""))
		}
	}
	return errors.Join(errs...)
}
