package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// TestScripts runs testdata/*: the life of a cluster, with what the controller writes and orders. Rewrite the answers with -rewrite.
//
//	broker N[:rack] ...          brokers register; those that are registered stop and start again
//	kill N ...                   brokers stop, and their sessions end
//	suspect N, trust N           the process of broker N is found to be dead; or to live
//	elect N                      broker N becomes the controller
//	create, grow                 a line a topic: "NAME partitions=N factor=N assign=P:IDS name=value", "NAME COUNT IDS..."
//	delete NAME ...
//	alter N [epoch=N]            broker N asks for ISRs, a line a partition: "T-P epoch=N version=N isr=IDS [recovering]"
//	shutdown N                   broker N is about to stop
//	producers N                  broker N asks for producer ids
//	reassign [keep]              a line a partition: "T-P IDS" or "T-P cancel"; keep refuses another number of replicas
//	reassigning [T-P ...]
//	preferred, unclean [T-P ...] elections, of all partitions without any
//	balance, enabled [T]         the timer of the balance; unclean.leader.election.enable became true
//	put PATH, then the body; remove PATH   another broker or a tool writes
//	fail N T-P transient|storage|none      what broker N answers for a partition from here on
//	hold, deliver                orders wait for deliver from here on
//	lose before|after PATH [unseen]  the next write of a path that begins so loses its answer; others write the lines "PATH BODY" before the
//	                             controller looks what became of it, which fails if that is unseen
//	unreadable PATH [N]          the next read of PATH fails, or the next N
//	usurp                        another broker becomes the controller, and this one has not heard of it
//	draw N                       what drawing a number gives from here on, 0 before
//	later MS                     time passes
//	tree PATH                    the nodes below
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{world: newWorld(t), unreadable: map[string]int{}}
		s.watchTree = func(tree meta.Tree) meta.Tree { return &scriptTree{tree, s} }
		s.log = func(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }
		datadriven.RunTest(t, path, s.run)
	})
}

func validateConfig(config map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(config)) {
		if k != "retention.ms" && k != "unclean.leader.election.enable" {
			return fmt.Errorf("Unknown topic config name: %s", k)
		}
	}
	return nil
}

type script struct {
	*world
	out        strings.Builder
	unreadable map[string]int // how often a node cannot be read from here on
	meanwhile  []string       // what others write when an answer is lost
	unseen     string         // what cannot be read then
}

// scriptTree is the controller's tree as scripts spoil it.
type scriptTree struct {
	meta.Tree
	s *script
}

func (t *scriptTree) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	for _, path := range paths {
		if t.s.unreadable[path] > 0 {
			t.s.unreadable[path]--
			return nil, &meta.Error{Op: "get", Path: path, Err: errors.New("the answer is garbage")}
		}
	}
	return t.Tree.GetAll(ctx, paths)
}

func (t *scriptTree) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	results := t.Tree.MultiAll(ctx, txs)
	lost := func(r meta.TxResult) bool { return errors.Is(r.Err, meta.ErrOutcomeUnknown) }
	if slices.ContainsFunc(results, lost) {
		for _, line := range t.s.meanwhile {
			path, body, _ := strings.Cut(line, " ")
			t.s.put(path, strings.TrimSpace(body))
		}
		t.s.meanwhile = nil
		if t.s.unseen != "" {
			t.s.unreadable[t.s.unseen] = 1
		}
	}
	return results
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	s.command(t, d)
	s.notice()
	if s.ctl != nil {
		if next := s.ctl.NextMs(); next > 0 {
			s.log("due %d", next)
		}
	}
	for _, b := range s.brokers {
		for _, text := range b.trouble {
			t.Errorf("%s: %s", d.Pos, text)
		}
		b.trouble = nil
	}
	if s.out.Len() == 0 {
		return "ok\n"
	}
	return strings.ReplaceAll(s.out.String(), " \n", "\n")
}

