package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"klamm/cluster/order"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// TestScripts runs the scripts in testdata. They are about broker 1 and partition t-0. Each command is followed by what comes of it: by what
// fetchers and coordinators are told, what the controller is asked, who waits no longer, and the partition as it is then.
// The manager's warnings are told too. `go test -rewrite` writes the files again.
//
//	lead epoch=N [isr=(1,2)] [replicas=(1,2)] [partition-epoch=N] [new] [id=N]: an order to lead
//	follow leader=ID epoch=N ...: an order to follow; leader -1 is nobody
//	stop [epoch=N] [delete]
//	append [as=NAME] [acks=0|1|all] [timeout=DURATION]: a producer sends a record; without a name it does not wait
//	await as=NAME offset=N epoch=N: a producer waits with acks=all for what was appended up to an offset in an epoch
//	fetched by=ID offset=N [start=N] [end=N] [epoch=N]: a follower's fetch was served, when the log ended at end
//	wait as=NAME [bytes=N] [end] [hw=N]: a consumer's fetch waits, or a follower's that was read when the high watermark was hw
//	delete-records as=NAME before=N [timeout=DURATION]
//	answer [isr=(1,2)] [partition-epoch=N] [leader-epoch=N] [error=NAME] [lost]: the controller answers what it was asked
//	alive brokers=(1,2): these brokers are live
//	advance DURATION
//	set [lag=DURATION] [messages=N] [min-isr=N] [flush]
//	disk hold | disk go: syncs wait | go on
//	disk fail: writing fails
//	disk full | disk works: no file can be made | it can
//	replicate [batches=N] [offset=N] [hw=N] [start=N] [epoch=N] [batch-epoch=N]: a fetcher has fetched batches from offset, with the leader's
//	     high watermark and log start offset
//	truncate offset=N epoch=N | restart-at offset=N epoch=N: a fetcher does so
//	restart [crash|power] [tell-hw]: the broker starts again, after it was killed, or after the machine lost its power; leaders tell
//	     followers the high watermark when it moves
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.HasPrefix(path, "testdata/fetch/") {
			return // see TestFetchScripts
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer func() { w.close() }()
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				w.t = t
				w.do(d)
				synctest.Wait()
				return w.told()
			})
		})
	})
}

// world is what a script works on.
type world struct {
	t        *testing.T
	disk     *vfs.Mem
	store    *logstore.Store
	manager  *Manager
	settings Settings
	topic    map[string]string
	tellHW   bool
	answers  chan alterAnswer
	held     chan struct{} // closed to let the syncs go on that the disk holds
	mend     func()        // lets the disk work again
	last     State         // the state that an order leaves out parts of
	sessions map[string]*worldSession

	mu    sync.Mutex
	lines []string
	aside []string // lines of goroutines that run at the same time, in no order
	alive []int32
}

// alterAnswer is what the controller answers.
type alterAnswer struct {
	res []order.AlterPartitionResult
	err error
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, disk: vfs.NewMem(), settings: DefaultSettings(), topic: map[string]string{"min-isr": "1"},
		answers: make(chan alterAnswer), sessions: map[string]*worldSession{}, alive: []int32{1, 2, 3}, last: State{Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2, 3}},
	}
	w.start()
	return w
}

func (w *world) start() {
	var err error
	w.store, err = logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{"/d"}, FS: w.disk, BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), ReserveBytes: 1,
		Logger:       slog.New(slog.DiscardHandler),
		OnDirFailure: func(_ string, _ error, partitions []protocol.TopicPartition) { w.manager.LogsFailed(partitions) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.manager = NewManager(Options{
		Store: w.store, BrokerID: 1, Resolve: w.resolve, Settings: func() Settings { return w.settings }, Alive: w.isAlive,
		AlterPartition: w.alter, TellHighWatermark: w.tellHW, Logger: slog.New(slog.NewTextHandler((*worldLog)(w), &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime})),
	})
	w.manager.fetchers = (*worldFetchers)(w)
	w.manager.OnLead(func(p *Partition) { w.tell("coordinator: %s is led in epoch %d", p.tp, p.LeaderEpoch()) })
	w.manager.OnStop(func(tp protocol.TopicPartition) { w.tell("coordinator: %s is not led any more", tp) })
}

