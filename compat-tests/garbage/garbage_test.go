package garbage

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

var (
	long        = flag.Duration("garbage", 10*time.Second, "how long the hostile connections work")
	seed        = flag.Uint64("seed", 0, "repeats a run; 0 for another one each time")
	connections = flag.Int("connections", 100, "how many hostile connections there are")
	only        = flag.String("kinds", "", "a regular expression that selects the kinds of visits; empty for all")
	rate        = flag.Int("rate", 400, "how many visits all connections together make in a second; 0 for as many as they can")
)

// ordersOf is the environment variable that makes this program the hostile process and
// holds its orders.
const ordersOf = "GARBAGE_ORDERS"

func TestMain(m *testing.M) {
	if text := os.Getenv(ordersOf); text != "" {
		hostileMain(text)
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// maxGrowth bounds how much the broker's memory may grow while garbage comes in, and
// maxKept how much of that may be left some minutes after a long run, in bytes.
const (
	maxGrowth = 100 << 20
	maxKept   = 24 << 20
)

// TestGarbage runs normal clients, first alone and then beside the hostile
// connections.
func TestGarbage(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{
		// With a new name a mutated request would validly ask for a topic.
		"auto.create.topics.enable":       "false",
		"log.retention.check.interval.ms": "5000",
		"log.initial.task.delay.ms":       "5000",
	}})
	w := &world{broker: b}
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(), kgo.SnappyCompression()} {
		w.clients = append(w.clients, newNormal(t, b.Addr, codec))
	}
	w.start(5 * time.Millisecond)

	alone := max(5*time.Second, min(*long/10, time.Minute))
	w.stretch(alone / 5) // until everything is warm
	before, rssBefore := w.stretch(alone), w.rss()
	keep := w.keep(t, 8)
	h := startHostile(t, orders{Addr: b.Addr, Seed: *seed, Connections: *connections, Rate: *rate, Kinds: *only, Topics: 8, ByteEvery: min(10*time.Second, *long/10), APIs: servedBy(t, b.Addr)})
	during := w.stretch(*long)
	did := h.end(t)
	if got, least := did.Visits, int64(float64(*rate)*long.Seconds()/20); *long >= time.Minute && got < least {
		t.Errorf("%d visits, want at least %d: the machine left the hostile process no time", got, least)
	}
	keep()
	peak := w.peak()
	cleanUp(t, b.Addr)
	after := w.stretch(alone)
	w.end(t)
	rssAfter := w.rss()
	if *long >= time.Minute { // Go gives back in minutes what is not used
		rssAfter = w.settled(rssBefore + maxKept)
	}

	t.Logf("%d visits, %d connections, %d requests of %d bytes: %d answered, %d connections refused", did.Visits, did.Connections, did.Requests, did.Bytes, did.Answers, did.Refused)
	t.Logf("visits: %v", did.ByKind)
	report(t, "alone", before)
	report(t, "with garbage", during)
	report(t, "alone again", after)
	slowed(t, before, during, after)
	t.Logf("memory of the broker in MB: %d before, %d at most, %d after; log of %d bytes", rssBefore>>20, peak>>20, rssAfter>>20, len(b.Log()))
	if peak > rssBefore+raced(maxGrowth) {
		t.Errorf("the broker's memory grew by %d MB", (peak-rssBefore)>>20)
	}
	if *long >= time.Minute && rssAfter > rssBefore+raced(maxKept) {
		t.Errorf("the broker kept %d MB", (rssAfter-rssBefore)>>20)
	}
	if most := int(long.Seconds()+60) * 11 * 700; len(b.Log()) > most {
		t.Errorf("the broker's log has %d bytes, at most %d were expected", len(b.Log()), most)
	}
	if strings.ContainsFunc(b.Log(), func(r rune) bool { return r < ' ' && r != '\n' }) {
		t.Error("the broker's log has control characters in it")
	}
}

// maxSlowdown bounds the 99th percentile beside garbage, as a multiple of the one without
// garbage. A percentile below noise always passes: even without garbage it is that high now
// and then.
const (
	maxSlowdown = 2
	noise99     = 5 * time.Millisecond
)

// slowed compares latencies beside garbage with those alone, the worse of before and
// after. It fails only in runs of at least a minute, which measure on a machine that does
// nothing else.
func slowed(t *testing.T, before, during, after times) {
	t.Helper()
	for _, one := range []struct {
		what                  string
		before, during, after []time.Duration
	}{
		{"acknowledged", before.acked, during.acked, after.acked},
		{"consumed", before.consumed, during.consumed, after.consumed},
	} {
		alone, beside := max(at(one.before, 0.99), at(one.after, 0.99)), at(one.during, 0.99)
		t.Logf("p99 with garbage is %.2f times (%s) what it is alone", float64(beside)/float64(alone), one.what)
		if *long >= time.Minute && beside > max(maxSlowdown*alone, noise99) {
			t.Errorf("p99 (%s) is %v with garbage and %v alone", one.what, beside, alone)
		}
	}
}

