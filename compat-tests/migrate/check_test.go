package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// finding is one finding of the command.
type finding struct {
	Severity, Area string
	Where          []string
	Found, Do      string
}

// checked is what the command said.
type checked struct {
	code     int
	Broker   int32
	Cluster  string
	Findings []finding
	text     string
}

// paused are the properties of a cluster on which check runs while brokers run: their sessions outlast the pause.
var paused = map[string]string{"zookeeper.session.timeout.ms": "60000"}

// check runs the command on a broker's configuration. It must change neither the tree nor the log directories. The brokers pause meanwhile: they change both.
func check(t *testing.T, c *harness.Cluster, id int32, args ...string) checked {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	b := c.Broker(id)
	for _, b := range c.Brokers {
		if b.Runs() {
			b.Pause()
			defer b.Resume()
		}
	}
	tree, files := c.Tree(t, harness.TreeOptions{}), list(t, c.Dirs(id))
	harness.Await(t, "what the brokers had begun to be over", func() bool {
		beforeTree, beforeFiles := tree, files
		tree, files = c.Tree(t, harness.TreeOptions{}), list(t, c.Dirs(id))
		return tree == beforeTree && files == beforeFiles
	})
	cmd := exec.CommandContext(harness.Context(t), binary, append([]string{"migrate", "check", "--config", b.ConfigFile(), "--json"}, args...)...)
	cmd.Dir = t.TempDir()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if exit := new(exec.ExitError); !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	r := checked{code: cmd.ProcessState.ExitCode(), text: stdout.String() + stderr.String()}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, r.text)
	}
	if after := c.Tree(t, harness.TreeOptions{}); after != tree {
		t.Errorf("the tree was\n%sand is\n%s", tree, after)
	}
	if after := list(t, c.Dirs(id)); after != files {
		t.Errorf("the files were\n%sand are\n%s", files, after)
	}
	if made, err := os.ReadDir(cmd.Dir); err != nil || len(made) > 0 {
		t.Errorf("the command made %v, %v", made, err)
	}
	return r
}

// list lists the files below directories.
func list(t *testing.T, dirs []string) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			fmt.Fprintln(&b, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// has checks that there is a finding with these words.
func (r checked) has(t *testing.T, severity, area string, words ...string) {
	t.Helper()
	for _, f := range r.Findings {
		text := fmt.Sprint(f.Where, " ", f.Found, " ", f.Do)
		all := f.Severity == severity && f.Area == area
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return
		}
	}
	t.Errorf("no finding %s %s with %q in\n%s", severity, area, words, r.text)
}

// produce makes a topic with a replica on both brokers, and writes to it.
func produce(t *testing.T, c *harness.Cluster, topic string) {
	t.Helper()
	if _, err := harness.Admin(t, c.Addrs()[0]).CreateTopic(harness.Context(t), 2, 2, nil, topic); err != nil {
		t.Fatal(err)
	}
	harness.AwaitTopic(t, c.Addrs()[0], topic, 2)
	cl := harness.Client(t, c.Addrs()[0], kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for p := range int32(2) {
		if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: topic, Partition: p, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// transact produces in a transaction that is committed, one that is aborted, and one that stays open.
func transact(t *testing.T, c *harness.Cluster, topic string) {
	t.Helper()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		cl := harness.Client(t, c.Addrs()[0], kgo.TransactionalID(fmt.Sprint("t-", i)), kgo.TransactionTimeout(10*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: topic, Partition: 0, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			return
		}
		if err := cl.EndTransaction(harness.Context(t), end); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheck runs the command on a plain cluster of Apache Kafka, while it runs and when it has stopped, and then with everything planted in it that
// may stand in the way.
func TestCheck(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: []string{"apache", "apache"}, Properties: paused})
	produce(t, c, "orders")

	plain := check(t, c, 1)
	if plain.code != 0 || plain.Broker != 1 || len(plain.Cluster) != 22 {
		t.Fatalf("a plain cluster: exit code %d\n%s", plain.code, plain.text)
	}
	plain.has(t, "info", "tree", "/brokers/ids/1", "registered")
	plain.has(t, "info", "directories", "holds the lock")
	for _, f := range plain.Findings {
		if f.Area != "configuration" && !strings.Contains(f.Found, "registered") && !strings.Contains(f.Found, "holds the lock") {
			t.Errorf("a plain cluster: %+v", f)
		}
	}

	if r := check(t, c, 1, "--zookeeper", c.ZooKeeper.Connect()+"/none"); r.code != 2 || !strings.Contains(r.text, "zookeeper.connect: there is no node /none") {
		t.Errorf("below a chroot that is not there: exit code %d\n%s", r.code, r.text)
	}

	// What the cluster's own tools and clients make.
	transact(t, c, "orders")
	admin := harness.Admin(t, c.Addrs()[0])
	name := "greedy"
	quota := kadm.AlterClientQuotaEntry{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &name}}, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1 << 20}}}
	if altered, err := admin.AlterClientQuotas(harness.Context(t), []kadm.AlterClientQuotaEntry{quota}); err != nil || altered[0].Err != nil {
		t.Fatal(err, altered)
	}
	harness.Java(t, harness.Kafka39, "configs", nil, "--bootstrap-server", c.Addrs()[0], "--alter", "--entity-type", "users", "--entity-name", "alice",
		"--add-config", "SCRAM-SHA-256=[iterations=8192,password=x]")
	running := check(t, c, 1)
	running.has(t, "refuses", "tree", "/brokers/topics/__transaction_state", "kafka-reassign-partitions.sh")
	running.has(t, "info", "directories", "orders-0", "records of transactions")
	running.has(t, "differs", "tree", "/config/clients/greedy: producer_byte_rate")
	running.has(t, "info", "tree", "/config/users/alice", "SCRAM-SHA-256")

	if err := c.StopBrokers(); err != nil {
		t.Fatal(err)
	}
	plant(t, c)
	stopped := check(t, c, 1, "--set", "authorizer.class.name=kafka.security.authorizer.AclAuthorizer", "--set", "metric.reporters=com.example.Reporter")
	if stopped.code != 1 {
		t.Errorf("exit code %d", stopped.code)
	}
	stopped.has(t, "refuses", "configuration", "authorizer.class.name")
	stopped.has(t, "differs", "configuration", "metric.reporters")
	stopped.has(t, "differs", "directories", "orders-0", "a transaction was open")
	stopped.has(t, "info", "tree", "/kafka-acl/Topic/orders")
	stopped.has(t, "differs", "tree", "/config/topics/orders: remote.storage.enable")
	stopped.has(t, "differs", "tree", "/migration")
	stopped.has(t, "differs", "tree", "/brokers/topics/broken")
	stopped.has(t, "refuses", "tree", "may not write", "/brokers/ids", "digest:kafka:rwcda")
	stopped.has(t, "info", "directories", "gone-0", "no such topic")
	stopped.has(t, "differs", "directories", "orders-1", "topic id")

	// A start refuses the same.
	b := c.Broker(1)
	err := b.RunAs("klamm")
	b.Kill()
	if err == nil || !strings.Contains(b.Log(), "/brokers/topics/__transaction_state: this broker, 1, has replicas") {
		t.Errorf("klamm starts: %v\n%s", err, b.Log())
	}
}

