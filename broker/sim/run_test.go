package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/internal/history"
)

// run is one run: a world, what its seed drew, and the clients.
type run struct {
	*world
	seed    uint64
	r       *rand.Rand // of the goroutine that does the faults
	topic   history.Topic
	flushed bool // every record is synced before it counts, so that no loss of power may lose an acknowledged one

	tempo   *tempo
	once    *producer         // the idempotent one
	again   *history.Producer // the one that may store a record again
	reader  *history.Reader
	group   *history.Group
	offsets history.Faults

	ctx     context.Context
	cancel  context.CancelFunc
	clients sync.WaitGroup // all but the producers

	admin         *admin
	administering sync.WaitGroup

	troubles []trouble
	unwell   bool // it did not become well again when it had to
}

// chance gives one of the independent sources of chance of a seed.
func chance(seed uint64, name string) *rand.Rand {
	var h uint64
	for _, c := range name {
		h = h*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, h))
}

// simulateSeed does the run of a seed.
func simulateSeed(t *testing.T, seed uint64) {
	r := chance(seed, "settings")
	flushed := r.IntN(2) == 0
	timeout := pick(r, 6, 18)
	settings := []string{
		"min.insync.replicas=2", "default.replication.factor=3", "offsets.topic.replication.factor=3", "offsets.topic.num.partitions=2",
		"group.initial.rebalance.delay.ms=0", "log.retention.ms=-1", fmt.Sprint("zookeeper.session.timeout.ms=", timeout*1000),
		fmt.Sprint("log.segment.bytes=", pick(r, 5000, 20_000, 1<<30)), fmt.Sprint("log.index.interval.bytes=", pick(r, 0, 4096)),
		fmt.Sprint("klamm.fast.failover.enable=", r.IntN(3) > 0), fmt.Sprint("replica.lag.time.max.ms=", pick(r, 2000, 10_000, 30_000)),
		fmt.Sprint("num.replica.fetchers=", 1+r.IntN(2)), fmt.Sprint("leader.imbalance.check.interval.seconds=", pick(r, 5, 300)),
		fmt.Sprint("controlled.shutdown.enable=", r.IntN(4) > 0), fmt.Sprint("replica.high.watermark.checkpoint.interval.ms=", pick(r, 500, 5000)),
		fmt.Sprint("log.flush.offset.checkpoint.interval.ms=", pick(r, 1000, 60_000)),
	}
	if flushed {
		settings = append(settings, "log.flush.interval.messages=1")
	}
	brokers := pick(r, 3, 3, 4)
	simulate(t, brokers, time.Duration(timeout)*time.Second, func(t *testing.T, w *world) {
		w.note("sim", "seed %d: %d brokers, %s", seed, brokers, strings.Join(settings, " "))
		do := &run{world: w, seed: seed, r: chance(seed, "faults"), flushed: flushed}
		do.ctx, do.cancel = context.WithCancel(context.Background())
		defer do.cancel()
		w.begin()
		if do.work() {
			ctx, cancel := context.WithCancel(do.ctx)
			do.administer(ctx)
			do.trouble(time.Duration(20+do.r.IntN(40)) * time.Second)
			cancel()
			do.end("the administrator", do.administering.Wait)
		}
		if do.heal() {
			do.check()
		} else {
			do.abandon()
		}
	}, settings...)
}

// work starts the clients. It reports false if they cannot work.
func (do *run) work() bool {
	var hosts atomic.Int32
	do.topic = history.Topic{Name: "events", Partitions: 3, Rest: 50 * time.Millisecond, Client: func(opts ...kgo.Opt) *kgo.Client {
		return do.client(fmt.Sprint("c", hosts.Add(1)), opts...)
	}}
	do.createTopic(do.topic.Name, do.topic.Partitions)
	if !do.await("leaders of the topic", time.Minute, func() bool { return do.forest.unwell() == "" }) {
		return false
	}
	do.tempo = &tempo{
		slow: time.Duration(pick(do.r, 100, 200, 400)) * time.Millisecond, fast: time.Duration(pick(do.r, 5, 10, 20)) * time.Millisecond,
		begun: make(chan struct{}),
	}
	do.once = startProducer(do.ctx, do.journal, do.topic, do.seed, do.tempo.wait)
	do.again = history.StartProducer(do.ctx, do.topic, "again", do.tempo.wait, kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.ProducerBatchMaxBytes(2000)) // less than a segment
	do.reader = history.NewReader(do.topic)
	do.reader.Exact = true
	do.clients.Go(func() { do.reader.Run(do.ctx, do.topic) })
	do.clients.Go(func() { history.WatchOffsets(do.ctx, do.topic, 300*time.Millisecond, &do.offsets) })
	do.group = history.NewGroup(do.topic, "readers")
	for i := range 2 {
		do.clients.Go(func() { do.group.Member(do.ctx, do.topic, i) })
	}
	do.clients.Go(func() { do.group.Ask(do.ctx, do.topic, 300*time.Millisecond) })
	return true
}

// createTopic creates a topic with three replicas.
func (do *run) createTopic(name string, partitions int32) {
	adm := kadm.NewClient(do.topic.Client())
	defer adm.Close()
	if _, err := adm.CreateTopic(do.ctx, partitions, 3, nil, name); err != nil {
		do.wrong("create %s: %v", name, err)
	}
}

