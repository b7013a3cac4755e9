package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func topicCreateCommand(p Process) *cobra.Command {
	var a ask
	var partitions int32
	var replicas int16
	var sets []string
	var dryRun, ifMissing bool
	cmd := &cobra.Command{
		Use:     "create NAME...",
		Short:   "Create topics",
		Example: "  klamm topic create orders\n  klamm topic create orders payments --partitions 12 --replication-factor 3 --config retention.ms=86400000",
		Args:    arguments("the name of a topic", 1, -1),
	}
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", -1, "`number` of partitions (default: the broker's num.partitions)")
	cmd.Flags().Int16VarP(&replicas, "replication-factor", "r", -1, "`number` of replicas of each partition (default: the broker's default.replication.factor)")
	cmd.Flags().StringArrayVarP(&sets, "config", "c", nil, "set one property of the topics, `name=value`; may be repeated")
	cmd.Flags().BoolVar(&ifMissing, "if-not-exists", false, "pass over topics that exist, whatever they look like")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "have the broker check it, and create nothing")
	noDefault(cmd, "partitions", "replication-factor")
	var configs map[string]*string
	a.check = func(args []string) (err error) {
		for flag, n := range map[string]int{"partitions": int(partitions), "replication-factor": int(replicas)} {
			if cmd.Flags().Changed(flag) && n < 1 {
				return misuse("--%s %d: there is at least one", flag, n)
			}
		}
		if configs, err = settings("--config", sets); err != nil {
			return err
		}
		return checkTopics(args)
	}
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		create, done := s.Admin.CreateTopics, "created topic %s with %d partitions and %d replicas"
		if dryRun {
			create, done = s.Admin.ValidateCreateTopics, "would create topic %s with %d partitions and %d replicas"
		}
		answers, err := create(ctx, partitions, replicas, configs, args...)
		if err != nil {
			return fmt.Errorf("creating topics: %w", err)
		}
		entries := []topicEntry{}
		err = each(s.lines(), answers, func(name string, r kadm.CreateTopicResponse) (string, error) {
			if ifMissing && errors.Is(r.Err, kerr.TopicAlreadyExists) {
				return fmt.Sprintf("topic %s exists already", name), nil
			}
			if r.Err != nil {
				return "", refused("creating topic "+name, r.Err, r.ErrMessage)
			}
			entries = append(entries, topicEntry{name, topicID(r.ID), false, int(r.NumPartitions), int(r.ReplicationFactor)})
			return fmt.Sprintf(done, name, r.NumPartitions, r.ReplicationFactor), nil
		})
		return s.values(entries, err)
	})
	return cmd
}

// noDefault takes the default of flags out of their help, which says in words what it is.
func noDefault(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		cmd.Flags().Lookup(name).DefValue = "0"
	}
}

func topicAlterCommand(p Process) *cobra.Command {
	var a ask
	var sets, unsets []string
	var dryRun bool
	cmd := &cobra.Command{
		Use:               "alter NAME... [--set name=value] [--unset name]",
		Short:             "Change the configuration of topics",
		Long:              `Sets properties of topics, and takes settings away, so that the cluster's default is in force again. klamm config does the same for other resources.`,
		Example:           "  klamm topic alter orders --set retention.ms=86400000 --unset cleanup.policy",
		Args:              arguments("the name of a topic", 1, -1),
		ValidArgsFunction: a.complete(-1, topicNames),
	}
	cmd.Flags().StringArrayVar(&sets, "set", nil, "set one property, `name=value`; may be repeated")
	cmd.Flags().StringArrayVar(&unsets, "unset", nil, "take the setting of one property away, `name`; may be repeated")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "have the broker check it, and change nothing")
	var req *kmsg.IncrementalAlterConfigsRequest
	a.check = func(args []string) (err error) {
		if len(sets)+len(unsets) == 0 {
			return misuse("--set name=value or --unset name has to say what to change")
		}
		if err = checkTopics(args); err == nil {
			req, err = change{kind: kmsg.ConfigResourceTypeTopic, names: args, sets: sets, unsets: unsets, dryRun: dryRun}.request()
		}
		return err
	}
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		return s.alter(ctx, req)
	})
	return cmd
}

