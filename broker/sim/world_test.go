package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/broker"
	"klamm/cluster/meta"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

// world is the brokers of a run, and the world that they live in.
type world struct {
	*journal
	net      *network
	forest   *forest
	nodes    []*node
	settings []string

	ghosts sync.WaitGroup // what is left of dead processes
}

// node is a machine with a broker. Its fields belong to the goroutine that does the faults.
type node struct {
	c    *world
	id   int32
	name string
	disk *vfs.Mem
	skew atomic.Int64 // how much its clock was set forward, in seconds
	life *life        // nil while no process runs
}

// life is one process of a broker.
type life struct {
	host    *host
	cancel  context.CancelFunc // ends its start
	started chan struct{}      // closed when the start is over
	broker  *broker.Broker     // set before started is closed; nil if the start failed
}

func newWorld(h *journal, n int, timeout time.Duration, settings ...string) *world {
	c := &world{journal: h, net: newNetwork(), forest: newForest(timeout, h), settings: settings}
	for i := range n {
		disk := vfs.NewMem()
		disk.SetCapacity(diskSize)
		c.nodes = append(c.nodes, &node{c: c, id: int32(i + 1), name: fmt.Sprintf("b%d", i+1), disk: disk})
	}
	return c
}

// diskSize is more than a run needs. A broker keeps a share of a disk in reserve, up to 8 MiB, and to copy those for each broker that is killed took
// a tenth of the time.
const diskSize = 64 << 20

// dir is where a broker has its logs.
const dir = "/data"

// start starts a broker's process, on what its disk has. It does not wait until the broker serves.
func (n *node) start(endsFormer bool) {
	sets := append([]string{
		fmt.Sprintf("broker.id=%d", n.id), fmt.Sprintf("listeners=PLAINTEXT://%s:9092", n.name), "log.dirs=" + dir,
	}, n.c.settings...)
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		n.c.wrong("%s: %v", n.name, err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{host: n.c.net.host(n.name), cancel: cancel, started: make(chan struct{})}
	n.life = l
	n.c.note("sim", "%s starts", n.name)
	o := broker.Options{
		Config: cfg, Logger: n.c.logger(n.name), FS: n.disk, Listen: l.host.listen, Dial: l.host.dial,
		Tree:  &plot{forest: n.c.forest, host: n.name, former: endsFormer, open: func() bool { return !l.host.isPulled() }},
		Clock: n.clock,
	}
	n.c.ghosts.Go(func() {
		defer close(l.started)
		l.broker, err = broker.Start(ctx, o)
		for errors.Is(err, meta.ErrSessionExpired) && sleep(time.Second, ctx.Done()) { // the process ends, and its supervisor starts the next one
			n.c.note("sim", "%s starts again: %v", n.name, err)
			l.broker, err = broker.Start(ctx, o)
		}
		switch {
		case err == nil:
			n.c.note("sim", "%s serves", n.name)
		case !l.host.isPulled() && ctx.Err() == nil:
			n.c.wrong("%s does not start: %v", n.name, err)
		}
	})
}

// clock gives the time that the machine shows.
func (n *node) clock() time.Time { return clock(n.skew.Load()) }

// clock gives the time of a clock that was set forward by so many seconds, with a reading of the monotonic clock, which goes on as it does when
// somebody sets the other. The times of a bubble have no such reading. In a time.Time that has one, the first word is a mark, the seconds since
// 1885 from bit 30 on and the nanoseconds, and the second word is the reading.
func clock(skew int64) (t time.Time) {
	const to1885 = 2_682_288_000 // from 1970, in seconds
	now := time.Now()
	words := (*[2]uint64)(unsafe.Pointer(&t))
	words[0] = 1<<63 | uint64(now.Unix()+to1885+skew)<<30 | uint64(now.Nanosecond())
	words[1] = uint64(now.UnixNano())
	return t
}

// boot starts a machine that lost its power. The record of the session of the life before names another boot, so that the broker waits for its end.
func (n *node) boot() {
	n.c.net.boot(n.name)
	n.start(false)
}

// serves says whether the broker's start is over and has not failed.
func (n *node) serves() bool {
	if n.life == nil {
		return false
	}
	return n.life.hasStarted() && n.life.broker != nil
}

// hasStarted says whether the start is over.
func (l *life) hasStarted() bool {
	select {
	case <-l.started:
		return true
	default:
		return false
	}
}

// stop stops a broker cleanly, and waits for that.
func (n *node) stop() {
	l := n.life
	n.life = nil
	n.c.note("sim", "%s is stopped", n.name)
	if !n.c.await(n.name+" to end its start", 3*time.Minute, l.hasStarted) {
		l.cancel()
		n.c.end(n.name+"'s start", func() { <-l.started })
	}
	if l.broker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.broker.Stop(ctx); err != nil {
		n.c.wrong("%s does not stop cleanly: %v", n.name, err)
	}
	l.host.pull(false)
	n.c.note("sim", "%s has stopped", n.name)
}

// kill ends the broker's process. With power it takes the machine's power as well: what was not synced may be lost.
func (n *node) kill(power bool, seed uint64) {
	l := n.life
	n.life = nil
	n.c.note("sim", "%s is killed, power cut: %t", n.name, power)
	l.host.pull(power)
	n.c.forest.die(n.name)
	if power {
		n.disk = n.disk.CrashClone(seed)
	} else {
		n.disk = n.disk.Clone()
	}
	l.cancel()
	n.c.ghosts.Go(func() { // the goroutines of the process have to end, though nothing that they do counts any more
		<-l.started
		if l.broker != nil {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = l.broker.Stop(ctx)
		}
	})
}

// client makes a client of the cluster, on a host of its own.
func (c *world) client(host string, opts ...kgo.Opt) *kgo.Client {
	h := c.net.host(host)
	var seeds []string
	for _, n := range c.nodes {
		seeds = append(seeds, n.name+":9092")
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{
		// An idempotent client holds a mutex while it waits for its producer id, and no time passes in a bubble while others wait for that.
		kgo.DisableIdempotentWrite(),
		kgo.SeedBrokers(seeds...), kgo.Dialer(func(ctx context.Context, _, addr string) (net.Conn, error) { return h.dial(ctx, addr) }),
		kgo.DialTimeout(time.Second), kgo.RequestTimeoutOverhead(time.Second), kgo.ProduceRequestTimeout(2 * time.Second),
		kgo.RequestRetries(1 << 20), kgo.RetryTimeout(10 * time.Minute), kgo.RecordRetries(1 << 30), kgo.UnknownTopicRetries(-1),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		panic(err)
	}
	return cl
}

// serving gives the brokers that serve.
func (c *world) serving() (list []*node) {
	for _, n := range c.nodes {
		if n.serves() {
			list = append(list, n)
		}
	}
	return list
}

// await waits until something holds. It reports false if that takes too long.
func (c *world) await(what string, most time.Duration, ok func() bool) bool {
	for end := time.Now().Add(most); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.wrong("after %v still waiting for %s", most, what)
			return false
		}
	}
	return true
}

// end waits for the end of what was told to end. If that takes too long nothing that follows makes sense, and the process ends with the history.
func (c *world) end(what string, wait func()) {
	done := make(chan struct{})
	go func() { defer close(done); wait() }()
	const most = 20 * time.Minute // a client of the library may try for ten to leave its group
	select {
	case <-done:
	case <-time.After(most):
		panic(fmt.Sprintf("%s\nafter %v still waiting for the end of %s", c, most, what))
	}
}

// pick draws one of several.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
