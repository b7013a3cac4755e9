package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/cli/records"
)

// consumeFlags are the flags of klamm consume.
type consumeFlags struct {
	format, from, until, group string
	partitions                 []int32
	count                      int
	follow, committed, raw     bool

	fromAt, untilAt position // of from and until
	write           records.Writer
	changed         func(flag string) bool
}

func consumeCommand(p Process) *cobra.Command {
	var a ask
	var f consumeFlags
	cmd := &cobra.Command{
		Use:   "consume TOPIC...",
		Short: "Print the records of topics",
		Long: `Prints the records of topics, from their start to where they end when the command begins, or with --follow for ever. By default it prints the value of each
record on a line. On a terminal control characters are escaped; into a file or a pipe the bytes go as they are.

` + records.Help + `

A position for --from and --until is ` + positions + `.
--until is where it stops: the first record that is not printed.

With --group the command is a member of a consumer group: it begins where the group is, and the group's offsets move on when the records are printed. --from,
start or end, then says where a group begins that has no offsets yet.

Of a properties file or a profile, isolation.level counts where --read-committed is not given.

Ctrl-C ends it, with exit code 0 after --follow, which has no other end, and 130 otherwise.`,
		Example: `  klamm consume orders
  klamm consume orders --from -10 --follow -f '%d{go#15:04:05#} %k %v\n'
  klamm consume orders --from 1h --until 30m -f json
  klamm consume orders --partition 3 --from 1200 -n 1`,
		Args:              arguments("the name of a topic", 1, -1),
		ValidArgsFunction: a.complete(-1, topicNames),
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.format, "format", "f", `%v\n`, "`format` of the output: json, or a template")
	flags.StringVar(&f.from, "from", "start", "`position` of the first record of each partition")
	flags.StringVar(&f.until, "until", "end", "`position` of the first record that is not printed any more")
	flags.Int32SliceVarP(&f.partitions, "partition", "p", nil, "read these partitions alone: `numbers`, separated by commas")
	flags.IntVarP(&f.count, "count", "n", 0, "stop after so `many` records")
	flags.BoolVar(&f.follow, "follow", false, "go on with what is written from now on")
	flags.StringVarP(&f.group, "group", "g", "", "consumer `group` to be a member of")
	flags.BoolVar(&f.committed, "read-committed", false, "leave out what transactions have not committed")
	flags.BoolVar(&f.raw, "raw", false, "print bytes as they are on a terminal, too")
	noDefault(cmd, "count")
	f.changed = flags.Changed
	_ = cmd.RegisterFlagCompletionFunc("group", a.complete(-1, groupNames))
	a.noFormat = true
	a.check = f.check
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error { return s.consume(ctx, f, args) })
	return cmd
}

// check refuses flags that do not go together.
func (f *consumeFlags) check(args []string) (err error) {
	now := time.Now()
	if f.fromAt, err = parsePosition(f.from, now); err != nil {
		return misuse("--from: %w", err)
	}
	if f.untilAt, err = parsePosition(f.until, now); err != nil {
		return misuse("--until: %w", err)
	}
	if f.write, err = records.NewWriter(f.format); err != nil {
		return misuse("--format: %w", err)
	}
	switch {
	case f.changed("count") && f.count < 1:
		return misuse("--count %d: it is at least 1", f.count)
	case f.follow && f.changed("until"):
		return misuse("--follow goes on for ever, and excludes --until")
	case f.fromAt.kind == end && !f.follow && f.group == "":
		return misuse("--from end: there is nothing to print without --follow")
	case len(f.partitions) > 0 && len(args) > 1:
		return misuse("--partition is about one topic, not %d", len(args))
	case f.changed("group") && f.group == "":
		return misuse("--group: the name is empty")
	case f.group != "" && (len(f.partitions) > 0 || f.changed("until")):
		return misuse("--group has its own partitions and positions, and excludes --partition and --until")
	case f.group != "" && f.fromAt.kind != start && f.fromAt.kind != end:
		return misuse("--from is start or end with --group; klamm group reset moves a group")
	}
	return checkTopics(args)
}