func report(t *testing.T, when string, m times) {
	t.Logf("%-13s acknowledged: p50 %v, p99 %v, p99.9 %v, most %v; consumed: p50 %v, p99 %v, most %v (%d records)", when,
		at(m.acked, 0.5), at(m.acked, 0.99), at(m.acked, 0.999), at(m.acked, 1), at(m.consumed, 0.5), at(m.consumed, 0.99), at(m.consumed, 1), len(m.acked))
}

// keep creates the topics that garbage is stored in again and again, until the caller
// calls end: a mutation deletes one now and then.
func (w *world) keep(t *testing.T, n int) (end func()) {
	t.Helper()
	adm := harness.Admin(t, w.broker.Addr)
	configs := map[string]*string{"retention.bytes": kadm.StringPtr("1048576"), "segment.bytes": kadm.StringPtr("1048576")}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("hostile-%d", i))
	}
	create := func(ctx context.Context) {
		if _, err := adm.CreateTopics(ctx, 1, 1, configs, names...); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	create(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				create(ctx)
			}
		}
	})
	end = func() { cancel(); done.Wait() }
	t.Cleanup(end)
	return end
}

// cleanUp deletes all topics but those of the normal clients: memory for stored topics is
// no leak.
func cleanUp(t *testing.T, addr string) {
	t.Helper()
	adm := harness.Admin(t, addr)
	listed, err := adm.ListTopics(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range listed.Names() {
		if !strings.HasPrefix(name, "Test") {
			names = append(names, name)
		}
	}
	t.Logf("%d topics of the hostile connections", len(names))
	if _, err := adm.DeleteTopics(harness.Context(t), names...); err != nil {
		t.Fatal(err)
	}
}

func servedBy(t *testing.T, addr string) (apis []servedAPI) {
	t.Helper()
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(harness.Context(t), harness.Client(t, addr))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range resp.ApiKeys {
		apis = append(apis, servedAPI{a.ApiKey, a.MinVersion, a.MaxVersion})
	}
	return apis
}

// hostileProcess is the other process, which ends when its input does.
type hostileProcess struct {
	cmd *exec.Cmd
	in  io.Closer
	out *json.Decoder
}

// startHostile starts the other process and waits until it has prepared what it sends,
// which takes a while on a busy machine. The process runs only when no other wants a
// processor: real hostile clients run on other machines and take no CPU time from the
// broker.
func startHostile(t *testing.T, o orders) *hostileProcess {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostileProcess{cmd: exec.Command("chrt", "--idle", "0", os.Args[0])}
	h.cmd.Env = append(os.Environ(), ordersOf+"="+string(text))
	h.cmd.Stderr = os.Stderr
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.in.Close() })
	h.out = json.NewDecoder(out)
	var ready bool
	if err := h.out.Decode(&ready); err != nil {
		t.Fatalf("the hostile process: %v", err)
	}
	return h
}

func (h *hostileProcess) end(t *testing.T) (did deeds) {
	t.Helper()
	h.in.Close()
	if err := errors.Join(h.out.Decode(&did), h.cmd.Wait()); err != nil {
		t.Fatalf("the hostile process: %v", err)
	}
	if did.Visits == 0 || *only == "" && (did.Answers == 0 || did.Refused == 0) {
		t.Fatalf("the hostile process did nothing: %+v", did)
	}
	return did
}

// world is the broker with its normal clients.
type world struct {
	broker    *harness.Broker
	clients   []*normal
	producing sync.WaitGroup
	consuming sync.WaitGroup
	stop, off context.CancelFunc
}

// start has the clients begin, each with a record every so often.
func (w *world) start(every time.Duration) {
	producing, stop := context.WithCancel(context.Background())
	consuming, off := context.WithCancel(context.Background())
	w.stop, w.off = stop, off
	for _, n := range w.clients {
		w.producing.Go(func() { n.produce(producing, every) })
		w.consuming.Go(func() { n.consume(consuming) })
	}
}

// stretch lets time pass and gives the latencies meanwhile.
func (w *world) stretch(d time.Duration) times {
	var all []*times
	for _, n := range w.clients {
		one := new(times)
		all = append(all, one)
		n.measure(one)
	}
	time.Sleep(d)
	for _, n := range w.clients {
		n.measure(nil)
	}
	return merged(all)
}

// end stops the producers, and the consumers once they have everything.
func (w *world) end(t *testing.T) {
	t.Helper()
	w.stop()
	w.producing.Wait()
	ctx := harness.Context(t)
	for _, n := range w.clients {
		for n.behind() > 0 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
	w.off()
	w.consuming.Wait()
	for _, n := range w.clients {
		t.Logf("%s: %d records sent, %d acknowledged, %d consumed", n.topic, n.sent, n.acked, n.received)
		if n.failed != nil {
			t.Error(n.failed)
		}
		if n.acked != n.sent || n.received != n.sent {
			t.Errorf("%s: not all was acknowledged and consumed", n.topic)
		}
	}
}

// behind is how many acknowledged records the consumer has not got.
func (n *normal) behind() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.acked - n.received
}
