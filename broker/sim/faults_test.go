package sim

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"klamm/cluster/meta"
	"klamm/logstore/vfs"
)

// trouble is what went wrong and has not been put right yet.
type trouble struct {
	fault
	until time.Time
	end   func()
}

// fault is a kind of trouble. It begins, and gives what ends it; nil for what is over at once.
type fault struct {
	name  string
	begin func(do *run) (end func())
	// stale says that a broker may serve as a leader or a coordinator meanwhile and not know that it is none any more.
	stale bool
}

var kinds = []fault{
	{"kill", func(do *run) func() { return do.down((*run).killed) }, false},
	{"stop", func(do *run) func() { return do.down((*run).stopped) }, false},
	{"power", (*run).powerLost, false},
	{"expire", (*run).expired, false},
	{"no tree", (*run).treeless, true},
	{"cut off", (*run).cutOff, true},
	{"cut link", (*run).cutLink, true},
	{"slow", (*run).slowed, true},
	{"slow link", (*run).slowLink, true},
	{"hang", (*run).hung, true},
	{"bounce", (*run).bounced, false},
	{"reset", (*run).reset, false},
	{"reset", (*run).reset, false},
	{"answers", (*run).answersLost, false},
	{"full disk", (*run).fullDisk, false},
	{"bad disk", (*run).badDisk, false},
	{"clock", (*run).clockJumped, false},
}

// trouble makes things go wrong for some time.
func (do *run) trouble(most time.Duration) {
	pause := pick(do.r, 1000, 4000)
	for over := time.Now().Add(most); !do.unwell && time.Now().Before(over); {
		time.Sleep(time.Duration(do.r.IntN(pause)) * time.Millisecond)
		do.rush()
		do.mayBeStale(do.stale()) // and not as soon as they end: a broker that was cut off has to hear of that
		do.endTroubles(time.Now())
		kind := kinds[do.r.IntN(len(kinds))]
		if end := kind.begin(do); end != nil {
			length := time.Duration(do.r.IntN(15_000)) * time.Millisecond
			do.troubles = append(do.troubles, trouble{kind, time.Now().Add(length), end})
			if kind.stale {
				do.mayBeStale(true)
			}
		}
	}
}

// rush has much be on its way when what follows happens.
func (do *run) rush() {
	do.tempo.rush(200 * time.Millisecond)
	time.Sleep(time.Duration(do.r.IntN(100)) * time.Millisecond)
}

// mayBeStale tells the clients whether a broker may not know that it is no leader or coordinator any more.
func (do *run) mayBeStale(possible bool) {
	do.group.Stale(possible)
	do.reader.Stale(possible)
	do.once.stale.Store(possible)
}

// stale says whether there is trouble in which that may be.
func (do *run) stale() bool {
	return slices.ContainsFunc(do.troubles, func(t trouble) bool { return t.stale })
}

// endTroubles ends the troubles whose time is over.
func (do *run) endTroubles(now time.Time) {
	do.troubles = slices.DeleteFunc(do.troubles, func(t trouble) bool {
		if now.Before(t.until) {
			return false
		}
		t.end()
		return true
	})
}

// calm ends all troubles.
func (do *run) calm() {
	do.endTroubles(time.Now().Add(time.Hour))
}

// one draws one of the brokers that serve, nil if none does.
func (do *run) one() *node {
	if list := do.serving(); len(list) > 0 {
		return list[do.r.IntN(len(list))]
	}
	return nil
}

// target draws a broker, one that serves or not: any, or the controller, or the leader of one of the clients' partitions.
func (do *run) target() *node {
	n, of := do.nodes[do.r.IntN(len(do.nodes))], do.r.IntN(4)
	if of == 0 {
		if c := do.controller(); c != nil {
			return c
		}
	}
	if of == 1 {
		if s, there := do.forest.state(do.topic.Name, do.r.Int32N(do.topic.Partitions)); there && s.Leader >= 0 {
			return do.nodes[s.Leader-1]
		}
	}
	return n
}

// other draws another broker.
func (do *run) other(than *node) *node {
	n := do.nodes[do.r.IntN(len(do.nodes)-1)]
	if n == than {
		return do.nodes[len(do.nodes)-1]
	}
	return n
}

// down ends a broker in some way, until it is started again.
func (do *run) down(end func(*run, *node)) func() {
	n := do.one()
	if n == nil {
		return nil
	}
	end(do, n)
	return func() { n.start(do.r.IntN(2) == 0) }
}

func (do *run) killed(n *node)  { n.kill(false, 0) }
func (do *run) stopped(n *node) { n.stop() }

