package reassign

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cmd/connect"
	"klamm/cmd/reassign/plan"
)

// Options are what all commands have in common.
type Options struct {
	Cluster  connect.Config // which one, and how to reach it
	DryRun   bool           // print the plan, change nothing
	Throttle int64          // bytes per second that each broker may send, and receive, for moves; 0 is no bound
	Exclude  []string       // topics that stay as they are
	// IgnoreRacks plans as if no broker had a rack.
	IgnoreRacks bool
	Out         io.Writer // the plan
	Progress    io.Writer // what happens

	// Incoming is how many replicas a broker receives at a time; 0 is 10.
	Incoming int
	// Poll is how long the command waits before it asks again what is under way; 0 is half a second.
	Poll time.Duration
}

// ErrUse is in the chain of errors that say that the command cannot be what was meant.
var ErrUse = errors.New("wrong use")

type useError struct{ error }

func (useError) Is(target error) bool { return target == ErrUse }

func misuse(format string, args ...any) error { return useError{fmt.Errorf(format, args...)} }

// tp names a partition.
type tp struct {
	topic     string
	partition int32
}

func (p tp) String() string { return fmt.Sprint(p.topic, "-", p.partition) }

// view is the cluster at one moment.
type view struct {
	brokers  []plan.Broker
	parts    []plan.Partition // those under way have the replicas that they are going to have; they and those of excluded topics are fixed
	leaders  map[tp]int32
	underWay map[tp]bool
	unsized  error // why sizes of some replicas are not known
}

func (v *view) alive(id int32) bool {
	return slices.ContainsFunc(v.brokers, func(b plan.Broker) bool { return b.ID == id })
}

// api is what a runner asks of a cluster.
type api interface {
	look(ctx context.Context) (*view, error)
	replicas(ctx context.Context) (map[tp][]int32, error) // of all partitions, from the metadata alone
	underWay(ctx context.Context) (map[tp][]int32, error) // with the replicas that each is going to have
	living(ctx context.Context) ([]int32, error)          // the brokers that are alive
	assign(ctx context.Context, replicas map[tp][]int32) (map[tp]error, error)
	elect(ctx context.Context, parts []tp) (map[tp]error, error)
	minInSync(ctx context.Context, topics []string) (map[string]int, error)
	// setTopics and setBrokers set configurations; "" removes one.
	setTopics(ctx context.Context, topics []string, configs map[string]string) error
	setBrokers(ctx context.Context, ids []int32, configs map[string]string) error
	throttledBrokers(ctx context.Context) []int32 // those that have a rate; one that does not answer is not among them
}

// job is what a command wants.
type job struct {
	plan func(*view) ([]plan.Move, []plan.Left, error)
	// elect says whether partitions that do not move, and are not fixed, get their first replica as the leader too.
	elect bool
	// note gives what a person should know of what the plan leaves, "" for nothing; it may be nil.
	note func(*view) string
}

// Rebalance spreads the partitions evenly over all brokers that are alive. No goals are all goals.
func Rebalance(ctx context.Context, o Options, goals []plan.Goal) error {
	return carryOut(ctx, o, rebalanced(goals))
}

func rebalanced(goals []plan.Goal) job {
	all := len(goals) == 0
	if all {
		goals = plan.Goals
	}
	return job{
		plan: func(v *view) ([]plan.Move, []plan.Left, error) {
			if v.unsized != nil && slices.Contains(goals, plan.Bytes) {
				return nil, nil, fmt.Errorf("%w; the goal bytes needs them, and --goal names others", v.unsized)
			}
			if i := slices.IndexFunc(v.brokers, func(b plan.Broker) bool { return b.Rack == "" }); i >= 0 && !all && slices.Contains(goals, plan.Racks) {
				return nil, nil, misuse("--goal racks: broker %d has no broker.rack", v.brokers[i].ID)
			}
			moves := plan.Spread(v.brokers, v.parts, goals...)
			return moves, nil, v.racksSuffice(moves)
		},
		elect: slices.Contains(goals, plan.Leaders),
	}
}

// Drain moves all replicas off a broker. Partitions of which it cannot are in the error.
func Drain(ctx context.Context, o Options, id int32) error { return carryOut(ctx, o, drained(id)) }

func drained(id int32) job {
	note := func(v *view) string {
		kept := 0
		for _, p := range v.parts {
			if p.Fixed && !v.underWay[tp{p.Topic, p.ID}] && slices.Contains(p.Replicas, id) {
				kept++
			}
		}
		if kept == 0 {
			return ""
		}
		return fmt.Sprintf("broker %d keeps %d replicas of topics that are excluded", id, kept)
	}
	return job{note: note, plan: func(v *view) ([]plan.Move, []plan.Left, error) {
		moves, left, err := plan.Drain(v.brokers, v.parts, id)
		if err != nil {
			return nil, nil, useError{err}
		}
		return moves, left, v.racksSuffice(moves, id)
	}}
}

// Factor gives the partitions of some topics, or of all, n replicas. Partitions of which it cannot are in the error.
func Factor(ctx context.Context, o Options, n int, topics []string) error {
	return carryOut(ctx, o, resized(n, topics))
}