func (w *world) close() {
	w.manager.Close()
	if err := w.store.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) resolve(overrides map[string]string) *Config {
	cfg := &Config{Log: logstore.DefaultConfig()}
	cfg.Log.RetentionMs = -1 // the records of the scripts are old
	n, _ := strconv.Atoi(overrides["min-isr"])
	cfg.MinInSyncReplicas = int32(n)
	if overrides["flush"] != "" {
		cfg.Log.FlushMessages = 1
	}
	return cfg
}

func (w *world) isAlive(id int32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.alive, id)
}

// alter is the controller, as the manager sees it.
func (w *world) alter(ctx context.Context, changes []order.AlterPartition) ([]order.AlterPartitionResult, error) {
	for _, c := range changes {
		w.tell("controller: asked for ISR %v of %s, leader epoch %d, partition epoch %d", c.ISR, c.TopicPartition, c.LeaderEpoch, c.PartitionEpoch)
	}
	select {
	case a := <-w.answers:
		return a.res, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// worldLog tells the manager's warnings.
type worldLog world

func (l *worldLog) Write(line []byte) (int, error) {
	(*world)(l).tell("log: %s", strings.TrimSpace(string(line)))
	return len(line), nil
}

// withoutTime leaves the time and the level out of a line.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// worldFetchers are the fetchers of a world.
type worldFetchers world

func (f *worldFetchers) Set(list []Followed) {
	for _, p := range list {
		from := "from the log end"
		if p.Truncating {
			from = "from the high watermark"
		}
		if p.InSync {
			from = "in sync, " + from
		}
		(*world)(f).tell("fetchers: %s of topic id %d from broker %d in epoch %d, %s %d", p.tp, p.TopicID[0], p.Leader, p.LeaderEpoch, from, p.StartOffset)
	}
}

func (f *worldFetchers) Remove(list []protocol.TopicPartition) {
	(*world)(f).tell("fetchers: stop %v", list)
}
func (f *worldFetchers) BrokersChanged() { (*world)(f).tell("fetchers: other brokers are live") }
func (f *worldFetchers) Close()          {}

// tell adds a line to the answer.
func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// tellAside is tell for a goroutine that runs while others do.
func (w *world) tellAside(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aside = append(w.aside, fmt.Sprintf(format, args...))
}

// told gives the lines since it was called last, and the partition.
func (w *world) told() string {
	w.mu.Lock()
	slices.Sort(w.aside)
	lines := append(w.lines, w.aside...)
	w.lines, w.aside = nil, nil
	w.mu.Unlock()
	return strings.Join(append(lines, w.describe()), "\n") + "\n"
}

// describe tells what the partition is.
func (w *world) describe() string {
	p, err := w.manager.Partition(tp)
	if err != nil {
		return err.Error()
	}
	s, b := p.State(), p.Bounds()
	text := fmt.Sprintf("%s, epoch %d/%d", s.Role, s.LeaderEpoch, s.PartitionEpoch)
	switch s.Role {
	case Leader:
		text += fmt.Sprintf(" since %d at %d, ISR %v", s.since, s.EpochStart, s.ISR)
		if !slices.Equal(s.ISR, s.MaximalISR) {
			text += fmt.Sprintf(" or %v", s.MaximalISR)
		}
	case Follower:
		text += fmt.Sprintf(" of %d", s.Leader)
	}
	text += fmt.Sprintf(", offsets %d..%d, high watermark %d", b.LogStart, b.LogEnd, b.HighWatermark)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.remotes {
		if r.end != unknown {
			text += fmt.Sprintf(", %d at %d", r.id, r.end)
		}
	}
	if p.log.HighWatermark() != p.hw.Load() {
		text += fmt.Sprintf(" (the log says %d)", p.log.HighWatermark())
	}
	return text
}

func (w *world) do(d *datadriven.TestData) {
	switch d.Cmd {
	case "lead", "follow":
		w.order(d)
	case "stop":
		w.stop(d)
	case "append":
		w.append(d)
	case "await":
		w.await(text(d, "as"), Wait{number(w.t, d, "offset", 0), int32(number(w.t, d, "epoch", 0)), -1, NoTimeout})
	case "fetched":
		w.fetched(d)
	case "session":
		w.session(d)
	case "wait":
		w.wait(d)
	case "delete-records":
		w.deleteRecords(d)
	case "answer":
		w.answer(d)
	case "alive":
		w.mu.Lock()
		w.alive = list(w.t, d, "brokers", nil)
		w.mu.Unlock()
		w.manager.BrokersChanged()
	case "advance":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(by)
	case "set":
		w.set(d)
	case "disk":
		w.setDisk(d.CmdArgs[0].Key)
	case "replicate":
		w.replicate(d)
	case "truncate", "restart-at":
		w.truncate(d)
	case "restart":
		w.restart(d)
	default:
		w.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
}

func (w *world) order(d *datadriven.TestData) {
	s := &w.last
	o := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{byte(number(w.t, d, "id", 1))}, Leader: 1, IsNew: d.HasArg("new")}
	if d.Cmd == "follow" {
		o.Leader = int32(number(w.t, d, "leader", 2))
	}
	s.LeaderEpoch = int32(number(w.t, d, "epoch", int64(s.LeaderEpoch)))
	s.PartitionEpoch = int32(number(w.t, d, "partition-epoch", int64(s.PartitionEpoch)))
	s.ISR, s.Replicas = list(w.t, d, "isr", s.ISR), list(w.t, d, "replicas", s.Replicas)
	o.LeaderEpoch, o.PartitionEpoch, o.ISR, o.Replicas = s.LeaderEpoch, s.PartitionEpoch, s.ISR, s.Replicas
	answer := w.manager.LeaderAndISR(&order.LeaderAndISRRequest{Partitions: []order.LeaderAndISR{o}}, w.overrides)
	if err := cmp.Or(answer.Err, answer.At(0)); err != nil {
		w.tell("refused: %v", err)
	}
}

func (w *world) overrides(string) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	copied := map[string]string{}
	for k, v := range w.topic {
		copied[k] = v
	}
	return copied
}

func (w *world) stop(d *datadriven.TestData) {
	o := order.StopReplica{TopicPartition: tp, LeaderEpoch: int32(number(w.t, d, "epoch", int64(order.NoLeaderEpoch))), Delete: d.HasArg("delete")}
	answer := w.manager.StopReplica(&order.StopReplicaRequest{Partitions: []order.StopReplica{o}})
	if err := cmp.Or(answer.Err, answer.At(0)); err != nil {
		w.tell("refused: %v", err)
	}
}

func (w *world) partition() *Partition {
	p, err := w.manager.Partition(tp)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) append(d *datadriven.TestData) {
	acks, known := map[string]int16{"": -1, "all": -1, "0": 0, "1": 1}[text(d, "acks")]
	if !known {
		w.t.Fatalf("%s: unknown acks", d.Pos)
	}
	p := w.partition()
	batches := []logstore.Append{(&fixture{t: w.t}).batch()}
	epoch, err := p.Append(batches, acks, time.Now().UnixMilli())
	if err != nil {
		w.tell("append: %v", err)
		return
	}
	name := text(d, "as")
	if name == "" {
		return
	}
	wait := Wait{Offset: batches[0].Result.LastOffset + 1, LeaderEpoch: epoch, Acks: acks, TimeoutMs: NoTimeout}
	if timeout := text(d, "timeout"); timeout != "" {
		wait.TimeoutMs = duration(w.t, timeout).Milliseconds()
	}
	w.await(name, wait)
}

func (w *world) await(name string, wait Wait) {
	if w.partition().AwaitCommit(wait, func(err error) { w.tell("%s: offset %d: %v", name, wait.Offset-1, outcome(err)) }) {
		w.tell("%s: offset %d: at once", name, wait.Offset-1)
	}
}

func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

func (w *world) fetched(d *datadriven.TestData) {
	p := w.partition()
	f := FollowerFetch{
		Replica: int32(number(w.t, d, "by", 2)), Offset: number(w.t, d, "offset", 0), LogStart: number(w.t, d, "start", 0),
		LeaderEpoch: int32(number(w.t, d, "epoch", int64(p.LeaderEpoch()))), LeaderEnd: number(w.t, d, "end", p.log.EndOffset()),
	}
	if name := text(d, "session"); name != "" {
		s := w.sessions[name]
		if s == nil {
			session := NewFollowerSession()
			s = &worldSession{FollowerSession: session, watch: session.Watch(nil)}
			w.sessions[name] = s
		}
		f.Watch = s.watch
		s.watch.Moves()
		s.Fetched(w.manager.NowMs())
		s.Take(nil)
	}
	if err := p.UpdateFollower(f, w.manager.NowMs()); err != nil {
		w.tell("refused: %v", err)
	}
}

// worldSession is a follower's fetch session. Its one partition is that of the script.
type worldSession struct {
	*FollowerSession
	watch *FollowerWatch
}

// session has a follower's session fetch without naming the partition, and perhaps wait, or end.
func (w *world) session(d *datadriven.TestData) {
	name := text(d, "as")
	s := w.sessions[name]
	switch {
	case d.HasArg("close"):
		s.Close()
		s.watch.Detach()
	case d.HasArg("wait"):
		f := NewDelayedFetch(number(w.t, d, "bytes", 1), 1, func() { w.tellAside("%s: goes on", name) })
		if !s.Await(f) || !f.Arm() {
			w.tell("%s: does not wait", name)
		}
	default:
		s.Fetched(w.manager.NowMs())
		w.tell("%s: %d noted, caught up: %v", name, len(s.Take(nil)), s.watch.CaughtUp())
	}
}

func (w *world) wait(d *datadriven.TestData) {
	p, name := w.partition(), text(d, "as")
	f := NewDelayedFetch(number(w.t, d, "bytes", 1), 1, func() { w.tellAside("%s: goes on", name) })
	watch := func() bool { return f.Watch(p, p.LeaderEpoch(), p.HighWatermark()) }
	if d.HasArg("end") {
		watch = func() bool {
			return f.WatchEnd(p, p.LeaderEpoch(), p.log.EndOffset(), number(w.t, d, "hw", p.HighWatermark()))
		}
	}
	if !watch() || !f.Arm() {
		w.tell("%s: does not wait", name)
	}
}

func (w *world) deleteRecords(d *datadriven.TestData) {
	timeout := 30 * time.Second
	if d.HasArg("timeout") {
		timeout = duration(w.t, text(d, "timeout"))
	}
	list := []Deletion{{Partition: w.partition(), Before: number(w.t, d, "before", -1)}}
	name := text(d, "as")
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		w.manager.DeleteRecords(ctx, list)
		w.tellAside("%s: low watermark %d: %s", name, list[0].LowWatermark, outcome(list[0].Err))
	}()
}

