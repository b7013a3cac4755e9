package moves

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

const partitions = 3

// moving is a topic on a broker with two log directories.
type moving struct {
	*testing.T
	broker *harness.Broker
	admin  *kadm.Client
	dirs   []string
	topic  string
}

func start(t *testing.T) *moving {
	data := t.TempDir()
	m := &moving{T: t, dirs: []string{filepath.Join(data, "a"), filepath.Join(data, "b")}}
	m.broker = harness.Start(t, harness.Options{DataDir: data, Properties: map[string]string{
		"log.dirs": m.dirs[0] + "," + m.dirs[1], "log.segment.bytes": "300000", "log.index.interval.bytes": "2000",
		"controlled.shutdown.enable": "false",
	}})
	m.admin = harness.Admin(t, m.broker.Addr)
	m.topic = harness.Topic(t, m.broker.Addr, partitions)
	return m
}

// moveTo asks for all partitions to move.
func (m *moving) moveTo(dir string) {
	m.Helper()
	req := kadm.AlterReplicaLogDirsReq{}
	set := kadm.TopicsSet{}
	for p := range int32(partitions) {
		set.Add(m.topic, p)
	}
	req.Add(dir, set)
	resps, err := m.admin.AlterAllReplicaLogDirs(harness.Context(m.T), req)
	if err != nil {
		m.Fatal(err)
	}
	for _, resp := range resps {
		for _, topic := range resp {
			for _, p := range topic {
				if p.Err != nil {
					m.Fatalf("partition %d: %v", p.Partition, p.Err)
				}
			}
		}
	}
}

// places gives the directory of each partition, and the moves under way.
func (m *moving) places() (in map[int32]string, moving map[int32]kadm.DescribedLogDirPartition) {
	m.Helper()
	in, moving = map[int32]string{}, map[int32]kadm.DescribedLogDirPartition{}
	all, err := m.admin.DescribeAllLogDirs(harness.Context(m.T), nil)
	if err != nil {
		m.Fatal(err)
	}
	for _, dirs := range all {
		for _, d := range dirs {
			for p, l := range d.Topics[m.topic] {
				if l.IsFuture {
					moving[p] = l
				} else {
					in[p] = d.Dir
				}
			}
		}
	}
	return in, moving
}

// await asks until all partitions are in a directory and none moves.
func (m *moving) await(dir string) {
	m.Helper()
	harness.Await(m.T, "all partitions are in "+dir, func() bool {
		in, moving := m.places()
		there := 0
		for _, d := range in {
			if d == dir {
				there++
			}
		}
		return there == partitions && len(moving) == 0
	})
}

// throttle bounds the rate of moves.
func (m *moving) throttle(bytesPerSecond string) {
	m.Helper()
	brokers, err := m.admin.ListBrokers(harness.Context(m.T))
	if err != nil || len(brokers) != 1 {
		m.Fatal(err, brokers)
	}
	harness.SetBrokerConfigs(m.T, m.admin, map[string]string{"replica.alter.log.dirs.io.max.bytes.per.second": bytesPerSecond}, brokers[0].NodeID)
}

