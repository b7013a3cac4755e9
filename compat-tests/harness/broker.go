package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Deadlines for what another process does. They bound a hang; no test asserts
// how long something took.
const (
	readyWithin = 90 * time.Second
	stopWithin  = 60 * time.Second
	// A JVM with thousands of partitions stops slowly.
	measuredStopWithin = 10 * time.Minute
)

// Options says how a broker is started. The zero value is a broker with
// Kafka's defaults, one plaintext listener and a data directory of its own.
type Options struct {
	// Properties are added to server.properties; they win over the harness' own.
	Properties map[string]string
	// DataDir is the parent of log.dirs; Remove keeps it. "" means a temporary directory, which Remove deletes.
	DataDir string
	// Broker is "klamm" or "apache", for a test that needs that one. "" means the broker that the tests run
	// against; see Reference.
	Broker string
	// Release is the release of the reference broker: Kafka39, or KafkaNewest, which is a single KRaft node
	// without ZooKeeper. "" means Kafka39.
	Release string
	// Measured runs the reference broker with the JVM options of its own scripts (1 GB of heap, G1, the whole
	// compiler). Otherwise it runs with options that make it start fast and use little memory and CPU.
	Measured bool
	// Heap bounds the heap of the reference broker, as "256m". "" means 768m, and 1g when it is measured.
	Heap string
	// JVM are more options of the reference broker's JVM, as an agent.
	JVM []string
	// Between is how long all brokers of a cluster run between two of the restarts of KLAMM_ROLLING, 0 for a second.
	Between time.Duration

	// cluster is the cluster that the broker belongs to. Its ZooKeeper outlives the broker.
	cluster *Cluster
}

// Broker is a broker that runs or is stopped. Its methods may be called from one goroutine at a time. Addr may be
// read at any time. With [Brokers] a Broker may stand for a cluster: Kill kills one broker of it, each time the next one, Stop
// stops all, and Run starts those that do not run.
type Broker struct {
	// Addr is the plaintext listener, host:port, or the listeners of a cluster's brokers with commas between them. It stays over
	// restarts.
	Addr string
	// LogDir is the one directory of log.dirs, unless Properties set another; of a cluster, that of its first broker.
	LogDir string

	opts      Options
	apache    bool
	dir       string // everything of this broker: properties, logs, data
	logPath   string
	proc      *process
	paused    bool
	zookeeper *ZooKeeper // of Kafka39, and of every broker of a cluster
	quorum    string     // of KafkaNewest: where its controller listens
	several   *several   // the brokers that this one stands for; nil for one that is a process
}

// Reference says whether the tests run against Apache Kafka instead of klamm.
func Reference() bool { return os.Getenv("KLAMM_BROKER") == "apache" }

// Start starts a broker for one test, waits until it answers and stops it when
// the test ends. It fails the test when the broker does not come up.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	return StartAt(t, "", o)
}

// StartAt does the same as Start for a broker that answers on a given address, not on one that the harness
// chooses. The test's properties make the broker listen there.
func StartAt(t testing.TB, addr string, o Options) *Broker {
	t.Helper()
	b, err := newAt(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the broker's log is kept: %s", b.KeepLog())
		}
		b.Remove()
	})
	return b
}

// Main runs the tests of a package against one broker and gives the exit code
// for os.Exit. The broker is put in *into before the tests begin.
func Main(m *testing.M, into **Broker, o Options) int {
	b, err := New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*into = b
	code := m.Run()
	if err := b.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the broker's log is kept: %s\n", b.KeepLog())
	}
	b.Remove()
	return code
}

// New starts a broker and waits until it answers Metadata with itself in it.
// The caller owns it: Close, then Remove.
func New(o Options) (*Broker, error) { return newAt("", o) }

// Prepare is New without starting the broker: its ZooKeeper, where it needs
// one, is up.
func Prepare(o Options) (*Broker, error) { return prepare("", o) }

// PrepareAt is Prepare for a broker that is to listen on a given address.
func PrepareAt(addr string, o Options) (*Broker, error) { return prepare(addr, o) }

func newAt(addr string, o Options) (*Broker, error) {
	if Brokers() > 1 && addr == "" && o.Broker == "" && o.Release == "" && o.DataDir == "" {
		return startSeveral(o)
	}
	b, err := prepare(addr, o)
	if err != nil {
		return nil, err
	}
	if err := b.Run(); err != nil {
		err = fmt.Errorf("%w; its log is kept: %s", err, b.KeepLog())
		b.Kill()
		_ = b.Close()
		b.Remove()
		return nil, err
	}
	return b, nil
}