// refusals are the controller's errors by name.
var refusals = map[string]error{
	"": nil, "ineligible": order.ErrIneligibleReplica, "not-attempted": order.ErrNotAttempted, "fenced": order.ErrFencedLeaderEpoch,
	"version": order.ErrInvalidUpdateVersion, "invalid": order.ErrInvalidRequest, "unknown": order.ErrUnknownTopicID,
	"other": errors.New("an error of the controller"),
}

func (w *world) answer(d *datadriven.TestData) {
	s := w.partition().State()
	refusal, known := refusals[text(d, "error")]
	if !known {
		w.t.Fatalf("%s: unknown error", d.Pos)
	}
	res := order.AlterPartitionResult{
		Leader: 1, LeaderEpoch: int32(number(w.t, d, "leader-epoch", int64(s.LeaderEpoch))), ISR: list(w.t, d, "isr", s.ISR),
		PartitionEpoch: int32(number(w.t, d, "partition-epoch", int64(s.PartitionEpoch)+1)), Err: refusal,
	}
	a := alterAnswer{res: []order.AlterPartitionResult{res}}
	if d.HasArg("lost") {
		a = alterAnswer{err: errors.New("the connection was cut")}
	}
	select {
	case w.answers <- a:
	default:
		w.tell("the controller was not asked")
	}
}