// consumption is a consume under way.
type consumption struct {
	f     consumeFlags
	admin *session         // asks for offsets and the like
	from  *connectedReader // reads records

	next  map[tp]int64 // the offset that comes next in each partition that is read
	until map[tp]int64 // where each ends; nil for never
	wrote int

	quiet  int  // how many times in a row nothing came
	warned bool // it was said that no broker can be reached
}

// connectedReader is the client that reads records, and how it commits them.
type connectedReader struct {
	client    *kgo.Client
	explain   func(error) error
	unreached func() error
	commit    func(ctx context.Context, printed []*kgo.Record) error // nil for no group
}

// consume prints records.
func (s *session) consume(ctx context.Context, f consumeFlags, args []string) error {
	if !f.changed("read-committed") && s.config.Properties["isolation.level"] == "read_committed" {
		f.committed = true
	}
	c := &consumption{f: f, admin: s, next: map[tp]int64{}}
	meta, err := s.topics(ctx, args...)
	if err != nil {
		return err
	}
	led := ledPartitions(meta.Topics)
	if len(f.partitions) > 0 {
		if led, err = only(led, args[0], f.partitions); err != nil {
			return err
		}
	} else if n := partitionCount(meta.Topics); n > len(led) && f.group == "" {
		return fmt.Errorf("%d of %d partitions have no leader, and cannot be read; --partition names others", n-len(led), n)
	}
	b := bounds{}
	if b.starts, err = s.listOffsets(ctx, atStart, led); err != nil {
		return err
	}
	if b.ends, err = s.listIsolated(ctx, atEnd, led, f.committed); err != nil {
		return err
	}
	if f.group != "" {
		err = c.asMember(ctx, args, b)
	} else {
		err = c.alone(ctx, b)
	}
	if f.follow && ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// readerOptions are those of the client that reads.
func (c *consumption) readerOptions() []kgo.Opt {
	opts := []kgo.Opt{kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	if c.f.committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	return opts
}

// alone reads partitions without a group.
func (c *consumption) alone(ctx context.Context, b bounds) error {
	from, err := c.admin.resolve(ctx, c.f.fromAt, b)
	if err != nil {
		return err
	}
	if !c.f.follow {
		if c.until, err = c.admin.resolve(ctx, c.f.untilAt, b); err != nil {
			return err
		}
	}
	offsets := map[string]map[int32]kgo.Offset{}
	for at, first := range from {
		if first > b.ends[at] && (c.f.follow || c.f.changed("from") && c.f.changed("partition")) {
			return fmt.Errorf("%s ends at offset %d, before %d", at, b.ends[at], first)
		}
		first = max(first, b.starts[at])
		if c.until != nil {
			c.until[at] = min(c.until[at], b.ends[at])
			if first >= c.until[at] {
				continue
			}
		}
		c.next[at] = first
		if offsets[at.topic] == nil {
			offsets[at.topic] = map[int32]kgo.Offset{}
		}
		offsets[at.topic][at.partition] = kgo.NewOffset().At(first)
	}
	if len(offsets) == 0 {
		return nil
	}
	reader, err := c.admin.config.Open(ctx, append(c.readerOptions(), kgo.ConsumePartitions(offsets))...)
	if err != nil {
		return err
	}
	defer reader.Close()
	c.from = &connectedReader{client: reader.Client, explain: reader.Explain, unreached: reader.Unreached}
	return c.run(ctx, func() bool { return !slices.ContainsFunc(sortedTPs(c.next), c.unfinished) })
}

// unfinished says whether there is more to read of a partition.
func (c *consumption) unfinished(at tp) bool { return c.until == nil || c.next[at] < c.until[at] }
