package controller

import (
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

// TestScripts runs testdata/*: decisions alone, without a tree. Rewrite the answers with -rewrite.
//
//	brokers N[:rack] ...                  a new state: these are live, the first is the controller
//	epoch N                               the controller's epoch
//	topic NAME, then a line a partition   a topic read from the tree: "REPLICAS [leader=N epoch=N isr=N,N version=N]"
//	deleting NAME                         it is marked for deletion
//	unreadable NAME                       the body of its znode is broken
//	draw N                                what drawing a number gives from here on, 0 before
//	start, create, grow, delete, stopped  events; each prints results, writes and orders
//	answered BROKER MS, lines "TOPIC P transient|permanent"  the broker answers the orders before, which failed there
//	retry MS                              it is so late
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{rules: Rules{Partitions: 1, ReplicationFactor: 1, Intn: func(int) int { return 0 }, ValidateConfig: validateConfig}}
		datadriven.RunTest(t, path, s.run)
	})
}

func validateConfig(config map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(config)) {
		if k != "retention.ms" {
			return fmt.Errorf("Unknown topic config name: %s", k)
		}
	}
	return nil
}

type script struct {
	sent  Decision // the last one
	state *State
	rules Rules
	ids   byte
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "brokers":
		s.brokers(t, d)
	case "epoch":
		s.state.Epoch, s.state.EpochVersion = number32(t, d.CmdArgs[0].Key), number32(t, d.CmdArgs[0].Key)
	case "topic":
		s.state.PutTopic(topicOf(t, d))
	case "deleting":
		s.state.Deleting[d.CmdArgs[0].Key] = map[int32]bool{}
	case "unreadable":
		s.state.Unreadable[d.CmdArgs[0].Key] = true
	case "draw":
		n := int(number32(t, d.CmdArgs[0].Key))
		s.rules.Intn = func(int) int { return n }
	case "start":
		return s.decide(&Started{})
	case "create":
		e := &CreateTopics{ValidateOnly: d.HasArg("validate-only")}
		for line := range strings.Lines(d.Input) {
			s.ids++
			e.Topics = append(e.Topics, newTopicOf(t, line, s.ids))
		}
		out := s.decide(e)
		return results(e.Results) + out
	case "grow":
		e := &CreatePartitions{ValidateOnly: d.HasArg("validate-only")}
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(line)
			n := NewPartitions{Topic: f[0], Count: number32(t, f[1])}
			for _, ids := range f[2:] {
				n.Assignment = append(n.Assignment, idsOf(t, ids))
			}
			e.Topics = append(e.Topics, n)
		}
		out := s.decide(e)
		return results(e.Results) + out
	case "delete":
		e := &DeleteTopics{}
		for _, a := range d.CmdArgs {
			e.Topics = append(e.Topics, TopicRef{Name: a.Key})
		}
		out := s.decide(e)
		return results(e.Results) + out
	case "stopped":
		e := &ReplicasStopped{Broker: number32(t, d.CmdArgs[0].Key)}
		for _, a := range d.CmdArgs[1:] {
			e.Topics = append(e.Topics, a.Key)
		}
		return s.decide(e)
	case "answered":
		return s.decide(s.answerOf(t, d))
	case "retry":
		return s.decide(&RetryDue{NowMs: int64(number32(t, d.CmdArgs[0].Key))})
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return "ok\n"
}

// answerOf is a broker's answer to the orders sent last. Those that the lines name failed.
func (s *script) answerOf(t *testing.T, d *datadriven.TestData) *OrdersAnswered {
	errs := map[protocol.TopicPartition]error{}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		err := errors.New("no such device")
		if f[2] == "transient" {
			err = &order.TransientError{Err: err}
		}
		errs[protocol.TopicPartition{Topic: f[0], Partition: number32(t, f[1])}] = err
	}
	broker := number32(t, d.CmdArgs[0].Key)
	e := &OrdersAnswered{Broker: broker, NowMs: int64(number32(t, d.CmdArgs[1].Key)), Lead: s.sent.LeaderAndISR[broker], Stop: s.sent.Stop[broker]}
	for i := range e.Lead {
		e.LeadErrs = append(e.LeadErrs, errs[e.Lead[i].TopicPartition])
	}
	for i := range e.Stop {
		e.StopErrs = append(e.StopErrs, errs[e.Stop[i].TopicPartition])
	}
	return e
}