func (w *world) set(d *datadriven.TestData) {
	if d.HasArg("lag") {
		w.settings.LagTimeMaxMs = duration(w.t, text(d, "lag")).Milliseconds()
	}
	w.settings.LagMessagesMax = number(w.t, d, "messages", w.settings.LagMessagesMax)
	w.mu.Lock()
	if d.HasArg("min-isr") {
		w.topic["min-isr"] = text(d, "min-isr")
	}
	if d.HasArg("flush") {
		w.topic["flush"] = "1"
	}
	w.mu.Unlock()
	w.manager.Configure("t", w.overrides)
}

func (w *world) setDisk(what string) {
	switch what {
	case "hold":
		held := make(chan struct{})
		w.held = held
		w.disk.SetHook(func(op vfs.Op) {
			if op.Kind == vfs.OpSync && strings.HasSuffix(op.Path, ".log") {
				<-held
			}
		})
	case "go":
		w.disk.SetHook(nil)
		close(w.held)
	case "fail":
		w.disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: "*.log", Err: syscall.EIO})
	case "full":
		w.mend = w.disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Path: "*.log", Err: syscall.ENOSPC})
	case "works":
		w.mend()
	default:
		w.t.Fatalf("unknown state of the disk: %s", what)
	}
}

func (w *world) truncate(d *datadriven.TestData) {
	p := w.partition()
	truncate := p.TruncateAsFollower
	if d.Cmd == "restart-at" {
		truncate = p.TruncateFullyAndStartAt
	}
	if err := truncate(number(w.t, d, "offset", 0), int32(number(w.t, d, "epoch", int64(p.LeaderEpoch())))); err != nil {
		w.tell("refused: %v", err)
	}
}

