package groupcoord

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"klamm/protocol/batch"
)

// TestScripts runs the scripts in testdata. Each command is followed by its answer, by the answers to earlier commands that come meanwhile,
// and by what is written to the log of the partition ("log: ") and to the broker's. `go test -rewrite` writes the files again.
//
//	join as=NAME [member=ID] [instance=ID] [client=ID] [type=TYPE] [protocols=(a:x,b:y)] [session=DURATION]
//	     [rebalance=DURATION] [known] [skips] [group=g]
//	sync as=NAME member=ID generation=N [give=(ID:x,ID:long,...)] [instance=ID] [type=TYPE] [protocol=NAME]
//	heartbeat member=ID generation=N [instance=ID]
//	leave [member=ID] [instance=ID] ...: one line of input for each further one
//	commit as=NAME offsets=(t-0:5,t-1:7:metadata) [member=ID] [generation=N] [instance=ID] [retention=DURATION]
//	fetch [offsets=(t-0,t-1)] [stable]
//	delete-offsets offsets=(t-0)
//	delete | describe | list [states=(a,b)] | expire
//	deleted offsets=(t-0): these partitions were deleted
//	advance DURATION
//	alive member=ID generation=N for=DURATION: time passes, with a heartbeat every minute
//	log hold | log commit | log fail=ERROR: batches wait to be committed | are committed | cannot be appended
//	log most=BYTES: larger batches cannot be appended
//	log stuck | log read | log broken: reading the log waits | goes on | fails
//	log rotten=OFFSET: the batch that begins at an offset is not intact
//	log work: all works again
//	restart [max-size=N] [max-bytes=N]: another coordinator reads the log
//	record [producer=ID] [marker=commit|abort]: another broker writes a batch, with a record for each line of input: key and value, quoted as
//	     in Go, - for null. With a producer it belongs to a transaction, or is its marker
//	resign | elect | close
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				w.t = t
				w.do(d)
				synctest.Wait()
				if d.Cmd == "deleted" || d.Cmd == "expire" || d.Cmd == "log" {
					slices.Sort(w.lines) // groups, and commits that end at once, come in any order
				}
				return w.told()
			})
			w.c.Close()
		})
	})
}

// testConfig has Apache Kafka's defaults, and one partition.
func testConfig() Config {
	return Config{
		MinSessionTimeoutMs: 6000, MaxSessionTimeoutMs: 1_800_000, InitialRebalanceDelayMs: 3000, MaxSize: 1 << 30,
		MaxMetadataSize: 4096, OffsetsRetentionMs: 7 * 24 * 3600_000, CommitTimeoutMs: 5000,
		LoadBufferBytes: 5 << 20, MaxBytes: 1 << 30, Partitions: func() int32 { return 1 },
	}
}

func testOptions(config Config, newID func(prefix string) string) Options {
	return Options{
		Config: config, Now: time.Now, Logger: slog.New(slog.DiscardHandler), NewMemberID: newID,
		After: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop },
	}
}

// world is what a script works on: a coordinator and its log.
type world struct {
	t      *testing.T
	config Config
	c      *Coordinator
	log    *memLog
	ids    int // that were given to members

	mu    sync.Mutex
	lines []string // guarded by mu
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, config: testConfig()}
	w.log = &memLog{appended: w.wrote}
	w.start()
	return w
}

func (w *world) start() {
	o := testOptions(w.config, func(prefix string) string {
		w.ids++
		return fmt.Sprintf("%s-%d", prefix, w.ids)
	})
	o.Logger = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if slices.Contains([]string{slog.TimeKey, slog.LevelKey, "topic", "partition", "bytes"}, a.Key) {
			return slog.Attr{}
		}
		return a
	}}))
	w.c = New(o)
	w.c.Elected(0, 1, w.log)
	w.c.Serve()
	synctest.Wait()
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// Write gets the lines of the broker's log.
func (w *world) Write(line []byte) (int, error) {
	w.say("  %s", strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

func (w *world) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.lines, "\n")
	w.lines = nil
	if text == "" {
		return "nothing\n"
	}
	return text + "\n"
}

