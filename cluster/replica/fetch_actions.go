package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
)

// carryOut does what an answer asks for in one partition, unless the partition is not where it was asked for any more.
func (f *fetcher) carryOut(a *fetchAction, set *Settings) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := a.p
	if !p.current() {
		return
	}
	if a.do == doTruncate {
		d := &a.answer.DivergingEpoch
		offset := truncationOffset(d.Epoch, d.EndOffset, p.at.offset, p.log.HighWatermark(), p.log.Log().EndOffsetForEpoch)
		f.logger.Info("the log diverges from the leader's", "partition", p.tp.String(), "log_end_offset", p.at.offset, "own_leader_epoch", p.at.epoch,
			"leader_epoch", d.Epoch, "leader_log_end_offset", d.EndOffset, "truncated_to", offset)
		f.truncateLocked(p, set, offset, p.log.TruncateAsFollower)
		return
	}
	records := a.answer.RecordBatches
	_, err := p.log.AppendAsFollower(records, p.at.offset, a.answer.HighWatermark, a.answer.LogStartOffset, p.leaderEpoch)
	if len(records) > 0 && f.o.FollowerRate != nil && p.isThrottled() {
		f.o.FollowerRate.Record(f.pool.nowMs(), int64(len(records)))
	}
	if unexpected, ok := errors.AsType[*logstore.UnexpectedOffsetError](err); ok && a.answer.LogStartOffset >= unexpected.End {
		// The leader's log starts within a batch, at or past the end of this log, of which the leader has nothing any more. An empty log
		// can take the batch.
		f.truncateLocked(p, set, unexpected.End, p.log.TruncateFullyAndStartAt)
		return
	}
	f.tellBroken(p, err)
	f.state.appended(p, f.pool.nowMs(), set, positionOf(p.log.Log()), a.answer.HighWatermark, err)
}

// truncateLocked truncates a partition's log. The caller holds mu.
func (f *fetcher) truncateLocked(p *fetched, set *Settings, offset int64, truncate func(offset int64, leaderEpoch int32) error) {
	if hw := p.log.HighWatermark(); offset < hw {
		f.logger.Warn("the log is truncated below its high watermark", "partition", p.tp.String(), "to", offset, "high_watermark", hw)
	}
	err := truncate(offset, p.leaderEpoch)
	f.tellBroken(p, err)
	f.state.truncated(p, f.pool.nowMs(), set, positionOf(p.log.Log()), err)
}

// tellBroken logs that a log could not be changed, the first time in a row.
func (f *fetcher) tellBroken(p *fetched, err error) {
	if err != nil && p.backoffMs == 0 && !errors.As(err, new(*StaleRoleError)) {
		f.logger.Warn("what the leader sent is not taken over", "partition", p.tp.String(), "tried_again", passing(err), "error", err)
	}
}

// logRefusals logs what the leader refuses for longer than a change of leaders takes: one line for all partitions with the same error.
func (f *fetcher) logRefusals() {
	f.mu.Lock()
	list := f.state.takeRefusals()
	f.mu.Unlock()
	for len(list) > 0 {
		first, all := list[0], len(list)
		list = slices.DeleteFunc(list, func(r fetchRefusal) bool { return r.failed == first.failed && errors.Is(r.err, first.err) })
		of := []any{"partitions", all - len(list), "first", first.tp.String()}
		if first.failed {
			f.logger.Info("the leader has a newer leader epoch; waiting for the controller's order", of...)
		} else {
			f.logger.Warn("the leader refuses partitions; trying again", append(of, "error", first.err)...)
		}
	}
}

// truncateToHighWatermarks truncates the logs that know no leader epoch. By their answers a leader cannot tell where they diverge, and
// nothing diverges below the high watermark.
func (f *fetcher) truncateToHighWatermarks(set *Settings) {
	for f.truncateNext(set) {
	}
}

func (f *fetcher) truncateNext(set *Settings) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.state.nextTruncating(f.pool.nowMs())
	if p == nil {
		return false
	}
	f.truncateLocked(p, set, p.at.offset, p.log.TruncateAsFollower)
	return true
}

