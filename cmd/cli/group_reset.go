package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

// resetFlags are the flags of klamm group reset.
type resetFlags struct {
	topics             []string
	allTopics, execute bool
	to, file           string
	shift              int64

	pos     position     // of to
	targets targets      // of topics
	offsets map[tp]int64 // of file
}

// targets are partitions that a command line names: all of a topic where the list is empty.
type targets map[string][]int32

// parseTargets reads topic and topic:0,1,2.
func parseTargets(flag string, values []string) (targets, error) {
	t := targets{}
	for _, value := range values {
		topic, list, some := strings.Cut(value, ":")
		if err := checkTopic(topic); err != nil {
			return nil, misuse("%s: %w", flag, err)
		}
		if _, twice := t[topic]; twice {
			return nil, misuse("%s: topic %s is named twice", flag, topic)
		}
		t[topic] = nil
		if !some {
			continue
		}
		for n := range strings.SplitSeq(list, ",") {
			id, err := strconv.ParseInt(n, 10, 32)
			if err != nil || id < 0 {
				return nil, misuse("%s %s: it is a topic, or topic:0,1,2 for some partitions", flag, value)
			}
			t[topic] = append(t[topic], int32(id))
		}
	}
	return t, nil
}

// have says whether a partition is among them.
func (t targets) have(at tp) bool {
	some, ok := t[at.topic]
	return ok && (len(some) == 0 || slices.Contains(some, at.partition))
}

func groupResetCommand(p Process) *cobra.Command {
	var a ask
	var f resetFlags
	cmd := &cobra.Command{
		Use:   "reset GROUP (--topic TOPIC[:0,1,...] | --all-topics) (--to POSITION | --shift-by N) [--execute]",
		Short: "Move the offsets of a group",
		Long: `Moves the offsets of a group, forward or back. Without --execute it shows what would change, and changes nothing. The group must have no members: they would
go on from where they are, and commit that.

A position is ` + positions + `.
An offset that is not in the log becomes the start or the end of the log. --from-file reads topic,partition,offset from each line, as klamm group describe --export
writes them. A group that does not exist begins to exist.`,
		Example: `  klamm group reset billing --topic orders --to start
  klamm group reset billing --all-topics --to 2026-01-31T13:00:00Z --execute
  klamm group reset billing --topic orders:0,3 --shift-by -100 --execute
  klamm group reset billing --from-file billing.csv --execute`,
		Args:              arguments("the name of a group", 1, 1),
		ValidArgsFunction: a.complete(1, groupNames),
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.topics, "topic", "t", nil, "`topic` to move in, or topic:0,1,2 for some partitions; may be repeated")
	flags.BoolVar(&f.allTopics, "all-topics", false, "move in all topics in which the group has offsets")
	flags.StringVar(&f.to, "to", "", "`position` to move to")
	flags.Int64Var(&f.shift, "shift-by", 0, "move by so `many` records, back where it is negative")
	flags.StringVar(&f.file, "from-file", "", "move to the offsets in this `file`")
	flags.BoolVar(&f.execute, "execute", false, "do it; without this the command shows what it would do")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.complete(-1, topicNames))
	a.check = func([]string) error { return f.check(flags.Changed("shift-by")) }
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error { return s.reset(ctx, args[0], f) })
	return cmd
}

// check refuses flags that do not go together.
func (f *resetFlags) check(shift bool) (err error) {
	ways := 0
	for _, way := range []bool{f.to != "", shift, f.file != ""} {
		if way {
			ways++
		}
	}
	switch {
	case ways != 1:
		return misuse("one of --to, --shift-by and --from-file has to say where to")
	case f.file != "" && (f.allTopics || len(f.topics) > 0):
		return misuse("--from-file says which partitions, and excludes --topic and --all-topics")
	case f.file == "" && f.allTopics == (len(f.topics) > 0):
		return misuse("--topic or --all-topics has to say in which topics")
	}
	if f.to != "" {
		if f.pos, err = parsePosition(f.to, time.Now()); err != nil {
			return misuse("--to: %w", err)
		}
	}
	if f.file != "" {
		if f.offsets, err = readOffsets(f.file); err != nil {
			return misuse("--from-file: %w", err)
		}
	}
	f.targets, err = parseTargets("--topic", f.topics)
	return err
}

// readOffsets reads lines of topic,partition,offset.
func readOffsets(path string) (map[tp]int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[tp]int64{}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		parts := strings.Split(line, ",")
		if len(parts) != 3 || checkTopic(parts[0]) != nil {
			return nil, fmt.Errorf("line %d of %s is not topic,partition,offset", n, path)
		}
		partition, bad := strconv.ParseInt(parts[1], 10, 32)
		to, worse := strconv.ParseInt(parts[2], 10, 64)
		at := tp{parts[0], int32(partition)}
		if _, twice := found[at]; bad != nil || worse != nil || partition < 0 || to < 0 || twice {
			return nil, fmt.Errorf("line %d of %s is not topic,partition,offset of a partition that stands once", n, path)
		}
		found[at] = to
	}
	if lines.Err() == nil && len(found) == 0 {
		return nil, fmt.Errorf("%s has no offsets", path)
	}
	return found, lines.Err()
}

// moved is what a reset does in one partition.
type moved struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    *int64 `json:"offset"` // null where nothing is committed
	To        int64  `json:"newOffset"`
	Start     int64  `json:"startOffset"`
	End       int64  `json:"endOffset"`
	Bounded   bool   `json:"bounded"` // the log has no such offset, and the nearest one is taken
}