func prepare(addr string, o Options) (*Broker, error) {
	pattern := "klamm-compat-"
	if o.cluster != nil {
		pattern += "broker-" + o.Properties["broker.id"] + "-"
	}
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return nil, err
	}
	b := &Broker{opts: o, apache: o.Broker == "apache" || o.Broker == "" && Reference(), dir: dir, logPath: filepath.Join(dir, "broker.out")}
	data := o.DataDir
	if data == "" {
		data = dir
	}
	b.LogDir = filepath.Join(data, "data")
	if b.Addr = addr; addr == "" {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		b.Addr = fmt.Sprintf("%s:%d", b.host(), port)
	}
	switch {
	case o.cluster != nil:
		b.zookeeper = o.cluster.ZooKeeper
	case b.apache && o.Release == KafkaNewest:
		err = b.format()
	case b.apache:
		b.zookeeper, err = startZooKeeper(filepath.Join(dir, "zookeeper"), loopback, 1, durably(o.Measured))
	}
	if err != nil {
		b.Remove()
		return nil, err
	}
	return b, nil
}

// host is the address that the broker listens on.
func (b *Broker) host() string {
	if c := b.opts.cluster; c != nil && c.Network != nil {
		id, _ := strconv.Atoi(b.opts.Properties["broker.id"])
		return Party(id).addr().String()
	}
	return loopback
}

// Run starts the broker's process again after Stop or Kill, on the same
// address and data, and waits until it answers.
func (b *Broker) Run() error {
	if b.several != nil {
		return b.several.run()
	}
	if err := b.Launch(); err != nil {
		return err
	}
	return b.AwaitReady()
}

// RunAs is Run with other software, "klamm" or "apache", on the same address, broker.id
// and directories. Outside a cluster Apache's broker must have run first; its ZooKeeper stays up.
func (b *Broker) RunAs(software string) error {
	b.apache = software == "apache"
	if b.apache && b.zookeeper == nil {
		return errors.New("harness: this broker has no ZooKeeper")
	}
	return b.Run()
}

// Launch starts the broker's process and does not wait for it.
func (b *Broker) Launch() error {
	if b.proc != nil {
		return errors.New("harness: the broker runs already")
	}
	conf := b.ConfigFile()
	if err := os.WriteFile(conf, []byte(b.properties()), 0o644); err != nil {
		return err
	}
	var name string
	var args, env []string
	var err error
	if err := b.Settle(); err != nil {
		return err
	}
	if b.apache {
		name, args, err = b.jvm(conf)
	} else {
		name, err = KlammBinary()
		args = []string{"--config", conf}
		env = []string{"GORACE=halt_on_error=0 exitcode=66"}
	}
	if err != nil {
		return err
	}
	o := spawnOptions{name: name, args: args, env: env, dir: b.dir, out: b.logPath}
	if c := b.opts.cluster; c != nil && c.Network != nil {
		o.host = c.Network.host(b.ID())
	}
	b.proc, err = spawn(o)
	return err
}

// Settle waits until a broker that was killed may start again: the znode of a broker
// stays until its session ends, and Apache's broker does not start before that.
// For klamm, Settle builds the binary. Launch calls Settle; a caller that measures times
// calls it before.
func (b *Broker) Settle() error {
	if !b.apache {
		_, err := KlammBinary()
		return err
	}
	if b.zookeeper == nil {
		return nil
	}
	return b.AwaitSessionEnd()
}

// AwaitSessionEnd waits until ZooKeeper has dropped a broker that was killed.
func (b *Broker) AwaitSessionEnd() error {
	chroot := ""
	if b.opts.cluster != nil {
		chroot = b.opts.cluster.chroot
	}
	return b.zookeeper.awaitGone(chroot+"/brokers/ids/"+b.settings()["broker.id"], stopWithin)
}

// AwaitReady waits until the broker answers Metadata with itself in it.
func (b *Broker) AwaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	listed := ""
	if b.opts.cluster != nil {
		listed = b.Addr
	}
	return awaitMetadata(ctx, b.Addr, listed, b.proc)
}

// Stop sends SIGTERM and waits for a clean exit. An exit code other than 0
// (143 for a JVM, which reports the signal) is an error.
func (b *Broker) Stop() error {
	if b.several != nil {
		return b.several.stopAll()
	}
	if b.proc == nil {
		return nil
	}
	p := b.proc
	b.proc, b.paused = nil, false
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // it may be paused
	within := stopWithin
	if b.opts.Measured {
		within = measuredStopWithin
	}
	code, err := p.wait(within)
	if err != nil {
		p.kill()
		return fmt.Errorf("harness: the broker does not stop on SIGTERM: %w", err)
	}
	if code == 0 || b.apache && code == 128+int(syscall.SIGTERM) {
		return nil
	}
	return fmt.Errorf("harness: the broker ended with exit code %d (66: the race detector found something); see %s", code, b.logPath)
}

// Kill sends SIGKILL and waits until the process is gone.
func (b *Broker) Kill() {
	if b.several != nil {
		b.several.kill()
		return
	}
	if b.proc != nil {
		b.proc.kill()
		b.proc, b.paused = nil, false
	}
}

