package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/broker/migrate/size"
)

// logDir is a log directory of a broker.
type logDir struct {
	Broker   int32        `json:"broker"`
	Path     string       `json:"path"`
	Error    string       `json:"error,omitempty"`
	Replicas int          `json:"replicas"`
	Bytes    int64        `json:"bytes"`       // of the logs
	Total    *int64       `json:"totalBytes"`  // of the file system; null where the broker does not say
	Usable   *int64       `json:"usableBytes"` // that the broker may still write
	Logs     []replicaLog `json:"logs,omitempty"`
}

// replicaLog is one log in a directory.
type replicaLog struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Bytes     int64  `json:"bytes"`
	Lag       int64  `json:"lag"`    // records that it is behind
	Future    bool   `json:"future"` // it is a copy on its way from another directory
}

func logdirsCommand(p Process) *cobra.Command {
	var a ask
	var brokers []int32
	var topics []string
	var logs bool
	cmd := &cobra.Command{
		Use:     "logdirs",
		Short:   "Show the log directories of brokers and what is in them",
		Example: "  klamm logdirs\n  klamm logdirs --broker 1,2 --topic orders --logs",
		Args:    arguments("", 0, 0),
	}
	cmd.Flags().Int32SliceVar(&brokers, "broker", nil, "ask these brokers alone: `ids`, separated by commas")
	cmd.Flags().StringArrayVar(&topics, "topic", nil, "count this `topic` alone; may be repeated")
	cmd.Flags().BoolVar(&logs, "logs", false, "list each log")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.complete(-1, topicNames))
	_ = cmd.RegisterFlagCompletionFunc("broker", a.complete(-1, brokerIDs))
	a.check = func([]string) error { return checkTopics(topics) }
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		dirs, err := s.logDirs(ctx, brokers, topics)
		if !logs {
			for i := range dirs {
				dirs[i].Logs = nil
			}
		}
		show := s.show(dirs, func(out io.Writer) error {
			t := logDirTable(dirs)
			if logs {
				t = replicaLogTable(dirs)
			}
			return t.write(out)
		})
		for _, d := range dirs {
			if d.Error != "" {
				err = errors.Join(err, fmt.Errorf("broker %d: %s: %s", d.Broker, d.Path, d.Error))
			}
		}
		return errors.Join(show, err)
	})
	return cmd
}

// logDirs asks brokers, all where none is named, for their directories. What the others say is given with an error about one that does not answer.
func (s *session) logDirs(ctx context.Context, brokers []int32, topics []string) ([]logDir, error) {
	if err := s.known(ctx, brokers); err != nil {
		return nil, err
	}
	var set kadm.TopicsSet
	if len(topics) > 0 {
		meta, err := s.topics(ctx, topics...)
		if err != nil {
			return nil, err
		}
		meta.Topics.EachPartition(func(p kadm.PartitionDetail) { set.Add(p.Topic, p.Partition) })
	}
	answers, err := s.Admin.DescribeAllLogDirs(ctx, set)
	if err != nil {
		err = fmt.Errorf("asking for the log directories: %w", err)
	}
	dirs := []logDir{}
	answers.Each(func(d kadm.DescribedLogDir) {
		if len(brokers) == 0 || slices.Contains(brokers, d.Broker) {
			dirs = append(dirs, dirOf(d))
		}
	})
	return dirs, err
}

// known gives an error for brokers that are not alive.
func (s *session) known(ctx context.Context, brokers []int32) error {
	if len(brokers) == 0 {
		return nil
	}
	all, err := s.Admin.ListBrokers(ctx)
	if err != nil {
		return fmt.Errorf("asking for the brokers: %w", err)
	}
	for _, id := range brokers {
		if !slices.Contains(all.NodeIDs(), id) {
			return fmt.Errorf("no broker %d is alive; the brokers %s are", id, cell(all.NodeIDs()))
		}
	}
	return nil
}

func dirOf(d kadm.DescribedLogDir) logDir {
	dir := logDir{Broker: d.Broker, Path: d.Dir, Error: refusal(d.Err, "")}
	if d.TotalBytes >= 0 && d.Err == nil {
		dir.Total, dir.Usable = &d.TotalBytes, &d.UsableBytes
	}
	for _, p := range d.Topics.Sorted() {
		dir.Replicas++
		dir.Bytes += p.Size
		dir.Logs = append(dir.Logs, replicaLog{p.Topic, p.Partition, p.Size, p.OffsetLag, p.IsFuture})
	}
	return dir
}

func logDirTable(dirs []logDir) table {
	t := table{head: []string{"BROKER", "DIRECTORY", "REPLICAS", "LOGS", "FREE", "SIZE", "STATE"}}
	for _, d := range dirs {
		state := "ok"
		if d.Error != "" {
			state = d.Error
		}
		t.row(d.Broker, d.Path, d.Replicas, size.Text(d.Bytes), sizeOf(d.Usable), sizeOf(d.Total), state)
	}
	return t
}

func sizeOf(n *int64) string {
	if n == nil {
		return "-"
	}
	return size.Text(*n)
}

func replicaLogTable(dirs []logDir) table {
	t := table{head: []string{"BROKER", "DIRECTORY", "TOPIC", "PARTITION", "BYTES", "LAG", "FUTURE"}}
	for _, d := range dirs {
		for _, l := range d.Logs {
			t.row(d.Broker, d.Path, l.Topic, l.Partition, l.Bytes, l.Lag, yes(l.Future))
		}
	}
	return t
}