// TestTransactionsAreMovedAway moves the replicas of __transaction_state away from a broker, as the command says, and has klamm take its place. Apache
// Kafka's tool deletes the topic at last.
func TestTransactionsAreMovedAway(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: []string{"apache", "apache"}, Properties: paused})
	produce(t, c, "orders")
	cl := harness.Client(t, c.Addrs()[0], kgo.TransactionalID("t"))
	if err := errors.Join(cl.BeginTransaction(), cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: "orders"}).FirstErr(),
		cl.EndTransaction(harness.Context(t), kgo.TryCommit)); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	const topic = "__transaction_state"
	check(t, c, 1).has(t, "refuses", "tree", "/brokers/topics/"+topic)

	asker := harness.Client(t, c.Addrs()[1])
	admin := kadm.NewClient(asker)
	details, err := admin.ListTopicsWithInternal(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	var to kadm.AlterPartitionAssignmentsReq
	for p := range details[topic].Partitions {
		to.Assign(topic, p, []int32{2})
	}
	moves, err := admin.AlterPartitionAssignments(harness.Context(t), to)
	if err = errors.Join(err, moves.Error()); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the replicas to have moved", func() bool {
		left, err := harness.Reassignments(harness.Context(t), asker)
		return err == nil && len(left) == 0
	})
	moved := check(t, c, 1)
	moved.has(t, "differs", "tree", "/brokers/topics/"+topic, "klamm has none yet")
	for _, f := range moved.Findings {
		if f.Severity == "refuses" {
			t.Errorf("still refused: %+v", f)
		}
	}
	b := c.Broker(1)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.RunAs("klamm"); err != nil {
		t.Fatalf("klamm does not start: %v\n%s", err, b.Log())
	}
	if err := c.AwaitBrokers(1, 2); err != nil {
		t.Fatal(err)
	}
	harness.Java(t, harness.Kafka39, "topics", nil, "--bootstrap-server", c.Addrs()[1], "--delete", "--topic", topic)
	harness.Await(t, "the topic to be gone", func() bool {
		there, _, err := c.Zk(t).Exists("/brokers/topics/" + topic)
		return err == nil && !there
	})
}

// plant puts into the tree and the first broker's directory what no tool of Kafka makes at once.
func plant(t *testing.T, c *harness.Cluster) {
	t.Helper()
	conn := c.Zk(t)
	world := zk.WorldACL(zk.PermAll)
	for _, n := range [][2]string{{"/kafka-acl", ""}, {"/kafka-acl/Topic", ""}, {"/kafka-acl/Topic/orders", `{"version":1,"acls":[]}`}, {"/migration", "{}"},
		{"/brokers/topics/broken", "nonsense"}} {
		if _, err := conn.Create(n[0], []byte(n[1]), 0, world); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			t.Fatalf("%s: %v", n[0], err)
		}
	}
	if _, err := conn.Set("/config/topics/orders", []byte(`{"version":1,"config":{"remote.storage.enable":"true"}}`), -1); err != nil {
		t.Fatal(err)
	}
	owned := append(zk.WorldACL(zk.PermRead), zk.DigestACL(zk.PermAll, "kafka", "secret")...)
	if _, err := conn.SetACL("/brokers/ids", owned, -1); err != nil {
		t.Fatal(err)
	}
	dir := c.Dirs(1)[0]
	if err := os.Mkdir(filepath.Join(dir, "gone-0"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "orders-1", "partition.metadata"), []byte("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"), 0o644); err != nil {
		t.Fatal(err)
	}
}