// powerLost takes the power of one broker or all. What a broker has not synced may be lost then. Where records are not synced before they count,
// that is done to one broker alone, while the others have all that it has, and nothing else goes wrong until it has caught up: a leader that
// comes back without its latest records and alone is in sync is Kafka's known hole.
func (do *run) powerLost() func() {
	if !do.flushed {
		do.alone(func(n *node) { n.kill(true, do.r.Uint64()) })
		return nil
	}
	cut := do.serving()
	if do.r.IntN(2) == 0 && len(cut) > 0 {
		cut = []*node{cut[do.r.IntN(len(cut))]}
	}
	for _, n := range cut {
		n.kill(true, do.r.Uint64())
	}
	return func() {
		do.r.Shuffle(len(cut), func(i, k int) { cut[i], cut[k] = cut[k], cut[i] })
		for _, n := range cut {
			n.boot()
			time.Sleep(time.Duration(do.r.IntN(3000)) * time.Millisecond)
		}
	}
}

// alone ends all trouble, waits until the cluster is well, ends one broker, and waits until it is well again.
func (do *run) alone(end func(n *node)) {
	if !do.heal() {
		return
	}
	n := do.one()
	if n == nil || len(do.found()) > 0 {
		return
	}
	do.rush()
	end(n)
	time.Sleep(time.Duration(do.r.IntN(8000)) * time.Millisecond)
	do.rush()
	n.boot()
	do.heal()
}

// expired ends a broker's session.
func (do *run) expired() func() {
	n := do.target()
	do.note("sim", "%s loses its session", n.name)
	do.forest.expire(n.name)
	return nil
}

// treeless cuts a broker off from the tree.
func (do *run) treeless() func() {
	n := do.target()
	do.note("sim", "%s is cut off from the tree", n.name)
	do.forest.separate(n.name)
	return func() {
		do.note("sim", "%s reaches the tree again", n.name)
		do.forest.join(n.name)
	}
}

