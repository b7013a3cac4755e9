package logstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"klamm/protocol"
	"klamm/protocol/batch"
)

func TestNames(t *testing.T) {
	tp := protocol.TopicPartition{Topic: "a-b.c", Partition: 12}
	tests := []struct {
		name string
		tp   protocol.TopicPartition
		kind DirKind
		ok   bool
	}{
		{"a-b.c-12", tp, DirLive, true},
		{"a-b.c-12.0123456789abcdef-delete", tp, DirDeleted, true},
		{"a-b.c-12.x-future", tp, DirFuture, true},
		{"a-b.c-12.x-stray", tp, DirStray, true},
		{"x-delete", protocol.TopicPartition{}, 0, false},
		{"plain", protocol.TopicPartition{}, 0, false},
		{"-3", protocol.TopicPartition{}, 0, false},
		{"t--3", protocol.TopicPartition{Topic: "t-", Partition: 3}, DirLive, true},
		{"t-x", protocol.TopicPartition{}, 0, false},
		{"t-99999999999", protocol.TopicPartition{}, 0, false},
	}
	for _, test := range tests {
		if tp, kind, ok := ParseDirName(test.name); ok != test.ok || ok && (tp != test.tp || kind != test.kind) {
			t.Errorf("%s: %v %v %v", test.name, tp, kind, ok)
		}
	}
	if got := DeletedDirName(tp, "u"); got != "a-b.c-12.u-delete" {
		t.Error(got)
	}
	long := protocol.TopicPartition{Topic: strings.Repeat("t", 249), Partition: 100}
	if got := DeletedDirName(long, strings.Repeat("0", 32)); len(got) != maxNameLength {
		t.Errorf("%d characters", len(got))
	}
	for name, want := range map[string]int64{"00000000000000000042.log": 42, "00000000000000000042.log.deleted": 42, "42.log": -1, "x.log": -1, "0000000000000000000x.log": -1} {
		if offset, _, ok := parseFileName(name); ok != (want >= 0) || ok && offset != want {
			t.Errorf("%s: %d %v", name, offset, ok)
		}
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	p, q := newProducer(), newProducer()
	p.epoch, p.coordinatorEpoch, p.txnFirstOffset = 3, 8, 70
	p.add(batchMeta{lastOffset: 77, timestamp: 5, lastSeq: 2, offsetDelta: 4})
	q.epoch, q.lastTimestamp = 1, 99 // only a marker was written
	want := map[int64]*producer{7: p, 1 << 40: q}
	data := encodeSnapshot(want)
	got, err := decodeSnapshot(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		if _, err := decodeSnapshot(bad); err == nil {
			t.Errorf("byte %d flipped and nobody saw it", i)
		}
		if _, err := decodeSnapshot(data[:i]); err == nil {
			t.Errorf("cut to %d bytes and nobody saw it", i)
		}
	}
	if m := (batchMeta{lastSeq: 2, offsetDelta: 4}); m.firstSeq() != 1<<31-1-1 {
		t.Errorf("first sequence %d before the wrap", m.firstSeq())
	}
}

// marker builds the control batch that ends a transaction.
func marker(t *testing.T, pid int64, epoch int16, commit bool, coordinatorEpoch int32) []byte {
	b := batch.Builder{}
	b.Reset()
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = pid, epoch, -1
	b.Transactional, b.Control = true, true
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	b.Add(testNow, key, binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(coordinatorEpoch)))
	data, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTransactionsAreCarried has a log with transactions, as Apache Kafka may
// have left it: the snapshot keeps what it says of them.
func TestTransactionsAreCarried(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	o.Config.ProducerExpirationMs = 1 << 50
	l := mustOpen(t, o)
	begin := func(pid int64) {
		b := batch.Builder{}
		b.Reset()
		b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = pid, 2, 0, true
		b.Add(testNow, nil, []byte("x"))
		data, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if r := appendOne(t, l, data, 0, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	begin(1)
	begin(2)
	a := []Append{toAppend(t, marker(t, 1, 2, true, 6))}
	a[0].Origin = FromCoordinator
	l.Append(a, 0, testNow)
	if a[0].Result.Err != nil {
		t.Fatal(a[0].Result.Err)
	}
	want := []ProducerState{
		{ProducerID: 1, ProducerEpoch: 2, LastSequence: 0, LastTimestampMs: testNow, CoordinatorEpoch: 6, CurrentTxnStartOffset: -1},
		{ProducerID: 2, ProducerEpoch: 2, LastSequence: 0, LastTimestampMs: testNow, CoordinatorEpoch: -1, CurrentTxnStartOffset: 1},
	}
	if got := l.ActiveProducers(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	o.FS = disk.Clone() // killed: rebuilt from the batches
	if got := mustOpen(t, o).ActiveProducers(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a kill: %+v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS, o.Clean = disk, true
	if got := mustOpen(t, o).ActiveProducers(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a clean stop: %+v", got)
	}
}

// oldMessage builds a message of magic 0 or 1.
func oldMessage(magic byte, offset, ts int64, value string) []byte {
	be := binary.BigEndian
	body := []byte{magic, 0}
	if magic == 1 {
		body = be.AppendUint64(body, uint64(ts))
	}
	body = be.AppendUint32(body, 0xffffffff) // no key
	body = append(be.AppendUint32(body, uint32(len(value))), value...)
	m := be.AppendUint64(nil, uint64(offset))
	m = be.AppendUint32(m, uint32(len(body)+4))
	m = be.AppendUint32(m, crc32.ChecksumIEEE(body))
	return append(m, body...)
}

// TestOldMessagesSurvive recovers a log that begins with messages of magic 0 and
// 1: they are whole and stay.
func TestOldMessagesSurvive(t *testing.T) {
	disk := newMemDisk(t)
	var data []byte
	for i := range int64(5) {
		data = append(data, oldMessage(byte(i%2), i, testNow+i, "old")...)
	}
	if err := writeFile(disk, testDir+"/"+fileName(0, logSuffix), append(bytes.Clone(data), data[:20]...), true); err != nil {
		t.Fatal(err)
	}
	o := testOptions(disk, DefaultConfig())
	l := mustOpen(t, o)
	if l.EndOffset() != 5 || l.SizeBytes() != int64(len(data)) {
		t.Fatalf("end %d, %d bytes, want 5 and %d", l.EndOffset(), l.SizeBytes(), len(data))
	}
	if r := appendOne(t, l, build(t, spec{}), 0, testNow); r.BaseOffset != 5 {
		t.Fatalf("%+v", r)
	}
	r, err := l.Read(2, 1, 6, true)
	if err != nil || !bytes.HasPrefix(data[bytes.Index(data, readBytes(t, &r)):], oldMessage(0, 2, 0, "old")) {
		t.Errorf("read: %v", err)
	}
	if at, found, err := l.OffsetForTimestamp(testNow + 2); err != nil || !found || at.Offset != 3 || at.LeaderEpoch != -1 {
		t.Errorf("%+v %v %v", at, found, err)
	}
}