func (w *world) do(d *datadriven.TestData) {
	a := arguments{w.t, d}
	group := a.text("group", "g")
	switch d.Cmd {
	case "join":
		w.join(a, group)
	case "sync":
		w.sync(a, group)
	case "heartbeat":
		w.answer(w.c.Heartbeat(&HeartbeatRequest{Group: group, MemberID: a.text("member", ""), InstanceID: a.maybe("instance"), Generation: a.number("generation", 0)}))
	case "leave":
		w.leave(a, group)
	case "commit":
		w.commit(a, group)
	case "fetch":
		w.fetch(a, group)
	case "delete-offsets":
		asked := a.partitions("offsets")
		errs, err := w.c.DeleteOffsets(group, asked)
		w.answers(errs, err)
	case "deleted":
		w.c.DeletedPartitions(a.partitions("offsets"))
	case "delete":
		w.answer(w.c.DeleteGroup(group))
	case "expire":
		w.c.ExpireOffsets()
	case "describe":
		w.describe(group)
	case "list":
		w.list(a)
	case "advance":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(by)
	case "alive":
		w.alive(a, group)
	case "log":
		w.log.set(a)
	case "restart":
		w.c.Close()
		synctest.Wait()
		w.config.MaxSize = int(a.number("max-size", int32(w.config.MaxSize)))
		w.config.MaxBytes = int64(a.number("max-bytes", int32(w.config.MaxBytes)))
		w.start()
	case "record":
		w.record(d)
	case "elect":
		w.c.Elected(0, 2, w.log)
	case "resign":
		w.c.Resigned(0)
	case "close":
		w.c.Close()
	default:
		w.t.Fatalf("%s: no such command", d.Pos)
	}
}

func (w *world) alive(a arguments, group string) {
	for range a.ms("for", 0) / 60_000 {
		time.Sleep(time.Minute)
		if err := w.c.Heartbeat(&HeartbeatRequest{Group: group, MemberID: a.text("member", ""), Generation: a.number("generation", 0)}); err != nil {
			w.answer(err)
			return
		}
	}
}

func (w *world) answer(err error) { w.say("%s", errText(err)) }

func (w *world) answers(errs []error, err error) {
	if err != nil {
		w.answer(err)
	}
	for _, err := range errs {
		w.answer(err)
	}
}

func errText(err error) string {
	if err == nil {
		return "ok"
	}
	for name, known := range errorNames {
		if errors.Is(err, known) {
			return name
		}
	}
	return err.Error()
}

// errorNames are the errors as the protocol names them.
var errorNames = map[string]error{
	"INVALID_GROUP_ID": ErrInvalidGroupID, "COORDINATOR_NOT_AVAILABLE": ErrNotAvailable, "COORDINATOR_LOAD_IN_PROGRESS": ErrLoading,
	"NOT_COORDINATOR": ErrNotCoordinator, "UNKNOWN_MEMBER_ID": ErrUnknownMember, "ILLEGAL_GENERATION": ErrIllegalGeneration,
	"REBALANCE_IN_PROGRESS": ErrRebalanceInProgress, "INCONSISTENT_GROUP_PROTOCOL": ErrInconsistentProtocol,
	"INVALID_SESSION_TIMEOUT": ErrInvalidSessionTimeout, "FENCED_INSTANCE_ID": ErrFencedInstance, "MEMBER_ID_REQUIRED": ErrMemberIDRequired,
	"GROUP_MAX_SIZE_REACHED": ErrGroupFull, "NON_EMPTY_GROUP": ErrNotEmpty, "GROUP_ID_NOT_FOUND": ErrUnknownGroup,
	"GROUP_SUBSCRIBED_TO_TOPIC": ErrSubscribed, "OFFSET_METADATA_TOO_LARGE": ErrMetadataTooLarge, "UNSTABLE_OFFSET_COMMIT": ErrUnstableOffset,
	"INVALID_COMMIT_OFFSET_SIZE": ErrCommitTooLarge, "UNKNOWN_SERVER_ERROR": ErrTooLarge, "REQUEST_TIMED_OUT": ErrCommitTimedOut,
	"RECORDS_TOO_LARGE": ErrRecordsTooLarge,
}