func (s *script) brokers(t *testing.T, d *datadriven.TestData) {
	for i, a := range d.CmdArgs {
		text, rack, hasRack := strings.Cut(a.Key, ":")
		id := number32(t, text)
		if i == 0 {
			s.state = NewState(id)
			s.state.Epoch, s.state.EpochVersion = 1, 1
		}
		live := &LiveBroker{}
		if hasRack {
			live.Rack = &rack
		}
		s.state.Live[id] = live
	}
}

// decide prints what was decided: "w" a write, "r" a removal, "lead" and "stop" orders, "show" and "hide" what clients see, "then" an
// event that follows at once, "due" when orders are sent again.
func (s *script) decide(e Event) string {
	d := Decide(s.state, &s.rules, e)
	s.sent = d
	var b strings.Builder
	for _, op := range d.Writes {
		kind := map[meta.OpKind]string{meta.OpCreate: "create", meta.OpSet: "set", meta.OpDelete: "delete", meta.OpCheck: "check"}[op.Kind]
		fmt.Fprintf(&b, "w %s %s", kind, op.Path)
		if op.Kind != meta.OpCreate {
			fmt.Fprintf(&b, " v%d", op.Version)
		}
		fmt.Fprintf(&b, " %s\n", op.Data)
	}
	for _, p := range d.Puts {
		fmt.Fprintf(&b, "w put %s %s\n", p.Path, p.Data)
	}
	for _, path := range d.Remove {
		fmt.Fprintf(&b, "r %s\n", path)
	}
	for _, id := range slices.Sorted(maps.Keys(d.LeaderAndISR)) {
		for _, o := range d.LeaderAndISR[id] {
			fmt.Fprintf(&b, "lead %d: %s leader=%d epoch=%d isr=%v replicas=%v version=%d new=%v\n",
				id, o.TopicPartition, o.Leader, o.LeaderEpoch, o.ISR, o.Replicas, o.PartitionEpoch, o.IsNew)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.Stop)) {
		for _, o := range d.Stop[id] {
			fmt.Fprintf(&b, "stop %d: %s delete=%v\n", id, o.TopicPartition, o.Delete)
		}
	}
	if len(d.Removed) > 0 {
		fmt.Fprintf(&b, "hide %v\n", d.Removed)
	}
	if len(d.Changed) > 0 {
		var topics []string
		for _, c := range d.Changed {
			topics = append(topics, c.Topic)
		}
		fmt.Fprintf(&b, "show %v\n", topics)
	}
	for _, next := range d.Next {
		fmt.Fprintf(&b, "then %T\n%s", next, s.decide(next))
	}
	if due := s.state.Failures.nextMs(); due > 0 && len(d.Next) == 0 {
		fmt.Fprintf(&b, "due %d\n", due)
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

func results(list []TopicResult) string {
	var b strings.Builder
	for _, r := range list {
		if r.Err != nil {
			var e *order.Error
			errors.As(r.Err, &e)
			fmt.Fprintf(&b, "%s: %v: %s\n", r.Name, e.Kind, e.Message)
			continue
		}
		fmt.Fprintf(&b, "%s: ok, %d partitions, factor %d\n", r.Name, r.Partitions, r.ReplicationFactor)
	}
	return b.String()
}

func topicOf(t *testing.T, d *datadriven.TestData) *Topic {
	topic := &Topic{Name: d.CmdArgs[0].Key, ID: protocol.UUID{0xff}, HasNode: true}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		p := Partition{Replicas: znode.Replicas{Partition: int32(len(topic.Partitions)), Replicas: idsOf(t, f[0])}, Version: -1}
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			p.HasNode = true
			switch k {
			case "leader":
				p.State.Leader = number32(t, v)
			case "epoch":
				p.State.LeaderEpoch = number32(t, v)
			case "isr":
				p.State.ISR = idsOf(t, v)
			case "version":
				p.Version = number32(t, v)
			}
		}
		topic.Partitions = append(topic.Partitions, p)
	}
	return topic
}

// newTopicOf reads "NAME partitions=N factor=N assign=P:IDS name=value"; null is a null value, a NAME of
// x*9 nine times an x.
func newTopicOf(t *testing.T, line string, id byte) NewTopic {
	f := strings.Fields(line)
	n := NewTopic{Name: strings.Trim(f[0], `"`), Partitions: -1, ReplicationFactor: -1, ID: protocol.UUID{id}}
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