func (s *script) command(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "broker":
		for _, a := range d.CmdArgs {
			text, rack, hasRack := strings.Cut(a.Key, ":")
			id := number32(t, text)
			if b := s.brokers[id]; b != nil && b.tree != nil {
				s.kill(id)
			}
			if !hasRack {
				s.register(id, nil)
			} else {
				s.register(id, &rack)
			}
		}
	case "kill":
		for _, a := range d.CmdArgs {
			s.kill(number32(t, a.Key))
		}
	case "suspect", "trust":
		id := number32(t, d.CmdArgs[0].Key)
		s.handle(&Suspected{Broker: id, Epoch: s.ctl.brokers[id].epoch, Dead: d.Cmd == "suspect"})
	case "elect":
		s.elect(number32(t, d.CmdArgs[0].Key))
	case "put":
		s.put(d.CmdArgs[0].Key, strings.TrimSpace(d.Input))
	case "remove":
		s.remove(d.CmdArgs[0].Key)
	case "fail":
		s.setFailure(t, d)
	case "hold":
		s.manual = true
	case "deliver":
		s.manual = false
		s.deliverAll()
	case "lose":
		s.meanwhile, s.unseen = slices.Collect(strings.Lines(d.Input)), ""
		if d.HasArg("unseen") {
			s.unseen = d.CmdArgs[1].Key
		}
		prefix := d.CmdArgs[1].Key
		s.store.LoseAnswer(func(op meta.Op) bool { return op.Kind != meta.OpCheck && strings.HasPrefix(op.Path, prefix) }, d.CmdArgs[0].Key == "after")
	case "unreadable":
		times := 1
		if len(d.CmdArgs) > 1 {
			times = int(number32(t, d.CmdArgs[1].Key))
		}
		s.unreadable[d.CmdArgs[0].Key] = times
	case "usurp":
		s.put(znode.ControllerEpoch, "99")
	case "draw":
		n := int(number32(t, d.CmdArgs[0].Key))
		s.rules.Intn = func(int) int { return n }
	case "later":
		s.nowMs += int64(number32(t, d.CmdArgs[0].Key))
		s.handle(&RetryDue{})
	case "tree":
		s.dump(d.CmdArgs[0].Key)
	default:
		s.ask(t, d)
	}
}

// ask has the controller decide what somebody asks for.
func (s *script) ask(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "create":
		e := &CreateTopics{TimeoutMs: PatienceMs, ValidateOnly: d.HasArg("validate-only")}
		for line := range strings.Lines(d.Input) {
			e.Topics = append(e.Topics, newTopicOf(t, line))
		}
		s.handle(e)
		s.close(&task{event: e}, e.Results)
	case "grow":
		e := &CreatePartitions{TimeoutMs: PatienceMs, ValidateOnly: d.HasArg("validate-only")}
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(line)
			n := NewPartitions{Topic: f[0], Count: number32(t, f[1])}
			for _, ids := range f[2:] {
				n.Assignment = append(n.Assignment, idsOf(t, ids))
			}
			e.Topics = append(e.Topics, n)
		}
		s.handle(e)
		s.close(&task{event: e}, e.Results)
	case "delete":
		e := &DeleteTopics{TimeoutMs: PatienceMs}
		for _, a := range d.CmdArgs {
			e.Topics = append(e.Topics, TopicRef{Name: a.Key})
		}
		s.handle(e)
		s.close(&task{event: e}, e.Results)
	case "balance":
		s.handle(&BalanceDue{})
	case "enabled":
		e := &UncleanElectionEnabled{}
		if len(d.CmdArgs) > 0 {
			e.Topic = d.CmdArgs[0].Key
		}
		s.handle(e)
	case "preferred", "unclean":
		e := &ElectLeaders{Unclean: d.Cmd == "unclean"}
		for _, a := range d.CmdArgs {
			e.Partitions = append(e.Partitions, tpOf(t, a.Key))
		}
		s.handle(e)
		for _, r := range e.Results {
			s.result(r.TopicPartition.String(), r.Err, fmt.Sprintf("leader %d", r.Leader))
		}
	case "reassign":
		e := &AlterReassignments{KeepFactor: d.HasArg("keep")}
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(line)
			r := Reassignment{TopicPartition: tpOf(t, f[0])}
			if f[1] != "cancel" {
				r.Replicas = append([]int32{}, idsOf(t, f[1])...)
			}
			e.Partitions = append(e.Partitions, r)
		}
		s.handle(e)
		for i, err := range e.Results {
			s.result(e.Partitions[i].TopicPartition.String(), err, "under way")
		}
	case "reassigning":
		e := &ListReassignments{}
		for _, a := range d.CmdArgs {
			e.Partitions = append(e.Partitions, tpOf(t, a.Key))
		}
		s.handle(e)
		for _, r := range e.Results {
			s.log("%s replicas=%s%s%s", r.TopicPartition, ids(r.Replicas), list(" adding=", r.Adding), list(" removing=", r.Removing))
		}
	default:
		s.askAsBroker(t, d)
	}
}