func (w *world) join(a arguments, group string) {
	as := a.text("as", "?")
	w.c.Join(&JoinRequest{
		Group: group, MemberID: a.text("member", ""), InstanceID: a.maybe("instance"), ClientID: a.text("client", "c"), ClientHost: "/127.0.0.1",
		SessionTimeoutMs: a.ms("session", 10*time.Second), RebalanceTimeoutMs: a.ms("rebalance", time.Minute),
		ProtocolType: a.text("type", "consumer"), Protocols: a.protocols(), NeedsKnownID: a.has("known"), SkipsAssignment: a.has("skips"),
		Done: func(r JoinAnswer) {
			line := fmt.Sprintf("%s: %s member=%s", as, errText(r.Err), r.MemberID)
			if r.Generation != noGeneration {
				line += fmt.Sprintf(" generation=%d type=%s protocol=%s leader=%s", r.Generation, textOf(r.ProtocolType), textOf(r.Protocol), r.Leader)
			}
			if r.SkipAssignment {
				line += " skip"
			}
			for _, m := range r.Members {
				line += fmt.Sprintf("\n  %s says %s", nameOf(m.MemberID, m.InstanceID), saidBy(m.Metadata))
			}
			w.say("%s", line)
		},
	})
}

func nameOf(id string, instance *string) string {
	if instance != nil {
		return id + "/" + *instance
	}
	return id
}

func textOf(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// subscribes makes the subscription of a consumer to topics that are divided by slashes; saidBy reads it.
func subscribes(topics string) []byte {
	if topics == "?" {
		return []byte("?")
	}
	b := []byte{0, 0, 0, 0, 0, 0}
	if topics != "" {
		for topic := range strings.SplitSeq(topics, "/") {
			b[5]++
			b = append(append(b, 0, byte(len(topic))), topic...)
		}
	}
	return append(b, 0xff, 0xff, 0xff, 0xff)
}

func saidBy(b []byte) string {
	topics := map[string]bool{}
	if !subscription(b, topics) {
		return fmt.Sprintf("%q", b)
	}
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, "/")
}

func (w *world) sync(a arguments, group string) {
	as := a.text("as", "?")
	r := &SyncRequest{
		Group: group, MemberID: a.text("member", ""), InstanceID: a.maybe("instance"), Generation: a.number("generation", 1),
		ProtocolType: a.maybe("type"), Protocol: a.maybe("protocol"),
		Done: func(r SyncAnswer) {
			if r.Err != nil {
				w.say("%s: %s", as, errText(r.Err))
				return
			}
			w.say("%s: ok type=%s protocol=%s does %s", as, textOf(r.ProtocolType), textOf(r.Protocol), r.Assignment)
		},
	}
	for _, give := range a.list("give") {
		id, what, _ := strings.Cut(give, ":")
		if what == "long" {
			what = strings.Repeat("x", 5<<10)
		}
		r.Assignments = append(r.Assignments, Assignment{id, []byte(what)})
	}
	w.c.Sync(r)
}

func (w *world) leave(a arguments, group string) {
	leavers := []Leaver{{MemberID: a.text("member", ""), InstanceID: a.maybe("instance")}}
	for line := range strings.Lines(a.d.Input) {
		var l Leaver
		for _, f := range strings.Fields(line) {
			name, value, _ := strings.Cut(f, "=")
			if name == "instance" {
				l.InstanceID = &value
			} else {
				l.MemberID = value
			}
		}
		leavers = append(leavers, l)
	}
	errs, err := w.c.Leave(group, leavers)
	w.answers(errs, err)
}