func (w *world) replicate(d *datadriven.TestData) {
	p := w.partition()
	from, epoch := number(w.t, d, "offset", p.log.EndOffset()), int32(number(w.t, d, "epoch", int64(p.LeaderEpoch())))
	var records []byte
	for i := range number(w.t, d, "batches", 1) {
		data := (&fixture{t: w.t}).batch().Data
		batch.SetOffsets(data, from+i, int32(number(w.t, d, "batch-epoch", int64(epoch))))
		records = append(records, data...)
	}
	end, err := p.AppendAsFollower(records, from, number(w.t, d, "hw", 0), number(w.t, d, "start", 0), epoch)
	if err != nil {
		w.tell("refused: %v", err)
	} else if end != p.log.EndOffset() {
		w.tell("wrong end %d", end)
	}
}

func (w *world) restart(d *datadriven.TestData) {
	disk := w.disk
	w.tellHW = d.HasArg("tell-hw")
	if d.HasArg("crash") || d.HasArg("power") {
		time.Sleep(10 * time.Second) // the checkpoint of high watermarks is written
		if disk = w.disk.Clone(); d.HasArg("power") {
			disk = w.disk.CrashClone(1)
		}
	}
	w.close()
	w.disk = disk
	w.start()
}

func text(d *datadriven.TestData, key string) string {
	if arg, ok := d.Arg(key); ok && len(arg.Vals) > 0 {
		return arg.Vals[0]
	}
	return ""
}

func number(t *testing.T, d *datadriven.TestData, key string, otherwise int64) int64 {
	value := text(d, key)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", d.Pos, err)
	}
	return n
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// list gives the brokers of an argument.
func list(t *testing.T, d *datadriven.TestData, key string, otherwise []int32) []int32 {
	arg, ok := d.Arg(key)
	if !ok {
		return otherwise
	}
	return ids(t, arg.Vals)
}

func ids(t *testing.T, vals []string) []int32 {
	out := []int32{}
	for _, v := range vals {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, int32(n))
	}
	return out
}