func resized(n int, topics []string) job {
	return job{plan: func(v *view) ([]plan.Move, []plan.Left, error) {
		if err := v.known(topics); err != nil {
			return nil, nil, err
		}
		for i := range v.parts {
			v.parts[i].Fixed = v.parts[i].Fixed || len(topics) > 0 && !slices.Contains(topics, v.parts[i].Topic)
		}
		moves, left, err := plan.Factor(v.brokers, v.parts, n)
		if err != nil {
			return nil, nil, useError{err}
		}
		return moves, left, v.racksSuffice(moves)
	}}
}

// Cancel cancels every reassignment under way: the replicas are again what they were before.
func Cancel(ctx context.Context, o Options) error {
	return run(ctx, o, func(l *live) error { return cancel(ctx, l, o) })
}

// sayThrottles names the brokers that have a throttle already. A command that was killed leaves it, and so does kafka-reassign-partitions until --verify.
func sayThrottles(ctx context.Context, a api, o Options) {
	brokers := a.throttledBrokers(ctx)
	if len(brokers) == 0 {
		return
	}
	then := fmt.Sprintf("if nobody needs that any more, remove it, for each of them: kafka-configs --bootstrap-server %s --alter --entity-type brokers --entity-name ID --delete-config %s,%s",
		strings.Join(o.Cluster.Servers, ","), leaderRate, followerRate)
	if o.Throttle > 0 && !o.DryRun {
		then = "where this command copies replicas --throttle takes its place, and is removed at the end"
	}
	fmt.Fprintf(o.Progress, "the brokers %v throttle moves already (%s, %s), set by somebody, or left by a command that was killed: %s\n", brokers, leaderRate, followerRate, then)
}

func cancel(ctx context.Context, a api, o Options) error {
	sayThrottles(ctx, a, o)
	moving, err := a.underWay(ctx)
	if err != nil {
		return err
	}
	if len(moving) == 0 {
		fmt.Fprintln(o.Progress, "no reassignment is under way")
		return nil
	}
	if o.DryRun {
		out := bufio.NewWriter(o.Out)
		for _, p := range sorted(moving) {
			fmt.Fprintf(out, "%s: cancel its reassignment\n", p)
		}
		return written(out)
	}
	var errs []error
	cancelled := 0
	for chunk := range slices.Chunk(sorted(moving), atOnce) {
		none := map[tp][]int32{}
		for _, p := range chunk {
			none[p] = nil
		}
		refused, err := a.assign(ctx, none)
		if err != nil {
			errs = append(errs, err)
			break
		}
		cancelled += len(chunk) - len(refused)
		for _, p := range sorted(refused) {
			if errors.Is(refused[p], kerr.NoReassignmentInProgress) {
				continue // it ended in between
			}
			errs = append(errs, fmt.Errorf("%s: %w", p, refused[p]))
		}
	}
	fmt.Fprintf(o.Progress, "%d reassignments are cancelled\n", cancelled)
	return errors.Join(errs...)
}

func carryOut(ctx context.Context, o Options, j job) error {
	return run(ctx, o, func(l *live) error { return (&runner{Options: o, api: l}).run(ctx, j) })
}

// run runs a command on a cluster. An interruption is one while the command connects and looks, too.
func run(ctx context.Context, o Options, command func(*live) error) error {
	l, err := open(ctx, o.Cluster)
	if err == nil {
		defer l.Close()
		err = command(l)
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrInterrupted) {
		return fmt.Errorf("%w: %w", ErrInterrupted, err)
	}
	return err
}

// exclude fixes the partitions of some topics.
func (v *view) exclude(topics []string) error {
	if err := v.known(topics); err != nil {
		return err
	}
	for i := range v.parts {
		v.parts[i].Fixed = v.parts[i].Fixed || slices.Contains(topics, v.parts[i].Topic)
	}
	return nil
}

// racksSuffice refuses to move replicas where some brokers have a rack and others have none, those that leave aside: the plan does not look at racks then, and
// could put all replicas of a partition into one (kafka-reassign-partitions --generate refuses it likewise).
func (v *view) racksSuffice(moves []plan.Move, leaving ...int32) error {
	var with, without []int32
	for _, b := range v.brokers {
		switch {
		case slices.Contains(leaving, b.ID):
		case b.Rack != "":
			with = append(with, b.ID)
		default:
			without = append(without, b.ID)
		}
	}
	orderAlone := func(m plan.Move) bool { return len(m.Added()) == 0 && len(m.To) == len(m.From) }
	if len(with) == 0 || len(without) == 0 || !slices.ContainsFunc(moves, func(m plan.Move) bool { return !orderAlone(m) }) {
		return nil
	}
	return misuse("the brokers %v have a broker.rack, and %v have none: give them one, or add --ignore-racks for a plan that does not look at racks", with, without)
}

// known gives an error for topics that do not exist.
func (v *view) known(topics []string) error {
	for _, t := range topics {
		if !slices.ContainsFunc(v.parts, func(p plan.Partition) bool { return p.Topic == t }) {
			return misuse("there is no topic %q, or it is being deleted", t)
		}
	}
	return nil
}

// sorted gives partitions in their order.
func sorted[V any](m map[tp]V) []tp {
	return slices.SortedFunc(maps.Keys(m), comparePartitions)
}