func topicDeleteCommand(p Process) *cobra.Command {
	var a ask
	var ifExists bool
	cmd := &cobra.Command{
		Use:               "delete NAME...",
		Short:             "Delete topics with all their records",
		Example:           "  klamm topic delete orders",
		Args:              arguments("the name of a topic", 1, -1),
		ValidArgsFunction: a.complete(-1, topicNames),
	}
	cmd.Flags().BoolVar(&ifExists, "if-exists", false, "pass over topics that do not exist")
	a.check = checkTopics
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		answers, err := s.Admin.DeleteTopics(ctx, args...)
		if err != nil {
			return fmt.Errorf("deleting topics: %w", err)
		}
		deleted := []string{}
		err = each(s.lines(), answers, func(name string, r kadm.DeleteTopicResponse) (string, error) {
			switch {
			case ifExists && errors.Is(r.Err, kerr.UnknownTopicOrPartition):
				return fmt.Sprintf("there is no topic %s", name), nil
			case errors.Is(r.Err, kerr.UnknownTopicOrPartition):
				return "", fmt.Errorf("there is no topic %s; klamm topic list has their names", name)
			case r.Err != nil:
				return "", refused("deleting topic "+name, r.Err, r.ErrMessage)
			}
			deleted = append(deleted, name)
			return "deleted topic " + name, nil
		})
		return s.values(deleted, err)
	})
	return cmd
}

func topicAddPartitionsCommand(p Process) *cobra.Command {
	var a ask
	var add, total int
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "add-partitions NAME... (--add N | --total N)",
		Short: "Give topics more partitions",
		Long: `Gives topics more partitions. There is no way back, and records with a key may come to another partition from then on
than those with the same key before.`,
		Example:           "  klamm topic add-partitions orders --total 12",
		Args:              arguments("the name of a topic", 1, -1),
		ValidArgsFunction: a.complete(-1, topicNames),
	}
	cmd.Flags().IntVar(&add, "add", 0, "so `many` more than now")
	cmd.Flags().IntVar(&total, "total", 0, "so `many` in all")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "have the broker check it, and change nothing")
	a.check = func(args []string) error {
		if (add == 0) == (total == 0) || add < 0 || total < 0 {
			return misuse("--add N or --total N has to say how many, a number above 0")
		}
		return checkTopics(args)
	}
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		if _, err := s.topics(ctx, args...); err != nil {
			return err
		}
		answers, err := s.addPartitions(ctx, add, total, dryRun, args)
		if err != nil {
			return fmt.Errorf("adding partitions: %w", err)
		}
		done := "topic %s has more partitions: klamm topic describe %s"
		if dryRun {
			done = "topic %s would get more partitions: klamm topic describe %s shows those of now"
		}
		changed := []string{}
		err = each(s.lines(), answers, func(name string, r kadm.CreatePartitionsResponse) (string, error) {
			if r.Err != nil {
				return "", refused("adding partitions to topic "+name, r.Err, r.ErrMessage)
			}
			changed = append(changed, name)
			return fmt.Sprintf(done, name, name), nil
		})
		return s.values(changed, err)
	})
	return cmd
}

func (s *session) addPartitions(ctx context.Context, add, total int, dryRun bool, names []string) (kadm.CreatePartitionsResponses, error) {
	switch {
	case add > 0 && dryRun:
		return s.Admin.ValidateCreatePartitions(ctx, add, names...)
	case add > 0:
		return s.Admin.CreatePartitions(ctx, add, names...)
	case dryRun:
		return s.Admin.ValidateUpdatePartitions(ctx, total, names...)
	}
	return s.Admin.UpdatePartitions(ctx, total, names...)
}