func (s *script) askAsBroker(t *testing.T, d *datadriven.TestData) {
	id := number32(t, d.CmdArgs[0].Key)
	epoch := s.brokers[id].epoch
	if d.HasArg("epoch") {
		var n int
		d.ScanArgs(t, "epoch", &n)
		epoch = int64(n)
	}
	switch d.Cmd {
	case "alter":
		e := &AlterPartition{Request: order.AlterPartitionRequest{BrokerID: id, BrokerEpoch: epoch}}
		for line := range strings.Lines(d.Input) {
			e.Request.Partitions = append(e.Request.Partitions, s.alterOf(t, line))
		}
		s.handle(e)
		if e.Err != nil {
			s.result("all", e.Err, "")
		}
		for i, r := range e.Results {
			s.result(e.Request.Partitions[i].TopicPartition.String(), r.Err,
				fmt.Sprintf("leader=%d epoch=%d isr=%s v%d%s", r.Leader, r.LeaderEpoch, ids(r.ISR), r.PartitionEpoch, flag(" recovering", r.Recovering)))
		}
	case "shutdown":
		e := &ControlledShutdown{Request: order.ControlledShutdownRequest{BrokerID: id, BrokerEpoch: epoch}}
		s.handle(e)
		s.result("shutdown", e.Err, fmt.Sprintf("still leads %v", e.Remaining))
	case "producers":
		e := &AllocateProducerIDs{BrokerID: id, BrokerEpoch: epoch}
		s.handle(e)
		s.result("ids", e.Err, fmt.Sprintf("%d from %d", e.IDs.Count, e.IDs.First))
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
}

// close answers whoever asked for topics.
func (s *script) close(t *task, results []TopicResult) {
	if s.ctl != nil {
		s.ctl.close(t)
	}
	for _, r := range results {
		s.result(r.Name, r.Err, fmt.Sprintf("ok, %d partitions, factor %d", r.Partitions, r.ReplicationFactor))
	}
}

func (s *script) result(what string, err error, good string) {
	var e *order.Error
	switch {
	case errors.As(err, &e):
		s.log("= %s: %v: %s", what, e.Kind, e.Message)
	case err != nil:
		s.log("= %s: %v", what, err)
	default:
		s.log("= %s: %s", what, good)
	}
}

func (s *script) setFailure(t *testing.T, d *datadriven.TestData) {
	b, tp := s.brokers[number32(t, d.CmdArgs[0].Key)], tpOf(t, d.CmdArgs[1].Key)
	switch d.CmdArgs[2].Key {
	case "transient":
		b.fail[tp] = &order.TransientError{Err: errors.New("too many open files")}
	case "storage":
		b.fail[tp] = order.ErrStorage
	case "none":
		delete(b.fail, tp)
	default:
		t.Fatalf("%s: unknown failure", d.Pos)
	}
}

// alterOf reads "T-P epoch=N version=N isr=IDS [recovering]".
func (s *script) alterOf(t *testing.T, line string) order.AlterPartition {
	f := strings.Fields(line)
	a := order.AlterPartition{TopicPartition: tpOf(t, f[0])}
	if p := s.ctl.partition(a.TopicPartition); p != nil {
		a.TopicID = p.topic.id
	} else {
		a.TopicID = protocol.UUID{0xff}
	}
	for _, kv := range f[1:] {
		switch k, v, _ := strings.Cut(kv, "="); k {
		case "epoch":
			a.LeaderEpoch = number32(t, v)
		case "version":
			a.PartitionEpoch = number32(t, v)
		case "isr":
			a.ISR = idsOf(t, v)
		case "recovering":
			a.Recovering = true
		default:
			t.Fatalf("unknown word %s", kv)
		}
	}
	return a
}

func (s *script) dump(path string) {
	data, stat, err := s.admin.Get(context.Background(), path)
	if err != nil {
		s.log("%s: %v", path, err)
		return
	}
	s.log("%s v%d %s", path, stat.Version, data)
	names, _, _ := s.admin.Children(context.Background(), path)
	for _, name := range names {
		s.dump(path + "/" + name)
	}
}

// newTopicOf reads "NAME partitions=N factor=N assign=P:IDS name=value"; null is a null value, a NAME of
// x*9 nine times an x.
func newTopicOf(t *testing.T, line string) NewTopic {
	f := strings.Fields(line)
	n := NewTopic{Name: strings.Trim(f[0], `"`), Partitions: -1, ReplicationFactor: -1}
	if x, times, ok := strings.Cut(n.Name, "*"); ok {
		n.Name = strings.Repeat(x, int(number32(t, times)))
	}
	for _, kv := range f[1:] {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "partitions":
			n.Partitions = number32(t, v)
		case "factor":
			n.ReplicationFactor = int16(number32(t, v))
		case "assign":
			p, ids, _ := strings.Cut(v, ":")
			n.Assignment = append(n.Assignment, Assignment{number32(t, p), idsOf(t, ids)})
		default:
			e := ConfigEntry{Name: k, Value: &v}
			if v == "null" {
				e.Value = nil
			}
			n.Configs = append(n.Configs, e)
		}
	}
	return n
}

func tpOf(t *testing.T, s string) protocol.TopicPartition {
	i := strings.LastIndexByte(s, '-')
	return protocol.TopicPartition{Topic: s[:i], Partition: number32(t, s[i+1:])}
}

func idsOf(t *testing.T, s string) []int32 {
	var ids []int32
	for part := range strings.SplitSeq(s, ",") {
		if part != "" && part != "none" {
			ids = append(ids, number32(t, part))
		}
	}
	return ids
}

func number32(t *testing.T, s string) int32 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(n)
}
