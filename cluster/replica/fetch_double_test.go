package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// doubleID is the id of the topic that all doubles have.
var doubleID = protocol.UUID{1}

// logDouble is one replica of a partition: a real log on a disk in memory, with what a broker knows of its role. It is a followedLog for fetchers,
// and the log that a leaderDouble serves.
type logDouble struct {
	t    testing.TB
	id   int32
	tp   protocol.TopicPartition
	disk *vfs.Mem
	o    logstore.Options
	log  *logstore.Log

	// What the broker was told last.
	leader, epoch int32
	isr           []int32
	epochStart    int64
	hw            int64
	// As leader: where the others fetch from, and their log starts.
	ends map[int32]int64
}

// doubleNow is the time in tests, in ms.
const doubleNow = 1_700_000_000_000

func newLogDouble(t testing.TB, id int32, tp protocol.TopicPartition, c logstore.Config) *logDouble {
	t.Helper()
	d := &logDouble{t: t, id: id, tp: tp, disk: vfs.NewMem(), leader: -1, epoch: -1, ends: map[int32]int64{}}
	if err := errors.Join(d.disk.MkdirAll("/log"), d.disk.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	d.o = logstore.Options{FS: d.disk, Dir: "/log", Partition: tp, Config: c, NowMs: doubleNow, Background: func(f func()) { f() }}
	d.open()
	return d
}

func (d *logDouble) open() {
	d.t.Helper()
	var err error
	if d.log, err = logstore.OpenLog(d.o); err != nil {
		d.t.Fatal(err)
	}
	d.hw = d.log.SetHighWatermark(d.hw)
}

// kill ends the process and starts it again; with a seed above 0 the machine. Its roles are gone.
func (d *logDouble) kill(seed uint64) {
	d.o.RecoveryPoint, d.o.StartOffset = d.log.RecoveryPoint(), d.log.StartOffset()
	d.log.Discard()
	if seed > 0 {
		d.disk = d.disk.CrashClone(seed)
	} else {
		d.disk = d.disk.Clone()
	}
	d.o.FS = d.disk
	d.leader, d.epoch, d.isr, d.ends = -1, -1, nil, map[int32]int64{}
	d.open()
}

func (d *logDouble) Log() *logstore.Log   { return d.log }
func (d *logDouble) HighWatermark() int64 { return d.hw }

func (d *logDouble) check(leaderEpoch int32) error {
	if d.leader == d.id || d.epoch != leaderEpoch {
		return &StaleRoleError{Partition: d.tp, Requested: leaderEpoch, Current: d.epoch}
	}
	return nil
}

func (d *logDouble) AppendAsFollower(records []byte, fetchOffset, leaderHW, leaderLogStart int64, leaderEpoch int32) (int64, error) {
	if err := d.check(leaderEpoch); err != nil {
		return 0, err
	}
	if end := d.log.EndOffset(); end != fetchOffset {
		return end, &FollowerOffsetError{Partition: d.tp, Fetched: fetchOffset, End: end}
	}
	_, err := d.log.AppendAsFollower(records, leaderEpoch, doubleNow)
	d.setHW(max(d.hw, leaderHW))
	if start := min(leaderLogStart, d.hw); err == nil && start > d.log.StartOffset() {
		_, err = d.log.DeleteRecordsBefore(start)
	}
	return d.log.EndOffset(), err
}

func (d *logDouble) setHW(hw int64) { d.hw = d.log.SetHighWatermark(hw) }

func (d *logDouble) TruncateAsFollower(offset int64, leaderEpoch int32) error {
	if err := d.check(leaderEpoch); err != nil {
		return err
	}
	defer func() { d.hw = d.log.HighWatermark() }()
	return d.log.TruncateTo(offset, doubleNow)
}

func (d *logDouble) TruncateFullyAndStartAt(offset int64, leaderEpoch int32) error {
	if err := d.check(leaderEpoch); err != nil {
		return err
	}
	defer func() { d.hw = d.log.HighWatermark() }()
	return d.log.TruncateFullyAndStartAt(offset, doubleNow)
}

// follow is what a Manager tells the fetchers when the broker begins to follow.
func (d *logDouble) follow(leader, epoch int32) fetchOrder {
	d.leader, d.epoch, d.isr, d.ends = leader, epoch, nil, map[int32]int64{}
	o := fetchOrder{tp: d.tp, topicID: doubleID, leader: leader, leaderEpoch: epoch, at: positionOf(d.log), log: d}
	if o.at.epoch < 0 {
		o.at.offset, o.truncating = d.hw, true
	}
	return o
}

// lead makes the broker the leader.
func (d *logDouble) lead(epoch int32, isr []int32) {
	if d.leader != d.id {
		d.ends = map[int32]int64{}
	}
	d.leader, d.epoch, d.isr, d.epochStart = d.id, epoch, isr, d.log.EndOffset()
	d.log.AssignLeaderEpoch(epoch)
	d.advance()
}

// produce appends records at the leader.
func (d *logDouble) produce(records, size int) {
	d.t.Helper()
	b := batch.NewBuilder(batch.None)
	for range records {
		b.Add(doubleNow, nil, make([]byte, size))
	}
	data, err := b.Build()
	if err != nil {
		d.t.Fatal(err)
	}
	h, _ := batch.ParseHeader(data)
	a := []logstore.Append{{Data: data, Header: h}}
	if d.log.Append(a, d.epoch, doubleNow); a[0].Result.Err != nil {
		d.t.Fatal(a[0].Result.Err)
	}
	d.advance()
}

// advance moves the high watermark to where the replicas in sync are.
func (d *logDouble) advance() {
	hw := d.log.EndOffset()
	for _, id := range d.isr {
		if id != d.id {
			hw = min(hw, d.ends[id])
		}
	}
	if hw > d.hw {
		d.setHW(hw)
	}
}

// leaderDouble serves the logs of one broker to one follower's fetcher: it is a LeaderConn that answers at once. It keeps the rules of Fetch and of
// its sessions, and fails the test where the follower breaks them.
type leaderDouble struct {
	t        testing.TB
	rnd      *rand.Rand // nil: nothing goes wrong
	logs     map[protocol.TopicPartition]*logDouble
	follower int32
	// session is the one that the leader knows; 0 if none. It survives a connection.
	session, sessionEpoch int32
	sessions              int32 // how many there were
	members               map[protocol.TopicPartition]*memberDouble
	fetches               int
	closed                bool
}

// memberDouble is a partition of a session.
type memberDouble struct {
	kmsg.FetchRequestTopicPartition
	hw, start int64 // what the last answer had
}

func (l *leaderDouble) chance(of int) bool { return l.rnd != nil && l.rnd.IntN(of) == 0 }

// Answering implements LeaderConn.
func (l *leaderDouble) Answering() bool { return false }

func (l *leaderDouble) Close() { l.closed = true }

// Fetch implements LeaderConn.
func (l *leaderDouble) Fetch(_ context.Context, req *kmsg.FetchRequest) (*kmsg.FetchResponse, func(), error) {
	l.fetches++
	if req.Version != 17 || req.ReplicaState.ID != l.follower || req.ReplicaID != -1 {
		l.t.Fatalf("fetch version %d of %d/%d", req.Version, req.ReplicaState.ID, req.ReplicaID)
	}
	if l.closed || l.chance(40) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	if l.chance(40) { // other followers need the room
		l.session = 0
	}
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = req.Version
	full := l.enter(req, resp)
	if resp.ErrorCode != 0 {
		return resp, func() {}, nil
	}
	for tp, m := range l.members {
		l.answer(resp, tp, m, full)
	}
	if l.chance(30) { // no room for the session
		l.session, resp.SessionID = 0, 0
	}
	if l.chance(40) { // the answer is lost
		return nil, nil, io.ErrUnexpectedEOF
	}
	return resp, func() {}, nil
}

// enter brings the session up to date.
func (l *leaderDouble) enter(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) (full bool) {
	switch {
	case req.SessionEpoch == 0:
		full = true
		l.sessions++
		l.session, l.sessionEpoch, l.members = l.sessions, 1, map[protocol.TopicPartition]*memberDouble{}
	case l.session != req.SessionID:
		resp.ErrorCode = kerr.FetchSessionIDNotFound.Code
		return false
	case l.sessionEpoch != req.SessionEpoch:
		l.t.Fatalf("session epoch %d, want %d", req.SessionEpoch, l.sessionEpoch)
	default:
		l.sessionEpoch++
	}
	resp.SessionID = l.session
	for _, t := range req.ForgottenTopics {
		for _, p := range t.Partitions {
			tp := protocol.TopicPartition{Topic: "t", Partition: p}
			if l.members[tp] == nil {
				l.t.Fatalf("partition %d is forgotten, and not in the session", p)
			}
			delete(l.members, tp)
		}
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			tp := protocol.TopicPartition{Topic: "t", Partition: p.Partition}
			m := l.members[tp]
			if m == nil {
				m = &memberDouble{hw: -1, start: -1}
				l.members[tp] = m
			}
			m.FetchRequestTopicPartition = p
		}
	}
	return full
}