// clientHosts are the hosts of clients that may be cut off from brokers.
var clientHosts = []string{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"}

// cutOff cuts a broker off from the other brokers, or from the clients, or both.
func (do *run) cutOff() func() {
	n, from := do.target(), do.r.IntN(3)
	var others []string
	for _, other := range do.nodes {
		if other != n && from != 1 {
			others = append(others, other.name)
		}
	}
	if from > 0 {
		others = append(others, clientHosts...)
	}
	in, out := true, true
	switch do.r.IntN(4) {
	case 0:
		in = false
	case 1:
		out = false
	}
	do.note("sim", "%s is cut off from %v, in: %t, out: %t", n.name, others, in, out)
	for _, other := range others {
		do.ways(n.name, other, in, out, true)
	}
	return func() {
		do.note("sim", "%s is cut off from %v no more", n.name, others)
		do.mayLose(n.name, others...)
		for _, other := range others {
			do.ways(n.name, other, in, out, false)
		}
	}
}

// mayLose cuts the connections between a host and others half of the time, and with them what a blocked way held back: answers get lost whose
// requests have arrived.
func (do *run) mayLose(host string, others ...string) {
	if do.r.IntN(2) > 0 {
		return
	}
	do.note("sim", "connections between %s and %v are cut", host, others)
	do.net.cut(host, others...)
}

// ways blocks the ways between two hosts, or ends that.
func (do *run) ways(host, other string, in, out, block bool) {
	if in {
		do.net.change(way{other, host}, func(p *passage) { p.block(block) })
	}
	if out {
		do.net.change(way{host, other}, func(p *passage) { p.block(block) })
	}
}

// cutLink cuts the link between two brokers, one way or both.
func (do *run) cutLink() func() {
	a := do.target()
	b, both := do.other(a), do.r.IntN(2) == 0
	do.note("sim", "nothing comes from %s to %s, both ways: %t", a.name, b.name, both)
	do.ways(a.name, b.name, both, true, true)
	return func() {
		do.note("sim", "bytes come from %s to %s again", a.name, b.name)
		do.mayLose(a.name, b.name)
		do.ways(a.name, b.name, both, true, false)
	}
}

// slowed makes the ways from a broker slow.
func (do *run) slowed() func() {
	n, delay := do.nodes[do.r.IntN(len(do.nodes))], time.Duration(1<<do.r.IntN(11))*time.Millisecond
	do.note("sim", "what %s sends takes %v", n.name, delay)
	set := func(d time.Duration) {
		for _, other := range do.nodes {
			do.net.slow(n.name, other.name, d)
		}
		for _, c := range clientHosts {
			do.net.slow(n.name, c, d)
		}
	}
	set(delay)
	return func() {
		do.note("sim", "what %s sends takes no time", n.name)
		set(0)
	}
}

// cut ends the connections between a host and others. What a blocked way held back is lost with them.
func (n *network) cut(host string, others ...string) {
	for _, c := range n.open() {
		from, to := c.host.name, hostOf(string(c.remote))
		if from == host && slices.Contains(others, to) || to == host && slices.Contains(others, from) {
			c.end(syscall.ECONNRESET)
			c.other.end(syscall.ECONNRESET)
		}
	}
}

// slowLink makes one way between two brokers slow. What one broker sends comes late then, and what others have sent later has come before.
func (do *run) slowLink() func() {
	a := do.target()
	b, delay := do.other(a), time.Duration(1<<do.r.IntN(13))*time.Millisecond
	if do.r.IntN(2) == 0 {
		a, b = b, a
	}
	if do.r.IntN(2) == 0 {
		do.note("sim", "what %s sends to %s takes up to %v", a.name, b.name, delay)
		do.net.scatter(a.name, b.name, delay, do.r.Uint64())
	} else {
		do.note("sim", "what %s sends to %s takes %v", a.name, b.name, delay)
		do.net.slow(a.name, b.name, delay)
	}
	return func() {
		do.note("sim", "what %s sends to %s takes no time", a.name, b.name)
		do.net.slow(a.name, b.name, 0)
	}
}

// hung cuts a broker off from everything, as if its process did not run for a while: what was sent to it and by it arrives when that is over.
func (do *run) hung() func() {
	n := do.target()
	do.note("sim", "%s hangs", n.name)
	set := func(hangs bool) {
		for _, other := range do.nodes {
			if other != n {
				do.ways(n.name, other.name, true, true, hangs)
			}
		}
		for _, c := range clientHosts {
			do.ways(n.name, c, true, true, hangs)
		}
	}
	set(true)
	do.forest.separate(n.name)
	return func() {
		do.note("sim", "%s hangs no more", n.name)
		do.forest.join(n.name)
		set(false)
	}
}

// bounced kills a broker that is started again at once, so that it may be back before anybody has seen it gone.
func (do *run) bounced() func() {
	if n := do.target(); n.serves() {
		n.kill(false, 0)
		n.start(do.r.IntN(4) > 0)
	}
	return nil
}

// reset cuts connections, after requests came through and before their answers do, or before. Who asked has to ask again.
func (do *run) reset() func() {
	do.net.resetSome(do.r)
	return nil
}

// resetSome cuts some connections.
func (n *network) resetSome(r *rand.Rand) {
	share := 1 + r.IntN(4)
	for _, c := range n.open() {
		if r.IntN(4) < share {
			c.end(syscall.ECONNRESET)
			c.other.end(syscall.ECONNRESET)
		}
	}
}

// answersLost has the tree lose the answers to writes.
func (do *run) answersLost() func() {
	for range 1 + do.r.IntN(3) {
		do.forest.store.LoseAnswer(func(meta.Op) bool { return true }, do.r.IntN(2) == 0)
	}
	do.note("sim", "the tree loses answers")
	return nil
}

// clockJumped sets a broker's clock to another time, for good.
func (do *run) clockJumped() func() {
	n, by := do.nodes[do.r.IntN(len(do.nodes))], do.r.IntN(1<<do.r.IntN(16))-do.r.IntN(1<<do.r.IntN(16)) // up to nine hours
	do.note("sim", "the clock of %s jumps by %d s", n.name, by)
	n.skew.Add(int64(by))
	return nil
}

// fullDisk leaves little room on a broker's disk.
func (do *run) fullDisk() func() {
	n := do.nodes[do.r.IntN(len(do.nodes))]
	total, usable, err := n.disk.Space(dir)
	if err != nil {
		return nil
	}
	disk := n.disk
	disk.SetCapacity(total - usable + int64(do.r.IntN(100_000)))
	do.note("sim", "%s has little room on its disk", n.name)
	return func() {
		do.note("sim", "%s has room on its disk", n.name)
		n.disk.SetCapacity(diskSize)
	}
}

// badDisk has a broker's disk fail, and the broker start again on a disk that works. What was not synced may be lost by that.
func (do *run) badDisk() func() {
	fail := func(n *node) {
		kind := pick(do.r, vfs.OpWrite, vfs.OpSync)
		do.note("sim", "the disk of %s fails, %s", n.name, kind)
		n.disk.Fail(vfs.Rule{Kind: kind, Path: dir + "/...", Err: syscall.EIO})
		time.Sleep(time.Duration(do.r.IntN(4000)) * time.Millisecond)
		n.kill(true, do.r.Uint64())
	}
	if !do.flushed {
		do.alone(fail)
		return nil
	}
	n := do.one()
	if n == nil {
		return nil
	}
	fail(n)
	return func() {
		n.boot()
	}
}