// reset shows what a reset does, and does it where that is said.
func (s *session) reset(ctx context.Context, name string, f resetFlags) error {
	g, err := s.group(ctx, name)
	if err == nil {
		err = g.idle("reset it")
	}
	if err != nil {
		return err
	}
	plan, err := s.planReset(ctx, name, f)
	if err == nil && f.execute {
		err = s.commit(ctx, name, plan)
	}
	if err != nil {
		return err
	}
	return s.show(plan, func(out io.Writer) error { return writeReset(out, g, plan, f.execute) })
}

// planReset gives the offset that each partition gets.
func (s *session) planReset(ctx context.Context, name string, f resetFlags) ([]moved, error) {
	at, err := s.committed(ctx, name)
	if err != nil {
		return nil, err
	}
	of, err := s.resetPartitions(ctx, name, f, at)
	if err != nil {
		return nil, err
	}
	b, err := s.bounds(ctx, of)
	if err != nil {
		return nil, err
	}
	to := f.offsets
	if f.to != "" {
		if to, err = s.resolve(ctx, f.pos, b); err != nil {
			return nil, err
		}
	}
	plan := []moved{}
	for _, p := range of {
		m := moved{Topic: p.topic, Partition: p.partition, Offset: find(at, p), To: to[p], Start: b.starts[p], End: b.ends[p]}
		if to == nil {
			if m.Offset == nil && len(f.targets[p.topic]) == 0 {
				continue
			}
			if m.Offset == nil {
				return nil, fmt.Errorf("group %s has no offset in %s to shift; --to says a position", name, p)
			}
			m.To = *m.Offset + f.shift
		}
		wanted := m.To
		m.To = min(max(m.To, m.Start), m.End)
		m.Bounded = m.To != wanted
		plan = append(plan, m)
	}
	if len(plan) == 0 {
		return nil, fmt.Errorf("group %s has no offset there to shift; --to says a position", name)
	}
	return plan, nil
}

// resetPartitions gives the partitions that are meant. All of them have to have a leader.
func (s *session) resetPartitions(ctx context.Context, name string, f resetFlags, at map[tp]int64) ([]tp, error) {
	wanted := map[string]bool{}
	for topic := range f.targets {
		wanted[topic] = true
	}
	for p := range f.offsets {
		wanted[p.topic] = true
	}
	if f.allTopics {
		for p := range at {
			wanted[p.topic] = true
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("group %s has no offsets; --topic says in which topics it gets some", name)
	}
	meta, err := s.topics(ctx, sortedKeys(wanted)...)
	if err != nil {
		return nil, err
	}
	var of []tp
	var errs []error
	led := ledPartitions(meta.Topics)
	meta.Topics.EachPartition(func(p kadm.PartitionDetail) {
		at, given := tp{p.Topic, p.Partition}, false
		switch {
		case f.file != "":
			_, given = f.offsets[at]
		case f.allTopics:
			given = true
		default:
			given = f.targets.have(at)
		}
		if given && !slices.Contains(led, at) {
			errs = append(errs, fmt.Errorf("%s has no leader", at))
		} else if given {
			of = append(of, at)
		}
	})
	for at := range f.offsets {
		if _, ok := meta.Topics[at.topic].Partitions[at.partition]; !ok {
			errs = append(errs, fmt.Errorf("there is no partition %s", at))
		}
	}
	for topic, some := range f.targets {
		for _, p := range some {
			if _, ok := meta.Topics[topic].Partitions[p]; !ok {
				errs = append(errs, fmt.Errorf("there is no partition %s", tp{topic, p}))
			}
		}
	}
	slices.SortFunc(of, compareTP)
	return of, errors.Join(errs...)
}

// commit commits offsets for a group that has no members.
func (s *session) commit(ctx context.Context, name string, plan []moved) error {
	var to kadm.Offsets
	for _, m := range plan {
		// Without a leader epoch: one of another time would have consumers look for a truncation that never was.
		to.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.To, LeaderEpoch: -1})
	}
	answers, err := s.Admin.CommitOffsets(ctx, name, to)
	if err != nil {
		return refused("moving the offsets of group "+name, err, "")
	}
	var errs []error
	answers.Each(func(o kadm.OffsetResponse) {
		errs = append(errs, refused(fmt.Sprintf("moving group %s in %s", name, tp{o.Topic, o.Partition}), o.Err, ""))
	})
	return errors.Join(errs...)
}

func writeReset(out io.Writer, g groupState, plan []moved, done bool) error {
	t := table{head: []string{"TOPIC", "PARTITION", "OFFSET", "NEW OFFSET", "CHANGE", "LAG", "NOTE"}}
	for _, m := range plan {
		change, note := "-", "-"
		if m.Offset != nil {
			change = fmt.Sprintf("%+d", m.To-*m.Offset)
		}
		if m.Bounded {
			note = fmt.Sprintf("the log has %d to %d", m.Start, m.End)
		}
		t.row(m.Topic, m.Partition, number(m.Offset), m.To, change, m.End-m.To, note)
	}
	if err := t.write(out); err != nil || done {
		return err
	}
	last := "\nNothing is changed: --execute does it."
	if g.State == dead {
		last += " The group does not exist yet."
	}
	_, err := fmt.Fprintln(out, last)
	return err
}
