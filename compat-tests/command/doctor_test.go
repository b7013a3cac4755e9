package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// checks are the lines of klamm doctor -o json.
type checks []struct{ Check, Status, About, What, Do string }

// doctor runs klamm doctor and gives what it found.
func doctor(t *testing.T, code int, args ...string) checks {
	t.Helper()
	got := klamm(t, t.TempDir(), nil, append([]string{"doctor", "-o", "json"}, args...)...)
	var report struct{ Checks checks }
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != code {
		t.Fatalf("klamm doctor %s: %v: exit code %d, want %d:\n%s%s", strings.Join(args, " "), err, got.code, code, got.stdout, got.stderr)
	}
	return report.Checks
}

// has checks that one of the lines is so.
func (cs checks) has(t *testing.T, check, status, about, what string) {
	t.Helper()
	for _, c := range cs {
		if c.Check == check && c.Status == status && strings.Contains(c.About, about) && strings.Contains(c.What, what) {
			if (status == "problem" || status == "warning") == (c.Do == "") {
				t.Errorf("%+v: what to do belongs to a problem or warning", c)
			}
			return
		}
	}
	t.Errorf("no line %s %s %s %q in %+v", check, status, about, what, cs)
}

// TestDoctorOfACluster: klamm doctor resolves and connects to what clients are told, and says which broker tells them an address that does not work.
func TestDoctorOfACluster(t *testing.T) {
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b := harness.Start(t, harness.Options{Broker: "klamm"})
	good := doctor(t, 0, "--bootstrap-server", b.Addr)
	good.has(t, "bootstrap", "ok", b.Addr, "connects")
	good.has(t, "advertised", "ok", "broker 0 at "+b.Addr, "it answers")
	good.has(t, "versions", "ok", "", "all brokers")
	good.has(t, "controller", "ok", "", "broker 0")

	for advertised, what := range map[string]string{fmt.Sprintf("127.0.0.1:%d", port): "cannot be reached", "no-such-host.invalid:9092": "does not resolve"} {
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		b.SetProperty("advertised.listeners", "PLAINTEXT://"+advertised)
		if err := b.Launch(); err != nil {
			t.Fatal(err)
		}
		b.AwaitLog(t, "accepting clients")
		harness.Await(t, "the broker tells "+advertised, func() bool {
			got := klamm(t, t.TempDir(), nil, "doctor", "-b", b.Addr)
			return got.code == 1 && strings.Contains(got.stdout, advertised)
		})
		doctor(t, 1, "--bootstrap-server", b.Addr).has(t, "advertised", "problem", advertised, what)
	}
	lost := klamm(t, t.TempDir(), nil, "doctor", "-b", fmt.Sprintf("127.0.0.1:%d", port))
	if lost.code != 2 || !strings.Contains(lost.stdout, "problem") || lost.stderr == "" {
		t.Errorf("klamm doctor of a broker that is not there: exit code %d:\n%s%s", lost.code, lost.stdout, lost.stderr)
	}
}

// TestDoctorOfAMachine: with a configuration klamm doctor looks at disks, limits, the addresses that will be told, and ZooKeeper with its brokers' clocks.
func TestDoctorOfAMachine(t *testing.T) {
	zk := harness.StartZooKeeper(t, harness.ZooKeeperOptions{})
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"zookeeper.connect": zk.Connect()}})
	got := doctor(t, 0, "--config", b.ConfigFile())
	got.has(t, "configuration", "ok", "", "without a warning")
	got.has(t, "zookeeper", "ok", zk.Addrs()[0], "connects")
	got.has(t, "clock", "ok", "broker 0", "ZooKeeper's leader")
	for _, name := range []string{"open files", "disk", "inodes", "advertised"} {
		if !slices.ContainsFunc(got, func(c struct{ Check, Status, About, What, Do string }) bool { return c.Check == name }) {
			t.Errorf("no line about %s in %+v", name, got)
		}
	}
	bad := doctor(t, 1, "--config", b.ConfigFile(), "--set", "advertised.listeners=PLAINTEXT://no-such-host.invalid:9092", "--set", "log.dirs="+b.ConfigFile()+"/below",
		"--set", "num.partitions=many")
	bad.has(t, "advertised", "problem", "no-such-host.invalid", "does not resolve")
	bad.has(t, "log directory", "problem", "/below", "cannot be written")
	bad.has(t, "configuration", "problem", "", "num.partitions")
	if got := klamm(t, t.TempDir(), nil, "doctor", "--config", "gone.properties"); got.code != 2 {
		t.Errorf("klamm doctor --config gone.properties: exit code %d, want 2:\n%s%s", got.code, got.stdout, got.stderr)
	}
}
