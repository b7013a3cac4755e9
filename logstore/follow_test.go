package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"reflect"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// sent builds a batch as a leader sends it.
func sent(t testing.TB, offset int64, epoch int32, s spec) []byte {
	data := build(t, s)
	batch.SetOffsets(data, offset, epoch)
	return data
}

// follower is a log that has appended these batches.
func follower(t testing.TB, records ...[]byte) *Log {
	t.Helper()
	l := mustOpen(t, testOptions(newMemDisk(t), DefaultConfig()))
	if r, err := l.AppendAsFollower(bytes.Join(records, nil), 100, testNow); err != nil || r != len(bytes.Join(records, nil)) {
		t.Fatalf("%+v, %v", r, err)
	}
	return l
}

// copied is a leader's log and a follower's, which fetches from it now and then.
type copied struct {
	t                *testing.T
	rnd              *rand.Rand
	leader, follower *Log
	disk             *vfs.Mem // the follower's
	o                Options
	epoch            int32
	seq              [4]int32
	flushed          int64
}

func newCopied(t *testing.T, seed uint64) *copied {
	c := &copied{t: t, rnd: rand.New(rand.NewPCG(seed, 3)), disk: newMemDisk(t)}
	config := func() (x Config) {
		x = DefaultConfig()
		x.SegmentBytes = []int32{800, 2000, 1 << 20}[c.rnd.IntN(3)]
		x.IndexIntervalBytes = []int32{1, 300, 4096}[c.rnd.IntN(3)]
		x.IndexBytes = []int32{60, 10 << 20}[c.rnd.IntN(2)]
		x.ProducerExpirationMs = 1 << 50
		return x
	}
	c.leader = mustOpen(t, testOptions(newMemDisk(t), config()))
	c.o = testOptions(c.disk, config())
	c.o.Settle = settleIn(c.disk)
	c.follower = mustOpen(t, c.o)
	return c
}

func (c *copied) append() {
	if c.rnd.IntN(8) == 0 {
		c.epoch += 1 + c.rnd.Int32N(2)
	}
	s := spec{count: 1 + c.rnd.IntN(4), size: c.rnd.IntN(120), ts: testNow + c.rnd.Int64N(100), codec: batch.Codec(c.rnd.IntN(5))}
	if id := c.rnd.IntN(len(c.seq) + 1); id < len(c.seq) {
		s.idem, s.pid, s.seq = true, int64(id), c.seq[id]
		c.seq[id] += int32(s.count)
	}
	ok(c.t, appendOne(c.t, c.leader, build(c.t, s), c.epoch, testNow).Err)
}

// fetch copies some batches, with a part of one behind them as Apache's broker sends it.
func (c *copied) fetch() {
	c.t.Helper()
	from, end := c.follower.EndOffset(), c.leader.EndOffset()
	region, err := c.leader.Read(from, 1+c.rnd.IntN(2000), end, true)
	ok(c.t, err)
	records := readBytes(c.t, &region)
	region.Release()
	if n := len(records); n > 0 && c.rnd.IntN(2) == 0 {
		rest := build(c.t, spec{size: 50})
		records = append(records[:n:n], rest[:c.rnd.IntN(len(rest))]...)
	}
	given := bytes.Clone(records)
	size, err := c.follower.AppendAsFollower(records, c.epoch, testNow)
	if err != nil || size == 0 && from < end || !bytes.Equal(given, records) {
		c.t.Fatalf("from %d of %d: %d bytes, %v", from, end, size, err)
	}
}

// stop kills the follower's process, or its machine, and starts it again.
func (c *copied) stop() {
	c.o.RecoveryPoint, c.o.Clean = c.follower.RecoveryPoint(), false
	kind := c.rnd.IntN(3)
	if kind == 0 {
		ok(c.t, c.follower.Close())
		c.o.Clean = true
	} else {
		c.follower.Discard()
	}
	end := c.follower.EndOffset()
	if c.disk = c.disk.Clone(); kind == 2 {
		c.disk, end = c.disk.CrashClone(c.rnd.Uint64()), c.flushed
	}
	c.o.FS, c.o.Settle = c.disk, settleIn(c.disk)
	c.follower = mustOpen(c.t, c.o)
	if got := c.follower.EndOffset(); got < end {
		c.t.Fatalf("the log ends at %d, want %d", got, end)
	}
}