// heal ends all trouble, and waits until the cluster is well again. It reports false if that does not happen, now or before.
func (do *run) heal() (well bool) {
	do.note("sim", "all trouble ends")
	do.calm()
	what := ""
	if do.unwell {
		return false
	}
	if !do.await("all replicas in sync", 3*time.Minute, func() bool {
		if what = do.forest.unwell(); what == "" {
			what = do.misinformed()
		}
		return do.settled() && what == ""
	}) {
		do.wrong("not well: %s", what)
		do.unwell = true
	}
	if do.group != nil {
		do.mayBeStale(false)
	}
	return !do.unwell
}

// abandon ends the clients of a cluster that does not become well: they would go on for very long.
func (do *run) abandon() {
	if do.once == nil {
		return
	}
	do.cancel()
	do.end("the clients", func() { do.once.Finish(); do.again.Finish(); do.clients.Wait() })
}

// check ends the clients, and holds what they were told against what the brokers have (see internal/history).
func (do *run) check() {
	if do.once == nil {
		return
	}
	finished := make(chan struct{})
	go func() { defer close(finished); do.once.Finish(); do.again.Finish() }()
	select {
	case <-finished:
	case <-time.After(3 * time.Minute):
		for p := range do.topic.Partitions {
			s1, a1 := do.once.Counts(p)
			s2, a2 := do.again.Counts(p)
			do.note("check", "partition %d: %d and %d sent, %d and %d acknowledged", p, s1, s2, a1, a2)
		}
		do.wrong("the producers get no acknowledgements")
		do.cancel()
		do.end("the clients", func() { <-finished; do.clients.Wait() })
		return
	}
	do.await("the last records in sync", 3*time.Minute, func() bool { return do.forest.unwell() == "" })
	ends := do.ends()
	do.await("the readers", 3*time.Minute, func() bool { return do.reader.CaughtUp(ends) && do.group.CaughtUp(ends) })
	for p := range do.topic.Partitions {
		stored := do.stored(p, ends[p])
		sent, acked := do.once.Counts(p)
		do.note("check", "partition %d: %d records, %d sent by the idempotent producer and %d acknowledged", p, len(stored), sent, acked)
		if acked == 0 {
			do.wrong("partition %d: nothing was acknowledged", p)
		}
		do.all("I1 lost or moved", do.once.Misplaced(p, stored))
		do.all("I1 lost or moved", do.again.Misplaced(p, stored))
		do.all("I1, I4 read and lost", do.reader.Misread(p, stored))
		do.all("I5 not once and in order", do.once.Disordered(p, stored))
		do.all("not stored", do.again.Missing(p, stored))
		do.all("not read by the group", do.group.Unread(p, ends[p]))
	}
	do.cancel()
	do.end("the clients", do.clients.Wait)
	do.all("given up", append(do.once.Failed.All(), do.again.Failed.All()...))
	do.all("I4 read", do.reader.Faults.All())
	do.all("I3 latest offsets", do.offsets.All())
	do.all("I6 group", do.group.Faults.All())
	do.admin.check()
	for _, n := range do.nodes {
		if n.life != nil {
			n.stop()
		}
	}
	do.checkDisks(ends)
}

// ends gives the latest offsets of the topic.
func (do *run) ends() []int64 {
	ends := make([]int64, do.topic.Partitions)
	adm := kadm.NewClient(do.topic.Client())
	defer adm.Close()
	do.await("the latest offsets", 3*time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(do.ctx, 10*time.Second)
		defer cancel()
		listed, err := adm.ListEndOffsets(ctx, do.topic.Name)
		listed.Each(func(o kadm.ListedOffset) {
			if o.Err == nil { // an error of the whole topic comes with partition -1
				ends[o.Partition] = o.Offset
			}
		})
		return err == nil && listed.Error() == nil
	})
	return ends
}

// stored reads a partition, and gives the keys of its records by offset.
func (do *run) stored(partition int32, end int64) (keys []string) {
	cl := do.topic.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{do.topic.Name: {partition: kgo.NewOffset().At(0)}}))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(do.ctx, time.Minute)
	defer cancel()
	for int64(len(keys)) < end && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(len(keys)) && int64(len(keys)) < end {
				do.wrong("partition %d has offset %d where %d is due", partition, r.Offset, len(keys))
			}
			keys = append(keys, string(r.Key))
		})
	}
	if int64(len(keys)) < end {
		do.wrong("partition %d cannot be read past offset %d of %d", partition, len(keys), end)
	}
	return keys
}

// checkDisks compares the replicas of each partition of the topic, byte by byte up to the end that clients saw (I2).
func (do *run) checkDisks(ends []int64) {
	for p, end := range ends {
		var replicas []history.Replica
		name := fmt.Sprintf("%s/%s-%d", dir, do.topic.Name, p)
		ids := do.forest.replicas(do.topic.Name, int32(p)) // others may have what a broker was not there to delete
		if len(ids) != 3 {
			do.wrong("I2: %s has the replicas %v, and was created with three", name, ids)
		}
		for _, id := range ids {
			n := do.nodes[id-1]
			files, err := n.disk.ReadDir(name)
			if err != nil {
				do.wrong("I2: %s: %v", n.name, err)
				continue
			}
			r := history.Replica{Broker: n.id}
			for _, f := range files {
				if !strings.HasSuffix(f.Name(), ".log") {
					continue
				}
				text, err := n.disk.ReadFile(name + "/" + f.Name())
				if err == nil {
					err = r.Append(f.Name(), text)
				}
				if err != nil {
					do.wrong("I2: %s %s: %v", n.name, name, err)
				}
			}
			replicas = append(replicas, r)
		}
		for _, r := range replicas {
			if difference := history.Differ(replicas[0], r, end); difference != "" {
				do.wrong("I2: %s: %s", name, difference)
			}
		}
	}
}