// answer adds the answer for one partition, unless the follower knows all.
func (l *leaderDouble) answer(resp *kmsg.FetchResponse, tp protocol.TopicPartition, m *memberDouble, full bool) {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.HighWatermark, p.LogStartOffset = tp.Partition, -1, -1
	d := l.logs[tp]
	err := l.refuses(d, m.CurrentLeaderEpoch)
	if err == nil {
		err = l.read(d, m, &p)
	}
	if err != nil {
		p.ErrorCode, m.hw = err.Code, -1
	}
	if full || err != nil || p.DivergingEpoch.Epoch >= 0 || len(p.RecordBatches) > 0 || p.HighWatermark != m.hw || p.LogStartOffset != m.start {
		t := kmsg.NewFetchResponseTopic()
		t.TopicID, t.Partitions = doubleID, []kmsg.FetchResponseTopicPartition{p}
		resp.Topics = append(resp.Topics, t)
	}
	if err == nil {
		m.hw, m.start = p.HighWatermark, p.LogStartOffset
	}
}

func (l *leaderDouble) refuses(d *logDouble, epoch int32) *kerr.Error {
	switch {
	case d == nil:
		return kerr.UnknownTopicOrPartition
	case epoch < d.epoch:
		return kerr.FencedLeaderEpoch
	case epoch > d.epoch:
		return kerr.UnknownLeaderEpoch
	case d.leader != d.id:
		return kerr.NotLeaderForPartition
	}
	return nil
}