// compare says how the follower's log differs from the leader's.
func (c *copied) compare() error {
	end := c.leader.EndOffset()
	if got := c.follower.EndOffset(); got != end {
		return fmt.Errorf("ends %d and %d", end, got)
	}
	if !bytes.Equal(readAll(c.t, c.leader, 0, 1<<20), readAll(c.t, c.follower, 0, 1<<20)) {
		return errors.New("records differ")
	}
	if !reflect.DeepEqual(c.leader.epochs.entries, c.follower.epochs.entries) {
		return fmt.Errorf("epochs %v and %v", c.leader.epochs.entries, c.follower.epochs.entries)
	}
	if p, q := c.leader.ActiveProducers(), c.follower.ActiveProducers(); !reflect.DeepEqual(p, q) {
		return fmt.Errorf("producers %+v and %+v", p, q)
	}
	return checkIndexes(c.follower)
}

// TestFollowerIsACopyOfItsLeader fetches with random settings, amid flushes and restarts.
func TestFollowerIsACopyOfItsLeader(t *testing.T) {
	for seed := range uint64(30) {
		c := newCopied(t, seed)
		for range 300 {
			switch n := c.rnd.IntN(100); {
			case n < 60:
				c.append()
			case n < 92:
				c.fetch()
			case n < 96:
				c.flushed = c.follower.EndOffset()
				flushTo(t, c.follower, c.flushed)
			default:
				c.stop()
			}
		}
		for c.follower.EndOffset() < c.leader.EndOffset() {
			c.fetch()
		}
		if err := c.compare(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestFollowersAppendSurvivesACrashAtEachPoint has each answer hold batches of several segments and leader epochs.
func TestFollowersAppendSurvivesACrashAtEachPoint(t *testing.T) {
	r := newTruncation(t, 500)
	var all []byte
	for i := range int64(40) {
		data := sent(t, i*2, int32(i/7), spec{count: 2, size: 10 + int(i*17)%90, ts: testNow + i, idem: true, pid: i % 3, seq: int32(i / 3 * 2)})
		h, err := batch.ParseHeader(data)
		ok(t, err)
		r.now = append(r.now, stored{h, data})
		all = append(all, data...)
	}
	r.cut = true
	r.crashes("append", func() {
		for n := 1; len(all) > 0; n++ {
			end := 0
			for range min(n, len(r.now)) {
				if end < len(all) {
					h, err := batch.ParseHeader(all[end:])
					ok(t, err)
					end += h.Size()
				}
			}
			size, err := r.l.AppendAsFollower(all[:end], 100, testNow)
			if err != nil || size != end {
				t.Fatalf("%d of %d bytes, %v", size, end, err)
			}
			all = all[end:]
			flushTo(t, r.l, r.l.EndOffset())
			r.checkpoint()
		}
	})
	if err := checkContent(r.l, r.now); err != nil {
		t.Error(err)
	}
}

// TestFollowerTakesNothingBehindWhatIsWrong: of an answer the batches before are appended, and the error says what is wrong.
func TestFollowerTakesNothingBehindWhatIsWrong(t *testing.T) {
	change := func(f func(b []byte)) func([]byte) { return f }
	resum := func(b []byte) {
		binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[batch.CRCFrom:], crc32.MakeTable(crc32.Castagnoli)))
	}
	for what, f := range map[string]func([]byte){
		"a flipped bit":             change(func(b []byte) { b[len(b)-1] ^= 1 }),
		"an offset that goes back":  change(func(b []byte) { batch.SetOffsets(b, 3, 5) }),
		"a negative offset":         change(func(b []byte) { batch.SetOffsets(b, -4, 5) }),
		"the largest offset":        change(func(b []byte) { batch.SetOffsets(b, math.MaxInt64, 5) }),
		"a negative last offset":    change(func(b []byte) { binary.BigEndian.PutUint32(b[23:], 1<<31); resum(b) }),
		"more records than offsets": change(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 9); resum(b) }),
		"a negative record count":   change(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 1<<31); resum(b) }),
		"a length below a header's": change(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 20) }),
		"a negative length":         change(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<31) }),
		"an unknown magic":          change(func(b []byte) { b[16] = 7 }),
		"magic 1 with another form": change(func(b []byte) { b[16] = 1 }),
	} {
		l := follower(t, sent(t, 0, 5, spec{count: 2}))
		good, bad := sent(t, 2, 5, spec{count: 2}), sent(t, 4, 5, spec{count: 2, size: 30})
		f(bad)
		r, err := l.AppendAsFollower(bytes.Join([][]byte{good, bad, sent(t, 6, 5, spec{})}, nil), 5, testNow)
		var corrupt *batch.CorruptError
		if !errors.As(err, &corrupt) || r != len(good) || l.EndOffset() != 4 || l.Err() != nil {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

// TestFollowerLeavesOutWhatIsNotWhole: Apache's broker cuts its answers anywhere.
func TestFollowerLeavesOutWhatIsNotWhole(t *testing.T) {
	next := sent(t, 2, 5, spec{count: 2})
	for n := range next {
		l := follower(t, sent(t, 0, 5, spec{count: 2}))
		if r, err := l.AppendAsFollower(next[:n], 5, testNow); err != nil || r != 0 || l.EndOffset() != 2 {
			t.Errorf("%d bytes: %+v, %v", n, r, err)
		}
	}
}

// TestFollowerLeavesOutALaterLeadersBatches: the leader was elected anew between its check of the epoch and its read. A follower that
// knows of the old epoch alone would truncate by it.
func TestFollowerLeavesOutALaterLeadersBatches(t *testing.T) {
	l := follower(t, sent(t, 0, 5, spec{}))
	r, err := l.AppendAsFollower(bytes.Join([][]byte{sent(t, 1, 5, spec{}), sent(t, 2, 6, spec{}), sent(t, 3, 5, spec{})}, nil), 5, testNow)
	if err != nil || l.EndOffset() != 2 || l.LatestEpoch() != 5 {
		t.Errorf("%+v, epoch %d, %v", r, l.LatestEpoch(), err)
	}
}

// TestFollowerRefusesABatchBeforeItsEnd: what was asked for at another position is not appended.
func TestFollowerRefusesABatchBeforeItsEnd(t *testing.T) {
	l := follower(t, sent(t, 0, 5, spec{count: 4}))
	for _, first := range []int64{0, 2, 3} {
		var unexpected *UnexpectedOffsetError
		r, err := l.AppendAsFollower(sent(t, first, 5, spec{count: 4}), 5, testNow)
		if !errors.As(err, &unexpected) || *unexpected != (UnexpectedOffsetError{"t-0", first, first + 3, 4}) || l.EndOffset() != 4 {
			t.Errorf("at %d: %+v, %v", first, r, err)
		}
	}
	// A gap is what compaction left at the leader.
	if r, err := l.AppendAsFollower(sent(t, 9, 6, spec{count: 4}), 6, testNow); err != nil || l.EndOffset() != 13 || l.EpochAt(8) != 5 || l.EpochAt(9) != 6 {
		t.Errorf("behind a gap: %+v, epochs %v, %v", r, epochsAt(l), err)
	}
}

// TestEmptyLogBeginsWithinABatch: the leader's records were deleted up to an offset within a batch, and the leader sends the batch as a
// whole (KAFKA-6975). The log start offset stays, over a restart too.
func TestEmptyLogBeginsWithinABatch(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/d")
	s := openStore(t, o)
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, l.TruncateFullyAndStartAt(7, testNow))
	for _, first := range []int64{2, 8} {
		data := sent(t, first, 1, spec{count: 4})
		if r, err := l.AppendAsFollower(data, 1, testNow); first == 2 && !errors.As(err, new(*UnexpectedOffsetError)) || first == 8 && (err != nil || l.EndOffset() != 12) {
			t.Fatalf("from %d: %+v, %v", first, r, err)
		}
	}
	ok(t, l.TruncateFullyAndStartAt(7, testNow))
	_, err := l.AppendAsFollower(append(sent(t, 5, 1, spec{count: 4}), sent(t, 9, 1, spec{})...), 1, testNow)
	if start, end := l.Offsets(); err != nil || start != 7 || end != 10 || l.EpochAt(7) != 1 {
		t.Fatalf("%d..%d, %v", start, end, err)
	}
	flushTo(t, l, 10)
	s.checkpointAll(recoveryPointCheckpoint)
	afterPowerCut(t, disk, o, func(s *Store) error {
		l, err := s.Get(tpOf("t", 0))
		if err != nil {
			return err
		}
		if start, end := l.Offsets(); start != 7 || end != 10 {
			return fmt.Errorf("%d..%d", start, end)
		}
		return nil
	})
	closeStore(t, s)
}

// TestFollowerTakesOldMessages: a leader may have messages of magic 0 and 1 from long ago. They know no leader epoch, and a follower
// that kept one would truncate by it.
func TestFollowerTakesOldMessages(t *testing.T) {
	l := follower(t, oldMessage(0, 0, 0, "old"), oldMessage(1, 1, testNow, "old"), oldMessage(0, 2, 0, "old"))
	if l.EndOffset() != 3 || l.LatestEpoch() != -1 {
		t.Fatalf("end %d, epoch %d", l.EndOffset(), l.LatestEpoch())
	}
	l = follower(t, sent(t, 0, 4, spec{}), oldMessage(1, 1, testNow, "old"))
	if l.LatestEpoch() != -1 {
		t.Errorf("epoch %d behind an old message", l.LatestEpoch())
	}
	bad := oldMessage(1, 2, testNow, "old")
	bad[len(bad)-1] ^= 1
	if r, err := l.AppendAsFollower(bad, 9, testNow); !errors.As(err, new(*batch.CorruptError)) || l.EndOffset() != 2 {
		t.Errorf("a corrupt one: %+v, %v", r, err)
	}
}

// TestFollowerDecodesNoRecord has records that no codec can read, with the right CRC.
func TestFollowerDecodesNoRecord(t *testing.T) {
	data := sent(t, 0, 1, spec{count: 3, size: 100, codec: batch.Zstd})
	for i := batch.HeaderSize; i < len(data); i++ {
		data[i] = byte(i)
	}
	binary.BigEndian.PutUint32(data[17:], crc32.Checksum(data[batch.CRCFrom:], crc32.MakeTable(crc32.Castagnoli)))
	follower(t, data)
}

// TestFollowerWritesOnceForEachSegment counts the system calls of an answer with many batches.
func TestFollowerWritesOnceForEachSegment(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	o.Config.SegmentBytes = 10_000
	l := mustOpen(t, o)
	var records []byte
	for i := range int64(150) {
		records = append(records, sent(t, i, 1, spec{size: 50})...)
	}
	writes := 0
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpWrite && op.Path[len(op.Path)-4:] == ".log" {
			writes++
		}
	})
	if _, err := l.AppendAsFollower(records, 1, testNow); err != nil || l.Segments() < 2 || writes != l.Segments() {
		t.Errorf("%d writes for %d segments, %v", writes, l.Segments(), err)
	}
}