// lookup is what a leader says of a partition whose follower is out of its range.
type lookup struct {
	p           *fetched
	leaderEpoch int32 // in which it was asked for
	start, end  int64
	err         error
}

// lookUp asks the leader for the range of the partitions that are out of it, and brings their logs into it.
func (f *fetcher) lookUp(ctx context.Context, set *Settings) {
	f.mu.Lock()
	list := f.state.takeLookups(f.pool.nowMs())
	f.mu.Unlock()
	if len(list) == 0 {
		return
	}
	conn, err := f.connect(ctx)
	for _, end := range []int64{latestOffset, earliestOffset} {
		if err == nil {
			err = f.askOffsets(ctx, conn, list, end)
		}
	}
	if err != nil {
		f.unanswered(ctx, set, err)
	}
	for i := range list {
		if l := &list[i]; err != nil {
			l.err = err
		}
		f.intoRange(&list[i], set)
	}
}

// intoRange brings a log into the range of its leader's.
func (f *fetcher) intoRange(l *lookup, set *Settings) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := l.p
	if p.gone || p.phase != lookingUp || p.leaderEpoch != l.leaderEpoch {
		return
	}
	if l.err != nil {
		f.state.refused(p, f.pool.nowMs(), set, l.err)
		return
	}
	offset, truncate, empty := outOfRange(p.log.Log().EndOffset(), l.start, l.end)
	f.logger.Warn("the log is out of its leader's range", "partition", p.tp.String(), "log_end_offset", p.at.offset, "leader_log_start_offset", l.start, "leader_log_end_offset", l.end,
		"fetched_from", offset)
	switch {
	case truncate:
		f.truncateLocked(p, set, offset, p.log.TruncateAsFollower)
	case empty:
		f.truncateLocked(p, set, offset, p.log.TruncateFullyAndStartAt)
	default:
		f.state.truncated(p, f.pool.nowMs(), set, positionOf(p.log.Log()), nil)
	}
}

// The timestamps of ListOffsets that ask for the ends of a log.
const (
	latestOffset   = -1
	earliestOffset = -2
)

// askOffsets asks the leader for one end of each partition's log.
func (f *fetcher) askOffsets(ctx context.Context, conn LeaderConn, list []lookup, timestamp int64) error {
	req := listOffsets(f.o.BrokerID, list, timestamp)
	answer, err := conn.Request(ctx, req)
	if err != nil {
		return err
	}
	resp, ok := answer.(*kmsg.ListOffsetsResponse)
	if !ok {
		return fmt.Errorf("%T is no answer to ListOffsets", answer)
	}
	type name struct {
		topic     string
		partition int32
	}
	answers := map[name]*kmsg.ListOffsetsResponseTopicPartition{}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			answers[name{t.Topic, t.Partitions[j].Partition}] = &t.Partitions[j]
		}
	}
	for i := range list {
		l := &list[i]
		switch a := answers[name{l.p.tp.Topic, l.p.tp.Partition}]; {
		case l.err != nil:
		case a == nil:
			l.err = fmt.Errorf("no answer for partition %s", l.p.tp)
		case a.ErrorCode != 0:
			l.err = kerr.ErrorForCode(a.ErrorCode)
		case a.Offset < 0:
			l.err = fmt.Errorf("the leader gives %d as an end of partition %s", a.Offset, l.p.tp)
		case timestamp == latestOffset:
			l.end = a.Offset
		default:
			l.start = a.Offset
		}
	}
	return nil
}

// listOffsets makes a request for one end of each partition's log, as a follower: the end is the log end offset then.
func listOffsets(broker int32, list []lookup, timestamp int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = listOffsetsVersion, broker
	topics := map[string]int{}
	for i := range list {
		tp := list[i].p.tp
		at, there := topics[tp.Topic]
		if !there {
			at = len(req.Topics)
			topics[tp.Topic] = at
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.Timestamp = tp.Partition, list[i].leaderEpoch, timestamp
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, p)
	}
	return req
}
