package main

import (
	"context"
	"slices"
	"strings"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// load is a row of the table.
type load struct {
	name    string // kind, or kind/variant
	about   string // a line
	media   []string
	columns []figures.Figure
	limited bool // the limit can do it
	own     bool // it starts brokers of its own
	cluster bool // it is run against three brokers
	// open makes a broker ready for rounds.
	open func(ctx context.Context, s *subject) (*session, error)
}

// subject is what a load is run against.
type subject struct {
	scale
	name   string
	dir    string // for the data of a broker of its own
	target target // nil for such a load
}

// session is a load that is ready. Both functions are set.
type session struct {
	round func(ctx context.Context) (figures.Sample, error)
	close func(ctx context.Context) error
}

func nothing(context.Context) error { return nil }

var (
	both   = []string{tmpfs, disk}
	onDisk = []string{disk}

	moving   = []figures.Figure{figures.Throughput, figures.Requests, figures.P50, figures.P99, figures.P999, figures.CPUPerGB, figures.CPUPerMillion, figures.Peak}
	answered = []figures.Figure{commits, commitsPerCPU, figures.P50, figures.P99, figures.P999, figures.Peak}
	paced    = []figures.Figure{figures.Requests, figures.P50, figures.P99, figures.P999, figures.CPUShare, figures.CPUPerMillion, figures.Peak}
)

// big is the load that others are variants of.
var big = producing{records: 64, valueBytes: 1000, connections: 4, inFlight: 8, partitions: 6, acks: 1}

// small has a record a request.
var small = producing{records: 1, valueBytes: 100, connections: 4, inFlight: 32, partitions: 6, acks: 1, counted: true}

// commitsOfOne has an offset a request.
var commitsOfOne = committing{partitions: 1, connections: 16, part: 4}

// clusterBig and clusterSmall are their variants for three brokers, each of which leads two partitions.
var (
	clusterBig   = bigWith(func(p *producing) { p.connections, p.acks, p.part = 6, -1, 4 })
	clusterSmall = producing{records: 1, valueBytes: 100, connections: 6, inFlight: 32, partitions: 6, acks: -1, counted: true}
)

// packed moves a quarter of the volume, which is half of the volume or more once
// decompressed.
var packed = bigWith(func(p *producing) { p.codec, p.part = replay.Zstd, 4 })

// recompressed has the broker recompress what it is sent.
var recompressed = bigWith(func(p *producing) {
	p.codec, p.part, p.configs = replay.Zstd, 4, map[string]string{"compression.type": "lz4"}
})

func bigWith(change func(p *producing)) producing {
	p := big
	change(&p)
	return p
}

// loads is the table.
var loads = []load{
	{name: "big/acks=1", about: "batches of 64 records of 1 KB, 4 connections, 8 in flight each, 6 partitions", media: both, columns: moving, limited: true, open: big.open},
	{name: "big/acks=all", about: "the same with acks=all", media: both, columns: moving, limited: true,
		open: bigWith(func(p *producing) { p.acks = -1 }).open},
	{name: "small", about: "one record of 100 bytes a request, 4 connections, 32 in flight, 6 partitions", media: both, columns: moving, limited: true,
		open: small.open},
	{name: "many", about: "batches of 1,024 records of 100 bytes, 16 connections, 8 in flight, 6 partitions", media: both, columns: moving, limited: true,
		open: producing{records: 1024, valueBytes: 100, connections: 16, inFlight: 8, partitions: 6, acks: 1}.open},
	{name: "packed/zstd", about: "as big, the batches compressed with zstd; MB and GB count compressed bytes", media: both, columns: moving, limited: true,
		open: packed.open},
	{name: "packed/lz4", about: "the same, with compression.type=lz4 on the topic", media: both, columns: moving, limited: true,
		open: recompressed.open},
	{name: "level/partitions=1", about: "as big, 1 partition", media: []string{tmpfs}, columns: moving, limited: true,
		open: bigWith(func(p *producing) { p.partitions = 1 }).open},
	{name: "level/partitions=1000", about: "as big, 1,000 partitions", media: []string{tmpfs}, columns: moving, limited: true,
		open: bigWith(func(p *producing) { p.partitions = 1000 }).open},
	{name: "level/connections=1000", about: "as big, 1,000 connections, 1 in flight each", media: []string{tmpfs}, columns: moving, limited: true,
		open: bigWith(func(p *producing) { p.connections, p.inFlight = 1000, 1 }).open},
	{name: "catch-up/plain", about: "fetch from the start, up to 1 MB a partition, 4 connections; four times a round", media: both, columns: moving, limited: true,
		open: catchUp{partitions: 4, times: catchUpTimes}.open},
	{name: "catch-up/segments", about: "the same over one partition in segments of 1 MiB, 2,000 of them at 2 GB", media: both, columns: moving, limited: true,
		open: catchUp{partitions: 1, segmentBytes: 1 << 20, times: catchUpTimes}.open},
	{name: "catch-up/random", about: "the same from offsets at random", media: both, columns: moving, limited: true,
		open: catchUp{partitions: 4, random: true, times: catchUpTimes}.open},
	{name: "tail/consumers=1", about: "2,000 records a second of 1 KB, acks=all, franz-go, from when a record was due until it was received", media: both, columns: paced, open: tail(1)},
	{name: "tail/consumers=50", about: "the same, 50 consumers that each receive every record", media: both, columns: paced, open: tail(50)},
	{name: "scale/big", about: "as big, on a broker with 10,000 other connections, half of them in waiting fetches, 10,000 other partitions with records, and 1,000 groups",
		media: []string{tmpfs}, columns: moving, open: beside(big.open)},
	{name: "scale/small", about: "as small, beside the same", media: []string{tmpfs}, columns: moving, open: beside(small.open)},
	{name: "scale/tail", about: "as tail/consumers=1, beside the same", media: []string{tmpfs}, columns: paced, open: beside(tail(1))},
	{name: "scale/commits", about: "as commits/partitions=1, beside the same", media: []string{tmpfs}, columns: answered, open: beside(commitsOfOne.open)},
	{name: "crowd", about: "5,000 connections, each one record every 5 s, every other one in a waiting fetch meanwhile", media: []string{tmpfs}, columns: paced, open: crowd},
	{name: "groups-join/members=100", about: "100 members of a group come at once, 1,000 partitions; then one dies; a session timeout of 6 s, a heartbeat every 100 ms",
		media: []string{tmpfs}, columns: []figures.Figure{gathered, cpuMs, afterDeath, afterTold, figures.Peak}, open: gathering{part: 10, dies: true}.open},
	{name: "groups-join/members=1000", about: "1,000 members of a group come at once, 1,000 partitions",
		media: []string{tmpfs}, columns: []figures.Figure{gathered, cpuMs, figures.Peak}, open: gathering{part: 1}.open},
	{name: "heartbeats", about: "10,000 groups of one member, a heartbeat every 3 s, 1,000 connections", media: []string{tmpfs}, columns: paced, open: heartbeats},
	{name: "commits/partitions=1", about: "OffsetCommit of one offset, 1,000 groups, 16 connections, 1 in flight", media: []string{tmpfs}, columns: answered,
		open: commitsOfOne.open},
	{name: "commits/partitions=100", about: "the same of 100 offsets", media: []string{tmpfs}, columns: answered,
		open: committing{partitions: 100, connections: 16, part: 40}.open},
	{name: "durable/producers=1", about: "flush.messages=1, one record of 100 bytes in flight, 1 partition", media: onDisk, columns: moving, open: durable(1)},
	{name: "durable/producers=16", about: "the same, 16 producers", media: onDisk, columns: moving, open: durable(16)},
	{name: "durable/producers=256", about: "the same, 256 producers", media: onDisk, columns: moving, open: durable(256)},
	{name: "topics/1000", about: "1,000 partitions, ten to a topic: made, described, deleted", media: onDisk, columns: []figures.Figure{made, described, deleted, figures.Peak}, open: manyTopics},
	{name: "topics/idle", about: "10,000 partitions that nobody uses, then a clean stop and a start", media: onDisk, own: true,
		columns: []figures.Figure{made, figures.Idle, figures.CPUShare, stopped, started, leading}, open: idleTopics},
	{name: "start/empty", about: "exec to the first Metadata answer, empty directory; memory 3 s later", media: onDisk, own: true,
		columns: []figures.Figure{started, figures.Idle}, open: startEmpty},
	{name: "start/data", about: "the same with 2,000 partitions with records, and until each has a leader", media: onDisk, own: true,
		columns: []figures.Figure{started, leading, startedAfterKill, leadingAfterKill}, open: startWithData},
	{name: "offsets-load", about: "exec to the first Metadata answer and until every group has its offsets: 1,000 groups, 1,000 offsets each", media: onDisk, own: true,
		columns: []figures.Figure{started, loaded, startedAndLoaded, cpuMs, figures.Peak}, open: loadOffsets},
	{name: "clients", about: "4 franz-go producers, acks=all, then 4 consumers, 1 KB records, as fast as they can; not warmed", media: onDisk, own: true,
		columns: []figures.Figure{produced, producedMB, consumed, consumedMB, figures.Peak}, open: clients},
	{name: "cluster/big", about: "three brokers, replication factor 3, min.insync.replicas=2, as big/acks=all, 6 connections; CPU of all brokers, memory of the largest",
		media: []string{tmpfs}, columns: moving, cluster: true, open: clusterBig.open},
	{name: "cluster/small", about: "the same as small with acks=all", media: []string{tmpfs}, columns: moving, cluster: true, open: clusterSmall.open},
	{name: "cluster/tail", about: "the same as tail/consumers=1", media: []string{tmpfs}, columns: paced, cluster: true, open: tail(1)},
	{name: "cluster/kill-leader", about: "kill -9 of a broker that leads 2 of 6 partitions and is not the controller: the longest time without an acknowledgement of a partition",
		media: []string{tmpfs}, columns: []figures.Figure{gap, backInSync}, cluster: true, open: failover((*cluster).follower)},
	{name: "cluster/kill-controller", about: "the same of the controller, which leads as many", media: []string{tmpfs},
		columns: []figures.Figure{gap, backInSync}, cluster: true, open: failover((*cluster).controller)},
	{name: "cluster/kill-controller/elsewhere", about: "the same of partitions that have no replica on the controller, before and until another broker is the controller", media: []string{tmpfs},
		columns: []figures.Figure{calmGap, gap, newController, backInSync}, cluster: true, open: takeover},
	{name: "cluster/topics", about: "1,000 partitions of three replicas, ten to a topic: made until every broker knows, deleted", media: onDisk, own: true, cluster: true,
		columns: []figures.Figure{made, deleted, figures.Peak}, open: withCluster(clusterTopics)},
	{name: "cluster/start", about: "one of three brokers with 1,000 partitions with records: clean stop, exec to the first answer, to full ISRs, to leading again; the same after kill -9",
		media: onDisk, own: true, cluster: true,
		columns: []figures.Figure{stopped, started, synced, leadingAgain, startedAfterKill, syncedAfterKill, ledAgainAfterKill}, open: withCluster(clusterStart)},
	{name: "cluster/death", about: "kill -9 of one of three brokers with 10,000 partitions: until all have other leaders, and the others know", media: onDisk, own: true, cluster: true,
		columns: []figures.Figure{newLeaders, backInSync}, open: withCluster(clusterDeath((*cluster).follower))},
	{name: "cluster/controller-death", about: "the same of the controller", media: onDisk, own: true, cluster: true,
		columns: []figures.Figure{newLeaders, backInSync}, open: withCluster(clusterDeath((*cluster).controller))},
	{name: "cluster/idle", about: "three brokers with 3,000 replicas each that nobody uses; figures of one broker", media: onDisk, own: true, cluster: true,
		columns: []figures.Figure{figures.Idle, figures.CPUShare}, open: withCluster(clusterIdle)},
}

// Figures that only some loads have, in milliseconds where a time is not said otherwise.
const (
	made              figures.Figure = "made ms"
	described         figures.Figure = "described ms"
	deleted           figures.Figure = "deleted ms"
	stopped           figures.Figure = "SIGTERM to end ms"
	started           figures.Figure = "to first answer ms"
	leading           figures.Figure = "to all leaders ms"
	startedAfterKill  figures.Figure = "after kill -9 ms"
	leadingAfterKill  figures.Figure = "to all leaders after kill -9 ms"
	gap               figures.Figure = "longest gap ms"
	calmGap           figures.Figure = "longest gap before ms"
	newController     figures.Figure = "to another controller ms"
	backInSync        figures.Figure = "exec to full ISRs ms"
	synced            figures.Figure = "to full ISRs ms"
	syncedAfterKill   figures.Figure = "to full ISRs after kill -9 ms"
	leadingAgain      figures.Figure = "to leading again ms"
	ledAgainAfterKill figures.Figure = "to leading again after kill -9 ms"
	newLeaders        figures.Figure = "to new leaders ms"
	gathered          figures.Figure = "all assigned ms"
	cpuMs             figures.Figure = "CPU ms"
	afterDeath        figures.Figure = "after a death ms"
	afterTold         figures.Figure = "after told ms"
	commits           figures.Figure = "commits/s"
	commitsPerCPU     figures.Figure = "commits/CPU s"
	loaded            figures.Figure = "then to all offsets ms"
	startedAndLoaded  figures.Figure = "both ms"
	produced          figures.Figure = "produced/s"
	producedMB        figures.Figure = "produced MB/s"
	consumed          figures.Figure = "consumed/s"
	consumedMB        figures.Figure = "consumed MB/s"
)

// named says whether a name of the command line means the load: its own, or its kind.
func (l load) named(name string) bool { return l.name == name || strings.HasPrefix(l.name, name+"/") }

func (l load) wanted(names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, l.named)
}

func loadNames() (names []string) {
	for _, l := range loads {
		names = append(names, l.name)
	}
	return names
}