// read reads as a follower (Partition.readRecords of Apache Kafka).
func (l *leaderDouble) read(d *logDouble, m *memberDouble, p *kmsg.FetchResponseTopicPartition) *kerr.Error {
	start, end := d.log.Offsets()
	if m.LastFetchedEpoch >= 0 {
		epoch, epochEnd, ok := d.log.EndOffsetForEpoch(m.LastFetchedEpoch)
		if !ok || m.FetchOffset < start {
			return kerr.OffsetOutOfRange
		}
		if epoch < m.LastFetchedEpoch || epochEnd < m.FetchOffset {
			p.HighWatermark, p.LogStartOffset = d.hw, start
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = epoch, epochEnd
			return nil
		}
	}
	if m.FetchOffset < start || m.FetchOffset > end {
		return kerr.OffsetOutOfRange
	}
	most := int(m.PartitionMaxBytes)
	if l.rnd != nil {
		most = 1 + l.rnd.IntN(600)
	}
	region, err := d.log.Read(m.FetchOffset, most, end, true)
	if err != nil {
		l.t.Fatal(err)
	}
	defer region.Release()
	p.RecordBatches = make([]byte, region.Len, region.Len+1)
	if _, err := region.ReadAt(p.RecordBatches, 0); err != nil && err != io.EOF {
		l.t.Fatal(err)
	}
	if n := len(p.RecordBatches); n > 0 && l.chance(3) { // as Apache's broker cuts its answers
		p.RecordBatches = append(p.RecordBatches, p.RecordBatches[:l.rnd.IntN(n)]...)
	}
	d.ends[l.follower] = m.FetchOffset
	if !slices.Contains(d.isr, l.follower) && m.FetchOffset >= d.hw && m.FetchOffset >= d.epochStart {
		d.isr = append(slices.Clip(d.isr), l.follower)
	}
	d.advance()
	p.HighWatermark, p.LogStartOffset = d.hw, start
	return nil
}

// Request implements LeaderConn for ListOffsets.
func (l *leaderDouble) Request(_ context.Context, r kmsg.Request) (kmsg.Response, error) {
	req, ok := r.(*kmsg.ListOffsetsRequest)
	if !ok || req.Version != 9 || req.ReplicaID != l.follower {
		l.t.Fatalf("%T", r)
	}
	if l.closed || l.chance(5) {
		return nil, io.ErrUnexpectedEOF
	}
	resp := kmsg.NewPtrListOffsetsResponse()
	for _, t := range req.Topics {
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			d := l.logs[protocol.TopicPartition{Topic: t.Topic, Partition: p.Partition}]
			a := kmsg.NewListOffsetsResponseTopicPartition()
			a.Partition = p.Partition
			if err := l.refuses(d, p.CurrentLeaderEpoch); err != nil {
				a.ErrorCode = err.Code
			} else if a.Offset = d.log.StartOffset(); p.Timestamp == -1 {
				a.Offset = d.log.EndOffset()
			}
			out.Partitions = append(out.Partitions, a)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// records reads a log from an offset on.
func (d *logDouble) records(from int64) (all []byte) {
	d.t.Helper()
	for end := d.log.EndOffset(); from < end; {
		region, err := d.log.Read(from, 1<<20, end, true)
		if err != nil {
			d.t.Fatal(err)
		}
		b := make([]byte, region.Len)
		if _, err := region.ReadAt(b, 0); err != nil && err != io.EOF {
			d.t.Fatal(err)
		}
		region.Release()
		for at := 0; at < len(b); {
			h, err := batch.ParseHeader(b[at:])
			if err != nil {
				d.t.Fatal(err)
			}
			from = h.NextOffset()
			at += h.Size()
		}
		all = append(all, b...)
	}
	return all
}

// checkEpochs holds the log's leader epochs against those of its batches.
func (d *logDouble) checkEpochs(from int64) {
	d.t.Helper()
	for b := d.records(from); len(b) > 0; {
		h, err := batch.ParseHeader(b)
		if err != nil {
			d.t.Fatal(err)
		}
		for o := max(h.BaseOffset, from); o <= h.LastOffset(); o++ {
			if epoch := d.log.EpochAt(o); epoch != h.PartitionLeaderEpoch {
				d.t.Fatalf("%v: leader epoch %d at offset %d, and the batch has %d", d, epoch, o, h.PartitionLeaderEpoch)
			}
		}
		b = b[h.Size():]
	}
}

func (d *logDouble) String() string {
	start, end := d.log.Offsets()
	return fmt.Sprintf("broker %d: log %d..%d, high watermark %d, epoch %d of leader %d, ISR %v", d.id, start, end, d.hw, d.epoch, d.leader, d.isr)
}