// load produces to and consumes from all partitions until stop is called, which gives what was acknowledged.
func (m *moving) load() (stop func() map[int32]map[int64]string) {
	m.Helper()
	ctx, cancel := context.WithCancel(harness.Context(m.T))
	acked := map[int32]map[int64]string{}
	var running sync.WaitGroup
	producer := harness.Client(m.T, m.broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(m.topic),
		kgo.UnknownTopicRetries(-1)) // Apache's broker does not know its topics yet when it has just started
	filler := bytes.Repeat([]byte("."), 500)
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			time.Sleep(time.Millisecond) // a move has to catch up with what is written meanwhile
			var records []*kgo.Record
			for i := range 30 {
				records = append(records, &kgo.Record{Partition: int32(n % partitions), Value: fmt.Appendf(nil, "%d-%d%s", n, i, filler)})
			}
			for _, r := range producer.ProduceSync(harness.Context(m.T), records...) {
				if r.Err != nil {
					m.Errorf("produce: %v", r.Err)
					return
				}
				if acked[r.Record.Partition] == nil {
					acked[r.Record.Partition] = map[int64]string{}
				}
				acked[r.Record.Partition][r.Record.Offset] = string(r.Record.Value)
			}
		}
	})
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().At(0)
	}
	consumer := harness.Client(m.T, m.broker.Addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{m.topic: from}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	running.Go(func() {
		next := map[int32]int64{}
		for {
			fetches := consumer.PollFetches(ctx)
			if ctx.Err() != nil {
				return
			}
			fetches.EachError(func(_ string, p int32, err error) {
				if !kerr.IsRetriable(err) && !kgo.IsRetryableBrokerErr(err) {
					m.Errorf("fetch of %d: %v", p, err)
				}
			})
			fetches.EachRecord(func(r *kgo.Record) {
				if r.Offset != next[r.Partition] {
					m.Errorf("partition %d: offset %d where %d is due", r.Partition, r.Offset, next[r.Partition])
				}
				next[r.Partition] = r.Offset + 1
			})
		}
	})
	stop = func() map[int32]map[int64]string {
		cancel()
		running.Wait()
		return acked
	}
	m.Cleanup(func() { stop() })
	return stop
}

// check reads all partitions and holds them against what was acknowledged.
func (m *moving) check(acked map[int32]map[int64]string) {
	m.Helper()
	for p := range int32(partitions) {
		end := harness.EndOffset(m.T, m.broker.Addr, m.topic, p)
		seen := map[string]bool{}
		for i, r := range harness.ReadPartition(m.T, m.broker.Addr, m.topic, p, 0, end) {
			value := string(r.Value)
			if want, ok := acked[p][r.Offset]; r.Offset != int64(i) || ok && want != value || seen[value] {
				m.Fatalf("partition %d, record %d: offset %d, seen before: %v", p, i, r.Offset, seen[value])
			}
			seen[value] = true
		}
		if len(acked[p]) == 0 || len(seen) < len(acked[p]) {
			m.Fatalf("partition %d has %d records, %d were acknowledged", p, len(seen), len(acked[p]))
		}
	}
}

// end kills the broker with SIGKILL. It stops Apache's broker cleanly instead: a kill between the two renames at the
// end of a move leaves two directories of one partition, and Apache's broker does not start again on them.
func (m *moving) end() {
	m.Helper()
	if !harness.Reference() {
		m.broker.Kill()
		return
	}
	if err := m.broker.Stop(); err != nil {
		m.Fatal(err)
	}
}

func TestPartitionsMoveWhileWrittenAndRead(t *testing.T) {
	m := start(t)
	stop := m.load()
	for _, dir := range []string{m.dirs[0], m.dirs[1], m.dirs[0], m.dirs[1]} {
		m.moveTo(dir)
		m.await(dir)
	}
	acked := stop()
	m.check(acked)
	if err := m.broker.Stop(); err != nil {
		t.Fatal(err)
	}
	harness.DumpLogs(t, m.dirs[1])
}

func TestMoveGoesOnAfterKill9(t *testing.T) {
	m := start(t)
	m.moveTo(m.dirs[0])
	m.await(m.dirs[0])
	stop := m.load()
	harness.Await(t, "partition 0 has 1000 records", func() bool { return harness.EndOffset(t, m.broker.Addr, m.topic, 0) >= 1000 })
	m.throttle("100000")
	to, from := m.dirs[1], m.dirs[0]
	m.moveTo(to)
	harness.Await(t, "a part of a partition is copied", func() bool {
		_, moving := m.places()
		for _, l := range moving {
			if l.Size > 0 {
				return true
			}
		}
		if len(moving) == 0 { // Apache's broker had copied all before it knew of the bound
			to, from = from, to
			m.moveTo(to)
		}
		return false
	})
	m.end()
	if err := m.broker.Run(); err != nil {
		t.Fatal(err)
	}
	m.throttle("1000000000")
	m.await(to)
	acked := stop()
	m.check(acked)
	if err := m.broker.Stop(); err != nil {
		t.Fatal(err)
	}
	harness.DumpLogs(t, to)
}
