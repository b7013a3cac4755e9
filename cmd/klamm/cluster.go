package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"klamm/cmd/cli"
	"klamm/cmd/connect"
	"klamm/cmd/reassign"
	"klamm/cmd/reassign/plan"
)

// clusterCommand describes klamm cluster and what is below it.
func clusterCommand(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Say how a cluster is, spread what it has over its brokers, begin a cluster, and end one",
		Long: `info and health say how a cluster is.

The others move partitions in a cluster, of klamm or of Apache Kafka. The cluster is asked to move a few at a time, and
the command waits for them. Ctrl-C ends the command: what is under way goes on, nothing more begins, and the same
command goes on from there.

join makes a broker that ran alone the first one of a cluster, and leave lets the last broker of a cluster run alone.

The exit code is 0 if all is as asked for, 1 if something went wrong, 2 if the command line is wrong, and 130 after
an interruption.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("cluster has no command %q; there are info, health, rebalance, drain, reassign, cancel, join and leave", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.SetFlagErrorFunc(misused)
	cmd.AddCommand(rebalanceCommand(p), drainCommand(p), reassignCommand(p), cancelCommand(p), joinCommand(p), leaveCommand(p))
	cmd.AddCommand(cli.ClusterCommands(p.cli())...)
	return cmd
}

// clusterFlags are the flags that the commands have in common.
type clusterFlags struct {
	to       connect.Flags
	throttle rate
	exclude  []string
	dryRun   bool
	noRacks  bool
}

// add adds them to a command, which may plan moves.
func (f *clusterFlags) add(cmd *cobra.Command, plans bool) {
	f.to.Explicit = true // what moves a whole cluster does not guess which one
	f.to.Add(cmd.Flags())
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the plan and change nothing")
	if plans {
		f.throttle.add(cmd, "`bytes` per second that each broker may send, and receive, for moves (default: no bound)")
		cmd.Flags().BoolVar(&f.noRacks, "ignore-racks", false, "plan as if no broker had a broker.rack")
		cmd.Flags().StringArrayVar(&f.exclude, "exclude-topic", nil, "`topic` that stays as it is; may be repeated")
	}
}

// do runs a command on the cluster and gives its errors their exit codes.
func (f *clusterFlags) do(cmd *cobra.Command, p process, command func(context.Context, reassign.Options) error) error {
	cluster, err := f.to.Config()
	if err != nil {
		return misused(cmd, err)
	}
	err = command(cmd.Context(), reassign.Options{Cluster: cluster, DryRun: f.dryRun, Throttle: int64(f.throttle), Exclude: f.exclude, IgnoreRacks: f.noRacks, Out: p.report, Progress: p.stderr})
	switch {
	case errors.Is(err, reassign.ErrUse):
		return misused(cmd, err)
	case errors.Is(err, reassign.ErrInterrupted):
		return &codedError{interrupted, err}
	}
	return err
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misused(cmd, fmt.Errorf("unexpected argument %q", args[0]))
	}
	return nil
}

// rebalanceCommand describes klamm cluster rebalance.
func rebalanceCommand(p process) *cobra.Command {
	var f clusterFlags
	var names []string
	cmd := &cobra.Command{
		Use:   "rebalance --bootstrap-server host:port",
		Short: "Spread partitions evenly over the brokers that are alive",
		Long: `Spreads partitions evenly over the brokers that are alive, and copies as little as that takes. The goals, in the
order in which they count whatever the order of the flags:

  racks     the replicas of each partition are in as many racks as possible
  replicas  brokers have equally many replicas
  bytes     brokers have within 10 % of the average of the bytes, as far as the sizes of partitions allow
  leaders   brokers are equally often the preferred leader, and preferred leaders lead; this copies nothing

Whatever the goals, no partition's replicas are less spread over racks than before; where some brokers have a
broker.rack and some have none, the command refuses to move replicas without --ignore-racks. A partition with a replica
on a broker that is not alive or in a log directory that is offline, or one that is being reassigned already, stays as
it is.`,
		Example: `  klamm cluster rebalance --bootstrap-server broker-1:9092 --dry-run
  klamm cluster rebalance --bootstrap-server broker-1:9092,broker-2:9092 --throttle 50000000
  klamm cluster rebalance --bootstrap-server broker-1:9092 --goal leaders`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var goals []plan.Goal
			for _, name := range names {
				if !slices.Contains(plan.Goals, plan.Goal(name)) {
					return misused(cmd, fmt.Errorf("--goal %s: the goals are %v", name, plan.Goals))
				}
				goals = append(goals, plan.Goal(name))
			}
			if f.noRacks && slices.Contains(goals, plan.Racks) {
				return misused(cmd, errors.New("--goal racks and --ignore-racks exclude each other"))
			}
			return f.do(cmd, p, func(ctx context.Context, o reassign.Options) error { return reassign.Rebalance(ctx, o, goals) })
		},
	}
	f.add(cmd, true)
	cmd.Flags().StringArrayVar(&names, "goal", nil, "`goal`: racks, replicas, bytes or leaders; may be repeated (default: all)")
	return cmd
}

// drainCommand describes klamm cluster drain.
func drainCommand(p process) *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use:   "drain ID --bootstrap-server host:port",
		Short: "Move all replicas off a broker",
		Long: `Moves all replicas off a broker, which may be dead, to the others. Partitions that have none there do not move. Of
those that move, replicas on other dead brokers and in log directories that are offline move too, since a move does not
end before all replicas are in sync.
A partition of which nothing can be copied stays as it is: the command names it and ends with exit code 1. Topics that
are made later may have replicas on the broker again for as long as it runs.`,
		Example: `  klamm cluster drain 3 --bootstrap-server broker-1:9092 --throttle 50000000`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused(cmd, fmt.Errorf("drain takes the id of one broker, not %d arguments", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 32)
			if err != nil {
				return misused(cmd, fmt.Errorf("%q is not the id of a broker", args[0]))
			}
			return f.do(cmd, p, func(ctx context.Context, o reassign.Options) error { return reassign.Drain(ctx, o, int32(id)) })
		},
	}
	f.add(cmd, true)
	return cmd
}

// reassignCommand describes klamm cluster reassign.
func reassignCommand(p process) *cobra.Command {
	var f clusterFlags
	var factor int
	var topics []string
	cmd := &cobra.Command{
		Use:   "reassign --replication-factor N --bootstrap-server host:port",
		Short: "Change how many replicas partitions have",
		Long: `Gives the partitions of the topics, or of all topics, so many replicas. Replicas that stay do not move. What goes
first is on a dead broker or out of sync; the preferred leader stays otherwise. The command refuses fewer replicas
than a topic's min.insync.replicas. A partition that would keep a replica on a dead broker, or of which nothing can be
copied, stays as it is: the command names it and ends with exit code 1.`,
		Example: `  klamm cluster reassign --replication-factor 3 --topic orders --topic payments --bootstrap-server broker-1:9092`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("replication-factor") {
				return misused(cmd, errors.New("--replication-factor has to say how many replicas"))
			}
			if factor < 1 {
				return misused(cmd, fmt.Errorf("--replication-factor %d: a partition has at least one replica", factor))
			}
			return f.do(cmd, p, func(ctx context.Context, o reassign.Options) error { return reassign.Factor(ctx, o, factor, topics) })
		},
	}
	f.add(cmd, true)
	cmd.Flags().IntVar(&factor, "replication-factor", 0, "`number` of replicas of each partition")
	cmd.Flags().StringArrayVar(&topics, "topic", nil, "`topic` to change; may be repeated (default: all)")
	return cmd
}

// cancelCommand describes klamm cluster cancel.
func cancelCommand(p process) *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use:     "cancel --bootstrap-server host:port",
		Short:   "Cancel all reassignments under way",
		Long:    `Cancels all reassignments under way, whoever asked for them. Their partitions have the replicas again that they had before.`,
		Example: `  klamm cluster cancel --bootstrap-server broker-1:9092`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.do(cmd, p, reassign.Cancel) },
	}
	f.add(cmd, false)
	return cmd
}