func (w *world) commit(a arguments, group string) {
	as := a.text("as", "?")
	r := &CommitRequest{
		Group: group, MemberID: a.text("member", ""), InstanceID: a.maybe("instance"), Generation: a.number("generation", -1),
		RetentionMs: int64(a.ms("retention", -time.Millisecond)),
	}
	for _, o := range a.list("offsets") {
		f := strings.SplitN(o+"::", ":", 3)
		topic, partition := splitPartition(a.t, f[0])
		offset, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			a.t.Fatalf("%s: %v", a.d.Pos, err)
		}
		c := CommittedOffset{Topic: topic, Partition: partition, Offset: offset, LeaderEpoch: a.number("epoch", -1), TimestampMs: -1, Metadata: strings.TrimRight(f[2], ":")}
		if c.Metadata == "long" {
			c.Metadata = strings.Repeat("x", w.config.MaxMetadataSize+1)
		}
		r.Offsets = append(r.Offsets, c)
	}
	r.Done = func(err error) {
		line := as + ":"
		for _, o := range r.Offsets {
			if o.Err == nil {
				o.Err = err
			}
			line += fmt.Sprintf(" %s-%d %s", o.Topic, o.Partition, errText(o.Err))
		}
		w.say("%s", line)
	}
	w.c.Commit(r)
}

func splitPartition(t *testing.T, s string) (topic string, partition int32) {
	i := strings.LastIndexByte(s, '-')
	n, err := strconv.ParseInt(s[i+1:], 10, 32)
	if i < 0 || err != nil {
		t.Fatalf("%q is no partition", s)
	}
	return s[:i], int32(n)
}

func (w *world) fetch(a arguments, group string) {
	list, err := w.c.FetchOffsets(group, a.partitions("offsets"), a.has("stable"))
	if err != nil {
		w.answer(err)
	}
	for _, o := range list {
		line := fmt.Sprintf("%s-%d %d", o.Topic, o.Partition, o.Offset)
		if o.LeaderEpoch >= 0 {
			line += fmt.Sprintf(" epoch=%d", o.LeaderEpoch)
		}
		if o.Metadata != "" {
			line += " " + o.Metadata
		}
		if o.Err != nil {
			line += " " + errText(o.Err)
		}
		w.say("%s", line)
	}
}

func (w *world) describe(group string) {
	d, err := w.c.DescribeGroup(group)
	if err != nil {
		w.answer(err)
		return
	}
	w.say("%s type=%s protocol=%s", d.State, d.ProtocolType, d.Protocol)
	for _, m := range d.Members {
		line := fmt.Sprintf("  %s client=%s host=%s", nameOf(m.MemberID, m.InstanceID), m.ClientID, m.ClientHost)
		if m.Metadata != nil {
			line += fmt.Sprintf(" says %s does %s", saidBy(m.Metadata), m.Assignment)
		}
		w.say("%s", line)
	}
}

func (w *world) list(a arguments) {
	list, err := w.c.ListGroups(a.list("states"))
	if err != nil {
		w.answer(err)
	}
	slices.SortFunc(list, func(a, b GroupOverview) int { return strings.Compare(a.Group, b.Group) })
	for _, o := range list {
		w.say("%s %s type=%s", o.Group, o.State, o.ProtocolType)
	}
}

// record appends a batch that another broker may have written.
func (w *world) record(d *datadriven.TestData) {
	b, a := batch.NewBuilder(batch.None), arguments{w.t, d}
	if a.has("producer") {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = int64(a.number("producer", 0)), 0, 0, true
	}
	if marker := a.text("marker", ""); marker != "" {
		b.Control, b.BaseSequence = true, -1
		b.Add(time.Now().UnixMilli(), []byte{0, 0, 0, map[string]byte{"abort": 0, "commit": 1}[marker]}, []byte{0, 0, 0, 0, 0, 0})
	}
	for line := range strings.Lines(d.Input) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		b.Add(time.Now().UnixMilli(), w.unquote(key), w.unquote(value))
	}
	data, err := b.Build()
	if err != nil {
		w.t.Fatalf("%s: %v", d.Pos, err)
	}
	w.log.appended = nil
	_, _, err = w.log.Append(data, nil)
	w.log.appended = w.wrote
	w.answer(err)
}

