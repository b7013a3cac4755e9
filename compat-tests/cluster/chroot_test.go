package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"klamm/compat-tests/harness"
)

// TestJoinBelowAChroot has a broker that was killed while it was alone join below a chroot that is not there yet, leave again over what an interrupted
// command left, and join below another one. A second broker that is alone does not get into the tree of the first.
func TestJoinBelowAChroot(t *testing.T) {
	z := harness.StartZooKeeper(t, harness.ZooKeeperOptions{})
	conn, _, err := zk.Connect(z.Addrs(), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := harness.Start(t, harness.Options{Broker: "klamm"})
	other := harness.Start(t, harness.Options{Broker: "klamm"})
	j := &joiner{T: t, b: b}
	harness.Topic(t, other.Addr, 1)
	if err := other.Stop(); err != nil {
		t.Fatal(err)
	}
	topic := harness.Topic(t, b.Addr, 2)
	b.Kill()
	ok := func(args ...string) {
		t.Helper()
		if out, code := j.klamm(append([]string{"cluster"}, args...)...); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, out)
		}
	}
	const firstChroot, secondChroot = "/brokers-of/first", "/second"
	first, second := z.Connect()+firstChroot, z.Connect()+secondChroot
	ok("join", "--config", b.ConfigFile(), "--zookeeper", first)
	if there, _, err := conn.Exists("/brokers-of/first/cluster/id"); err != nil || !there {
		t.Errorf("there is no cluster below the chroot: %v", err)
	}
	if there, _, err := conn.Exists("/brokers"); err != nil || there {
		t.Errorf("there is a cluster above the chroot: %v", err)
	}
	out, code := j.klamm("cluster", "join", "--config", other.ConfigFile(), "--zookeeper", first)
	if code != 2 || !strings.Contains(out, "it is not empty, it has /admin, /brokers, /cluster, ") {
		t.Errorf("a second broker: exit code %d\n%s", code, out)
	}
	out, code = j.klamm("cluster", "join", "--config", b.ConfigFile(), "--zookeeper", second)
	if code != 2 || !strings.Contains(out, "the broker has joined a cluster already, in another ZooKeeper or with another chroot") {
		t.Errorf("a second cluster: exit code %d\n%s", code, out)
	}
	ran := func(chroot string) {
		t.Helper()
		b.SetProperty("zookeeper.connect", z.Connect()+chroot)
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
		harness.AwaitTopic(t, b.Addr, topic, 2)
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		harness.Await(t, "the broker's session has ended", func() bool {
			there, _, err := conn.Exists(chroot + "/brokers/ids/0")
			return err == nil && !there
		})
	}
	ran(firstChroot)
	if err := os.WriteFile(filepath.Join(b.LogDir, "klamm-metadata.new"), []byte("half a tree"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok("leave", "--config", b.ConfigFile())
	ok("join", "--config", b.ConfigFile(), "--zookeeper", second)
	ran(secondChroot)
	if err := other.Run(); err != nil {
		t.Errorf("the second broker does not start alone any more: %v", err)
	}
}
