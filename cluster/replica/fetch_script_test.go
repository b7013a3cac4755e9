package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// fetchScript runs one file of testdata/fetch on a fetchState. Rewrite the answers with -rewrite.
//
//	set t-0 id=1 epoch=3 at=10 log-epoch=2 start=0 [truncating] [in-sync]   the controller's order
//	remove t-0
//	move t-0                   to a fetcher of its own, of the same leader
//	build                      the next request
//	answer [session=7] [error=NAME]   the leader's answer, a line for each partition: t-0 [hw=12] [error=NAME] [diverging=2@5]
//	appended t-0 at=12 log-epoch=3 hw=12 [error=KIND]   what became of an action
//	truncated t-0 at=5 log-epoch=2 [error=KIND]
//	lost                       the request got no answer
//	truncations, lookups       what comes before the next request
//	refusals                 what is worth a line in the log
//	now 100, settings wait=500 backoff=1000, throttle [exceeded] [t-0 ...], look t-0 [start=5]
type fetchScript struct {
	t        *testing.T
	s        *fetchState
	set      Settings
	nowMs    int64
	throttle *scriptedThrottle
}

type scriptedThrottle struct {
	exceeded bool
	list     []string
}

func (t *scriptedThrottle) throttles(tp protocol.TopicPartition) func() bool {
	return func() bool { return slices.Contains(t.list, tp.String()) }
}

func (f *fetchScript) newState() {
	f.s = newFetchState(1, func() int64 { return 77 }, func() bool { return f.throttle.exceeded })
}

func TestFetchScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/fetch", func(t *testing.T, file string) {
		f := &fetchScript{t: t, set: DefaultSettings(), throttle: &scriptedThrottle{}}
		f.newState()
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			f.t = t
			out := f.run(d)
			if out == "" {
				out = "ok"
			}
			return strings.TrimSuffix(out, "\n") + "\n"
		})
	})
}

func (f *fetchScript) num(d *datadriven.TestData, key string, otherwise int64) int64 {
	v := otherwise
	d.MaybeScanArgs(f.t, key, &v)
	return v
}

func parsePartition(s string) protocol.TopicPartition {
	topic, partition, _ := strings.Cut(s, "-")
	n, _ := strconv.Atoi(partition)
	return protocol.TopicPartition{Topic: topic, Partition: int32(n)}
}

func (f *fetchScript) position(d *datadriven.TestData) fetchPosition {
	return fetchPosition{offset: f.num(d, "at", 0), start: f.num(d, "start", 0), epoch: int32(f.num(d, "log-epoch", -1))}
}

func (f *fetchScript) run(d *datadriven.TestData) string {
	tp := protocol.TopicPartition{}
	if len(d.CmdArgs) > 0 {
		tp = parsePartition(d.CmdArgs[0].Key)
	}
	switch d.Cmd {
	case "now":
		f.nowMs, _ = strconv.ParseInt(d.CmdArgs[0].Key, 10, 64)
		return ""
	case "settings":
		f.set.FetchWaitMaxMs = int32(f.num(d, "wait", int64(f.set.FetchWaitMaxMs)))
		f.set.FetchBackoffMs = int32(f.num(d, "backoff", int64(f.set.FetchBackoffMs)))
		return ""
	case "throttle":
		*f.throttle = scriptedThrottle{}
		for _, a := range d.CmdArgs {
			if a.Key == "exceeded" {
				f.throttle.exceeded = true
			} else {
				f.throttle.list = append(f.throttle.list, a.Key)
			}
		}
		return ""
	case "set":
		f.s.set(&fetchOrder{tp: tp, topicID: protocol.UUID{15: byte(f.num(d, "id", 1))}, leaderEpoch: int32(f.num(d, "epoch", 0)),
			at: f.position(d), truncating: d.HasArg("truncating"), inSync: d.HasArg("in-sync"), throttled: f.throttle.throttles(tp)})
		return f.state(tp)
	case "move":
		o, _ := f.s.take(tp)
		f.newState()
		f.s.set(&o)
		return f.state(tp)
	case "remove":
		return fmt.Sprint(f.s.remove(tp))
	case "look":
		f.s.lookedAt(f.s.partitions[tp], f.num(d, "start", 0))
		return ""
	case "state":
		return f.state(tp)
	case "build":
		return f.request(f.s.buildRequest(f.nowMs, &f.set))
	case "lost":
		f.s.lost()
		return ""
	}
	return f.outcome(d, tp)
}