func (w *world) unquote(s string) []byte {
	if s == "-" {
		return nil
	}
	text, err := strconv.Unquote(s)
	if err != nil {
		w.t.Fatalf("%s: %v", s, err)
	}
	return []byte(text)
}

// wrote tells what was written to the partition's log.
func (w *world) wrote(b []byte) {
	for r, err := range batch.Records(b, 0) {
		if err != nil {
			w.t.Error(err)
			return
		}
		w.say("  log: %s", recordText(r.Key, r.Value))
	}
}

func recordText(k, value []byte) string {
	group, topic, partition, err := readKey(k)
	if err != nil {
		return err.Error()
	}
	what := "group " + group
	if topic != nil {
		what = fmt.Sprintf("offset of %s in %s-%d", group, *topic, partition)
	}
	if value == nil {
		return what + " removed"
	}
	if topic != nil {
		c, err := readCommit(value)
		if err != nil {
			return what + ": " + err.Error()
		}
		what += fmt.Sprintf(": %d", c.offset)
		if c.leaderEpoch >= 0 {
			what += fmt.Sprintf(" epoch=%d", c.leaderEpoch)
		}
		if c.metadata != "" {
			what += " " + c.metadata
		}
		if c.expiresMs >= 0 {
			what += fmt.Sprintf(" for %v", time.Duration(c.expiresMs-c.timeMs)*time.Millisecond)
		}
		return what
	}
	g, err := readGroup(new(Config), group, value)
	if err != nil {
		return what + ": " + err.Error()
	}
	what += fmt.Sprintf(": generation=%d protocol=%s leader=%s", g.generation, textOf(g.protocol), g.leader)
	for _, m := range g.members {
		what += fmt.Sprintf(" %s=%s", nameOf(m.id, m.instanceID), m.assignment)
	}
	return what
}

// arguments are those of a command.
type arguments struct {
	t *testing.T
	d *datadriven.TestData
}

func (a arguments) has(name string) bool { return a.d.HasArg(name) }

func (a arguments) list(name string) []string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == name {
			return arg.Vals
		}
	}
	return nil
}

func (a arguments) text(name, otherwise string) string {
	if v := a.list(name); len(v) > 0 {
		return v[0]
	}
	return otherwise
}

func (a arguments) maybe(name string) *string {
	if v := a.list(name); len(v) > 0 {
		return &v[0]
	}
	return nil
}

func (a arguments) number(name string, otherwise int32) int32 {
	s := a.text(name, "")
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		a.t.Fatalf("%s: %v", a.d.Pos, err)
	}
	return int32(n)
}

func (a arguments) ms(name string, otherwise time.Duration) int32 {
	if s := a.text(name, ""); s != "" {
		var err error
		if otherwise, err = time.ParseDuration(s); err != nil {
			a.t.Fatalf("%s: %v", a.d.Pos, err)
		}
	}
	return int32(otherwise.Milliseconds())
}

// protocols are those that a member supports, each with the topics that it is subscribed to.
func (a arguments) protocols() (list []Protocol) {
	given := a.list("protocols")
	if !a.has("protocols") {
		given = []string{"range:t"}
	}
	for _, p := range given {
		if p == "" {
			continue
		}
		name, topics, _ := strings.Cut(p, ":")
		list = append(list, Protocol{name, subscribes(topics)})
	}
	return list
}

func (a arguments) partitions(name string) (list []Partitions) {
	for _, s := range a.list(name) {
		topic, partition := splitPartition(a.t, s)
		if n := len(list); n > 0 && list[n-1].Topic == topic {
			list[n-1].Partitions = append(list[n-1].Partitions, partition)
		} else {
			list = append(list, Partitions{topic, []int32{partition}})
		}
	}
	return list
}
