package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"klamm/broker"
	"klamm/cluster"
	"klamm/server/config"
)

// treeOptions are the flags of klamm cluster join and leave.
type treeOptions struct {
	config    config.Options
	zookeeper string
}

func (o *treeOptions) add(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return misused(cmd, fmt.Errorf("unexpected argument %q; --config names the configuration file", args[0]))
		}
		return nil
	}
	cmd.Flags().StringVarP(&o.config.File, "config", "c", "", "configuration `file` of the broker: .properties, .yaml or .toml")
	cmd.Flags().StringArrayVar(&o.config.Sets, "set", nil, "set one property, `name=value`; may be repeated")
	cmd.Flags().StringVar(&o.zookeeper, "zookeeper", "", "`hosts/chroot` of ZooKeeper in the place of zookeeper.connect")
}

// joinCommand describes klamm cluster join.
func joinCommand(p process) *cobra.Command {
	var o treeOptions
	cmd := &cobra.Command{
		Use:   "join --config server.properties --zookeeper hosts/chroot",
		Short: "Make a broker that ran alone the first one of a cluster",
		Long: `Copies what a broker that ran alone knows of its topics, configurations and so on to a ZooKeeper where no cluster is yet.
No record is copied: the log directories stay as they are, with groups, offsets and producer ids. Stop the broker
first, and run the command as its user, with its configuration. It prints what to set then.

The former tree is kept in the first log directory, as klamm-metadata.joined. If the command is interrupted, run it again.

The exit code is 2 if nothing was changed, since the command line is wrong, the broker runs, the ZooKeeper is not
empty, or the like. It is 1 if something else went wrong, and 130 after an interruption.`,
		Example: `  klamm cluster join --config server.properties --zookeeper zk-1:2181,zk-2:2181/kafka`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.move(cmd, o, broker.Join, func(out io.Writer, cfg *config.Broker, done *broker.Copied) {
				if done.Already {
					fmt.Fprintf(out, "The tree is in ZooKeeper already.\n")
				} else {
					fmt.Fprintf(out, "%d nodes are copied to ZooKeeper, with %d topics and %d partitions.\n", done.Nodes, done.Topics, done.Partitions)
				}
				fmt.Fprintf(out, "The former tree is kept as %s.\n\nSet in %s, and start the broker:\n\n    zookeeper.connect=%s\n", done.File, o.file(), cfg.ZooKeeper())
			})
		},
	}
	o.add(cmd)
	return cmd
}

// leaveCommand describes klamm cluster leave.
func leaveCommand(p process) *cobra.Command {
	var o treeOptions
	cmd := &cobra.Command{
		Use:   "leave --config server.properties",
		Short: "Let the last broker of a cluster run alone",
		Long: `Copies what ZooKeeper has of a cluster into the first log directory of its last broker, which runs alone then. No record is
copied. All replicas have to be on this broker: klamm cluster drain takes them off the others. Stop all brokers first,
and run the command as this broker's user, with its configuration. It prints what to set then.

ZooKeeper stays as it is, as a backup. If the command is interrupted, run it again.

The exit code is 2 if nothing was changed, since the command line is wrong, a broker runs, other brokers have replicas,
or the like. It is 1 if something else went wrong, and 130 after an interruption.`,
		Example: `  klamm cluster leave --config server.properties`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.move(cmd, o, broker.Leave, func(out io.Writer, cfg *config.Broker, done *broker.Copied) {
				fmt.Fprintf(out, "%d nodes are copied to %s, with %d topics and %d partitions.\n", done.Nodes, done.File, done.Topics, done.Partitions)
				if len(done.Other) > 0 {
					fmt.Fprintf(out, "Not copied, since it is not Kafka's: %s\n", strings.Join(done.Other, ", "))
				}
				fmt.Fprintf(out, "ZooKeeper stays as it is: start no broker on %s any more.\n\nRemove from %s, and start the broker:\n\n    zookeeper.connect\n", cfg.ZooKeeper(), o.file())
				if v := cfg.Values(); v.Int("min.insync.replicas") > 1 || v.Int("default.replication.factor") > 1 {
					fmt.Fprint(out, "\nSet, since there is one replica of each partition:\n\n    min.insync.replicas=1\n    default.replication.factor=1\n")
				}
			})
		},
	}
	o.add(cmd)
	return cmd
}

// file names where the properties are to be set.
func (o *treeOptions) file() string {
	if o.config.File == "" {
		return "the configuration"
	}
	return o.config.File
}

// move copies a tree and says what it did.
func (p process) move(cmd *cobra.Command, o treeOptions, move func(context.Context, *config.Broker) (*broker.Copied, error), tell func(io.Writer, *config.Broker, *broker.Copied)) error {
	if o.config.File == "" {
		return misused(cmd, errors.New("--config has to name the configuration file of the broker"))
	}
	o.config.Env = brokerEnv()
	if o.zookeeper != "" {
		o.config.Sets = append(o.config.Sets, "zookeeper.connect="+o.zookeeper)
	}
	cfg, _, err := config.Load(o.config)
	if err != nil {
		return misused(cmd, err)
	}
	if cfg.ZooKeeper() == nil {
		return misused(cmd, errors.New("there is no zookeeper.connect: --zookeeper has to name the servers, and the chroot if there is one (a configuration with process.roles has to lose that)"))
	}
	done, err := move(cmd.Context(), cfg)
	switch {
	case errors.Is(err, cluster.ErrNotCopied):
		return misused(cmd, err)
	case err != nil && cmd.Context().Err() != nil:
		return &codedError{interrupted, fmt.Errorf("interrupted, the same command goes on from there: %w", err)}
	case err != nil:
		return err
	}
	var text strings.Builder
	tell(&text, cfg, done)
	if _, err := io.WriteString(p.report, text.String()); err != nil {
		return fmt.Errorf("everything is copied, but the report cannot be written: %w", err)
	}
	return nil
}