// outcome runs the commands that tell what became of something.
func (f *fetchScript) outcome(d *datadriven.TestData, tp protocol.TopicPartition) string {
	p := f.s.partitions[tp]
	switch d.Cmd {
	case "answer":
		return f.answer(d)
	case "appended":
		f.s.appended(p, f.nowMs, &f.set, f.position(d), f.num(d, "hw", 0), f.err(d))
		return f.state(tp)
	case "truncated":
		f.s.truncated(p, f.nowMs, &f.set, f.position(d), f.err(d))
		return f.state(tp)
	case "refused":
		f.s.refused(p, f.nowMs, &f.set, kerrNamed(d.CmdArgs[1].Key))
		return f.state(tp)
	case "refusals":
		var out string
		for _, c := range f.s.takeRefusals() {
			out += fmt.Sprintf("%s failed=%t %v\n", c.tp, c.failed, c.err)
		}
		return cmp.Or(out, "none")
	case "truncations":
		var out string
		for p := f.s.nextTruncating(f.nowMs); p != nil; p = f.s.nextTruncating(f.nowMs) {
			out += fmt.Sprintf("%s to %d\n", p.tp, p.at.offset)
		}
		return cmp.Or(out, "none")
	case "lookups":
		var out string
		for _, l := range f.s.takeLookups(f.nowMs) {
			out += fmt.Sprintf("%s in epoch %d\n", l.p.tp, l.leaderEpoch)
		}
		return cmp.Or(out, "none")
	}
	f.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

// err is the error of a follower's log that an argument names.
func (f *fetchScript) err(d *datadriven.TestData) error {
	var kind string
	d.MaybeScanArgs(f.t, "error", &kind)
	switch kind {
	case "":
		return nil
	case "corrupt":
		return fmt.Errorf("t-0: %w", &batch.CorruptError{Reason: "CRC"})
	case "full":
		return &logstore.DirError{Op: "write", Err: syscall.ENOSPC}
	case "disk":
		return &logstore.DirError{Op: "write", Err: syscall.EIO}
	case "position":
		return &FollowerOffsetError{}
	case "before-end":
		return &logstore.UnexpectedOffsetError{}
	case "role":
		return &StaleRoleError{}
	}
	f.t.Fatalf("%s: unknown error %s", d.Pos, kind)
	return nil
}

func (f *fetchScript) state(tp protocol.TopicPartition) string {
	p := f.s.partitions[tp]
	if p == nil {
		return "not fetched"
	}
	out := [...]string{"fetching", "truncating", "looking up", "failed"}[p.phase]
	out += fmt.Sprintf(" at %d, log epoch %d, log start %d", p.at.offset, p.at.epoch, p.at.start)
	if p.lag >= 0 {
		out += fmt.Sprintf(", lag %d", p.lag)
	}
	if p.due > 0 {
		out += fmt.Sprintf(", delayed until %d", p.due)
	}
	return out
}

func (f *fetchScript) request(r *kmsg.FetchRequest) string {
	if r == nil {
		return fmt.Sprintf("nothing; next look %d", f.s.nextLook(f.nowMs))
	}
	out := fmt.Sprintf("v%d replica=%d/%d session=%d/%d wait=%d min=%d max=%d\n", r.Version, max(r.ReplicaID, r.ReplicaState.ID), r.ReplicaState.Epoch,
		r.SessionID, r.SessionEpoch, r.MaxWaitMillis, r.MinBytes, r.MaxBytes)
	if r.Version == 17 && r.ReplicaID != -1 || r.IsolationLevel != 0 {
		out += "replica id and isolation level must not be set\n"
	}
	var lines []string
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			lines = append(lines, fmt.Sprintf("  %s(%d)-%d at %d epoch=%d last=%d start=%d max=%d\n", t.Topic, t.TopicID[15], p.Partition, p.FetchOffset,
				p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes))
		}
	}
	for _, t := range r.ForgottenTopics {
		for _, p := range t.Partitions {
			lines = append(lines, fmt.Sprintf("  forget %s(%d)-%d\n", t.Topic, t.TopicID[15], p))
		}
	}
	slices.Sort(lines)
	return out + strings.Join(lines, "")
}

func kerrNamed(name string) error {
	for code := int16(-1); code < 200; code++ {
		if e := kerr.TypedErrorForCode(code); e != nil && e.Message == name {
			return e
		}
	}
	return errors.New("no error is called " + name)
}

// codeNamed gives the code of an error.
func codeNamed(t *testing.T, name string) int16 {
	e, ok := errors.AsType[*kerr.Error](kerrNamed(name))
	if !ok {
		t.Fatalf("no error is called %s", name)
	}
	return e.Code
}

// answer reads the leader's answer. Topics have the id 1 unless the line says otherwise.
func (f *fetchScript) answer(d *datadriven.TestData) string {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.SessionID = 17, int32(f.num(d, "session", 7))
	var name string
	if d.MaybeScanArgs(f.t, "error", &name) {
		resp.ErrorCode = codeNamed(f.t, name)
	}
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		tp := parsePartition(words[0])
		t, p := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		t.Topic, t.TopicID[15], p.Partition = tp.Topic, 1, tp.Partition
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			n, _ := strconv.ParseInt(value, 10, 64)
			switch key {
			case "id":
				t.TopicID[15] = byte(n)
			case "hw":
				p.HighWatermark = n
			case "error":
				p.ErrorCode = codeNamed(f.t, value)
			case "diverging":
				_, err := fmt.Sscanf(value, "%d@%d", &p.DivergingEpoch.Epoch, &p.DivergingEpoch.EndOffset)
				if err != nil {
					f.t.Fatalf("%s: %v", d.Pos, err)
				}
			default:
				f.t.Fatalf("%s: unknown word %s", d.Pos, w)
			}
		}
		t.Partitions = append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
	}
	actions, err := f.s.handleResponse(f.nowMs, &f.set, resp)
	if err != nil {
		return err.Error() + fmt.Sprintf("; then session=%d/%d", f.s.session.id, f.s.session.epoch)
	}
	var out string
	for _, a := range actions {
		out += fmt.Sprintf("%s %s\n", [...]string{"append to", "truncate"}[a.do], a.p.tp)
	}
	return cmp.Or(out, "nothing to do")
}