// TestFollowersFailedWriteLeavesNothing: of an answer over two segments the second cannot be written.
func TestFollowersFailedWriteLeavesNothing(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	o.Config.SegmentBytes = 200
	l := mustOpen(t, o)
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: "*.log", Nth: 2, Err: syscall.ENOSPC, Short: true})
	records := append(sent(t, 0, 1, spec{size: 50}), sent(t, 1, 2, spec{size: 50})...)
	r, err := l.AppendAsFollower(records, 2, testNow)
	if !errors.Is(err, syscall.ENOSPC) || l.EndOffset() != 1 || r != len(records)/2 || l.LatestEpoch() != 1 || l.Err() != nil {
		t.Fatalf("%+v, epoch %d, %v", r, l.LatestEpoch(), err)
	}
	stop()
	if r, err := l.AppendAsFollower(records[len(records)/2:], 2, testNow); err != nil || l.EndOffset() != 2 || l.LatestEpoch() != 2 {
		t.Errorf("%+v, epoch %d, %v", r, l.LatestEpoch(), err)
	}
}

// TestFollowerOverAGapLargerThanASegment: compaction may leave more than 2^31 offsets without a record, which no segment can hold.
func TestFollowerOverAGapLargerThanASegment(t *testing.T) {
	for _, before := range []int64{0, 3} {
		l := mustOpen(t, testOptions(newMemDisk(t), DefaultConfig()))
		if before > 0 {
			_, err := l.AppendAsFollower(sent(t, 0, 1, spec{count: int(before)}), 1, testNow)
			ok(t, err)
		}
		far := before + math.MaxInt32 + 1000
		data := sent(t, far, 1, spec{count: 2})
		if r, err := l.AppendAsFollower(data, 1, testNow); err != nil || l.EndOffset() != far+2 {
			t.Fatalf("%+v, %v", r, err)
		}
		region, err := l.Read(before, 1<<20, math.MaxInt64, true)
		ok(t, err)
		if got := readBytes(t, &region); !bytes.Equal(got, data) {
			t.Errorf("read %d bytes over the gap", len(got))
		}
		region.Release()
		ok(t, checkIndexes(l))
		ok(t, l.Close())
	}
}

// BenchmarkFollowersAppend appends one answer of 1 MB with batches of 16 KB.
func BenchmarkFollowersAppend(b *testing.B) {
	o := testOptions(vfs.OS{}, DefaultConfig())
	o.Dir = b.TempDir()
	l := mustOpen(b, o)
	data := build(b, spec{count: 16, size: 1000, idem: true, pid: 1})
	var records []byte
	for len(records) < 1<<20 {
		records = append(records, data...)
	}
	b.SetBytes(int64(len(records)))
	b.ReportAllocs()
	next := int64(0)
	for b.Loop() {
		for at := 0; at < len(records); at += len(data) {
			batch.SetOffsets(records[at:], next, 1)
			next += 16
		}
		if r, err := l.AppendAsFollower(records, 1, testNow); err != nil || l.EndOffset() != next {
			b.Fatal(r, err)
		}
		if next%(16*64*256) == 0 { // keep the disk small
			l.SetHighWatermark(next)
			ok(b, l.TruncateFullyAndStartAt(next, testNow))
		}
	}
}
