package zookeeper

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"klamm/compat-tests/harness"
)

const chroot = "/kafka/prod"

// startAlone starts a broker on a ZooKeeper of its own, below a chroot that is not there yet.
func startAlone(t *testing.T, properties map[string]string) *harness.Cluster {
	t.Helper()
	c, err := harness.PrepareCluster(harness.ClusterOptions{Brokers: []string{"klamm"}, Proxied: true, Properties: properties})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the broker's log is kept: %s", strings.Join(c.KeepLogs(), " "))
		}
		c.Remove()
	})
	b := c.Broker(1)
	b.SetProperty("zookeeper.connect", b.Property("zookeeper.connect")+chroot)
	if err := b.Run(); err != nil {
		t.Fatalf("%v\n%s", err, b.Log())
	}
	return c
}

// node reads a node below the chroot.
func node(t *testing.T, c *harness.Cluster, path string) (string, *zk.Stat) {
	t.Helper()
	data, stat, err := c.Zk(t).Get(chroot + path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(data), stat
}

func exists(t *testing.T, c *harness.Cluster, path string) bool {
	t.Helper()
	there, _, err := c.Zk(t).Exists(chroot + path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return there
}

// tool runs one of Apache Kafka's tools.
func tool(t *testing.T, c *harness.Cluster, name string, args ...string) string {
	t.Helper()
	return harness.Java(t, harness.Kafka39, name, nil, append([]string{"--bootstrap-server", c.Broker(1).Addr}, args...)...)
}

// send sends lines with kcat.
func send(t *testing.T, c *harness.Cluster, topic string, lines ...string) {
	t.Helper()
	harness.Kcat(t, c.Broker(1).Addr, strings.NewReader(strings.Join(lines, "\n")+"\n"), "-P", "-t", topic, "-p", "0", "-X", "acks=all")
}

// wantLines reads a topic with kcat.
func wantLines(t *testing.T, c *harness.Cluster, topic string, lines ...string) {
	t.Helper()
	got := harness.Kcat(t, c.Broker(1).Addr, nil, "-C", "-q", "-t", topic, "-p", "0", "-o", "beginning", "-e")
	if want := strings.Join(lines, "\n") + "\n"; got != want {
		t.Errorf("%s has %q, should have %q", topic, got, want)
	}
}

// TestTopicsConfigurationsAndRestarts works on topics with Apache Kafka's tools, looks at what stands in ZooKeeper, and
// starts the broker again.
func TestTopicsConfigurationsAndRestarts(t *testing.T) {
	const sessionTimeout = time.Minute
	c := startAlone(t, map[string]string{"zookeeper.session.timeout.ms": fmt.Sprint(sessionTimeout.Milliseconds())})
	b := c.Broker(1)
	tool(t, c, "topics", "--create", "--topic", "orders", "--partitions", "2", "--config", "retention.ms=3600000")
	if body, _ := node(t, c, "/brokers/topics/orders"); !strings.Contains(body, `"partitions":{"0":[1],"1":[1]}`) {
		t.Errorf("the topic's node is %s", body)
	}
	if body, _ := node(t, c, "/brokers/topics/orders/partitions/1/state"); !strings.Contains(body, `"leader":1`) {
		t.Errorf("the partition's node is %s", body)
	}
	tool(t, c, "configs", "--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config", "segment.bytes=1048576")
	if body, _ := node(t, c, "/config/topics/orders"); body != `{"version":1,"config":{"retention.ms":"3600000","segment.bytes":"1048576"}}` {
		t.Errorf("the configuration's node is %s", body)
	}
	send(t, c, "orders", "one", "two")
	tool(t, c, "topics", "--create", "--topic", "gone")
	tool(t, c, "topics", "--delete", "--topic", "gone")
	if exists(t, c, "/brokers/topics/gone") || exists(t, c, "/admin/delete_topics/gone") || exists(t, c, "/config/topics/gone") {
		t.Error("a deleted topic is still in the tree")
	}

	_, before := node(t, c, "/brokers/ids/1")
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	// ZooKeeper may end the session a moment after the broker has gone, but not because the session has run out.
	late := time.Now().Add(sessionTimeout / 2)
	for exists(t, c, "/brokers/ids/1") || exists(t, c, "/controller") {
		if time.Now().After(late) {
			t.Fatal("a broker that was stopped is still registered")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	if _, after := node(t, c, "/brokers/ids/1"); after.Czxid <= before.Czxid || after.Version != 1 {
		t.Errorf("the registration has the epoch %d and version %d, it had the epoch %d before", after.Czxid, after.Version, before.Czxid)
	}
	send(t, c, "orders", "three")
	wantLines(t, c, "orders", "one", "two", "three")
	if out := tool(t, c, "configs", "--describe", "--entity-type", "topics", "--entity-name", "orders"); !strings.Contains(out, "segment.bytes=1048576") {
		t.Errorf("the configuration is %s", out)
	}
}

// TestKilledBrokerStartsAtOnce kills the broker and starts it again, while ZooKeeper still has its session. The new
// process ends the session of the old one. On a copy of the directory it waits until the session is over.
func TestKilledBrokerStartsAtOnce(t *testing.T) {
	c := startAlone(t, map[string]string{"zookeeper.session.timeout.ms": "60000"})
	b := c.Broker(1)
	tool(t, c, "topics", "--create", "--topic", "orders")
	record := filepath.Join(b.LogDir, "klamm-session")
	if info, err := os.Stat(record); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record of the session: %v, %v", info, err)
	}
	for round := range 3 {
		send(t, c, "orders", fmt.Sprint("round ", round))
		_, before := node(t, c, "/brokers/ids/1")
		b.Kill()
		if !exists(t, c, "/brokers/ids/1") || !exists(t, c, "/controller") {
			t.Fatal("the session of the killed broker is over already")
		}
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
		if _, after := node(t, c, "/brokers/ids/1"); after.Czxid <= before.Czxid || after.EphemeralOwner == before.EphemeralOwner {
			t.Errorf("the registration is still that of the killed broker: %+v", after)
		}
	}
	const waits = "the start waits until that ends"
	if strings.Contains(b.Log(), waits) {
		t.Errorf("a start waited for its own old session:\n%s", b.Log())
	}
	wantLines(t, c, "orders", "round 0", "round 1", "round 2")

	// A copy of the directory: the broker of the original may run. The start waits for as long as a session lasts.
	restart(t, c, "10000")
	b.Kill()
	copied := b.LogDir + "-copy"
	if out, err := exec.Command("cp", "-a", b.LogDir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Rename(b.LogDir, b.LogDir+"-original"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, b.LogDir); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	b.AwaitLog(t, waits)
	send(t, c, "orders", "after")
	wantLines(t, c, "orders", "round 0", "round 1", "round 2", "after")
}

// TestLostSession cuts the broker's connection to ZooKeeper once, which costs nothing, and then cuts the broker off from ZooKeeper until its session
// is over. It serves all the while, and is registered again when it reaches ZooKeeper.
func TestLostSession(t *testing.T) {
	c := startAlone(t, map[string]string{"zookeeper.session.timeout.ms": "60000"})
	tool(t, c, "topics", "--create", "--topic", "orders")
	_, before := node(t, c, "/brokers/ids/1")
	c.CutZooKeeper(1)
	tool(t, c, "configs", "--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config", "segment.bytes=1048576")
	if _, after := node(t, c, "/brokers/ids/1"); after.Czxid != before.Czxid {
		t.Error("the broker has registered anew")
	}

	restart(t, c, "2000")
	send(t, c, "orders", "before")
	_, before = node(t, c, "/brokers/ids/1")
	c.BlockZooKeeper(1)
	harness.Await(t, "the session is over", func() bool { return !exists(t, c, "/brokers/ids/1") })
	send(t, c, "orders", "without a session")
	c.UnblockZooKeeper(1)
	harness.Await(t, "the broker is registered again", func() bool { return exists(t, c, "/brokers/ids/1") })
	if _, after := node(t, c, "/brokers/ids/1"); after.Czxid <= before.Czxid {
		t.Errorf("the epoch is %d, it was %d", after.Czxid, before.Czxid)
	}
	send(t, c, "orders", "after")
	wantLines(t, c, "orders", "before", "without a session", "after")
}

// restart has the broker go on with sessions of another length.
func restart(t *testing.T, c *harness.Cluster, sessionTimeoutMs string) {
	t.Helper()
	b := c.Broker(1)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	b.SetProperty("zookeeper.session.timeout.ms", sessionTimeoutMs)
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
}

// TestWrongTree starts the broker on a tree that is not its own. The start is refused, and changes nothing.
func TestWrongTree(t *testing.T) {
	c := startAlone(t, nil)
	b := c.Broker(1)
	id, _ := node(t, c, "/cluster/id")
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	right := b.Property("zookeeper.connect")
	b.SetProperty("zookeeper.connect", strings.TrimSuffix(right, chroot)+"/another")
	if err := b.Run(); err == nil || !strings.Contains(b.Log(), "there is no cluster yet where zookeeper.connect points") {
		t.Errorf("on an empty tree: %v\n%s", err, b.Log())
	}
	b.Kill()
	conn := c.Zk(t)
	for _, n := range [][2]string{{"/another/cluster", ""}, {"/another/cluster/id", `{"version":"1","id":"AAAAAAAAAAAAAAAAAAAAAA"}`}} {
		if _, err := conn.Create(n[0], []byte(n[1]), 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Run(); err == nil || !strings.Contains(b.Log(), "the metadata to cluster AAAAAAAAAAAAAAAAAAAAAA") {
		t.Errorf("on the tree of another cluster: %v\n%s", err, b.Log())
	}
	b.Kill()
	if children, _, err := conn.Children("/another"); err != nil || len(children) != 1 {
		t.Errorf("the other tree has %v, %v", children, err)
	}
	b.SetProperty("zookeeper.connect", right)
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	if again, _ := node(t, c, "/cluster/id"); again != id {
		t.Errorf("the cluster was %s, is %s", id, again)
	}
}