// Pause stops the process as it is (SIGSTOP), until Resume: its connections stay open and nobody answers on them.
func (b *Broker) Pause() {
	b.paused = true
	b.proc.signal(syscall.SIGSTOP)
}

// Resume has a paused process go on (SIGCONT).
func (b *Broker) Resume() {
	b.paused = false
	b.proc.signal(syscall.SIGCONT)
}

// Runs says whether the process runs and is not paused.
func (b *Broker) Runs() bool { return b.proc != nil && !b.paused }

// ID is the broker's id, broker.id.
func (b *Broker) ID() int32 {
	id, _ := strconv.Atoi(b.settings()["broker.id"])
	return int32(id)
}

// Apache says whether the broker is Apache Kafka and not klamm.
func (b *Broker) Apache() bool { return b.apache }

// PID is the process id of the running broker, 0 when it does not run.
func (b *Broker) PID() int {
	if b.proc == nil {
		return 0
	}
	return b.proc.cmd.Process.Pid
}

// SetProperty changes server.properties for the next Run.
func (b *Broker) SetProperty(name, value string) {
	props := map[string]string{name: value}
	for k, v := range b.opts.Properties {
		if k != name {
			props[k] = v
		}
	}
	b.opts.Properties = props
}

// ConfigFile is the path of server.properties, as the last Run wrote it.
func (b *Broker) ConfigFile() string { return filepath.Join(b.dir, "server.properties") }

// Property gives a property as server.properties has it, "" where it has none.
func (b *Broker) Property(name string) string { return b.settings()[name] }

// Close stops the broker and its ZooKeeper. It may be called twice. It returns an error if the race detector met
// a race, also in a process that was killed.
func (b *Broker) Close() error {
	if b.several != nil {
		return b.several.close()
	}
	err := b.Stop()
	if strings.Contains(b.Log(), "WARNING: DATA RACE") {
		err = errors.Join(err, fmt.Errorf("harness: the race detector found something in the broker; see %s", b.KeepLog()))
	}
	if b.zookeeper != nil && b.opts.cluster == nil {
		b.zookeeper.stop()
	}
	return err
}

// Remove deletes what the harness made for the broker, but not a DataDir that the test
// gave.
func (b *Broker) Remove() {
	if b.several != nil {
		b.several.cluster.Remove()
		return
	}
	os.RemoveAll(b.dir)
}

// Log gives what the broker's processes have written so far.
func (b *Broker) Log() string {
	if b.several != nil {
		return b.several.log()
	}
	text, _ := os.ReadFile(b.logPath)
	return string(text)
}

// AwaitLog waits until the broker's log has all of the texts: a broker may write a line some time after the answer to which it belongs.
func (b *Broker) AwaitLog(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		Await(t, fmt.Sprintf("the broker's log says %q", text), func() bool { return strings.Contains(b.Log(), text) })
	}
}

// KeepLog copies the broker's log to build/logs and gives the copy's path.
func (b *Broker) KeepLog() string {
	if b.several != nil {
		return strings.Join(b.several.cluster.KeepLogs(), " ")
	}
	dir := filepath.Join(Root(), "build", "logs")
	to := filepath.Join(dir, filepath.Base(b.dir)+".log")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err.Error()
	}
	if err := os.WriteFile(to, []byte(b.Log()), 0o644); err != nil {
		return err.Error()
	}
	return to
}

// properties is the broker's server.properties.
func (b *Broker) properties() string {
	props := b.settings()
	names := make([]string, 0, len(props))
	for k := range props {
		names = append(names, k)
	}
	sort.Strings(names)
	var s strings.Builder
	for _, k := range names {
		fmt.Fprintf(&s, "%s=%s\n", k, props[k])
	}
	return s.String()
}

// settings are the broker's properties: what every test wants, what the reference broker
// needs, and the test's own on top.
func (b *Broker) settings() map[string]string {
	props := map[string]string{
		"broker.id":                        "0",
		"listeners":                        "PLAINTEXT://" + b.Addr,
		"log.dirs":                         b.LogDir,
		"offsets.topic.replication.factor": "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"group.initial.rebalance.delay.ms":         "0",
		// Many tests write records with old timestamps, which retention would delete half
		// a minute after the start.
		"log.initial.task.delay.ms": "86400000",
	}
	switch {
	case b.quorum != "":
		b.kraft(props)
	case b.apache:
		props["zookeeper.connect"] = b.zookeeper.Connect()
		props["zookeeper.session.timeout.ms"] = "6000"
	}
	if !b.apache {
		props["klamm.http.listener"] = "off" // unless the test wants it
	}
	for k, v := range b.opts.Properties {
		props[k] = v
	}
	return props
}
