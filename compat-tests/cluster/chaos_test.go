package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
)

var (
	chaosFor  = flag.Duration("chaos", 0, "how long TestChaos does faults at random; 0: each fault that TestFaults does not have, once, or each of -only")
	chaosOnly = flag.String("only", "", "a pattern of the faults that TestChaos does; empty: all")
	chaosSeed = flag.Uint64("seed", 0, "the seed of TestChaos; 0: a new one, which is printed")
)

// fault is something bad that happens to a cluster. It is over, and all replicas are in sync, when do returns.
type fault struct {
	what  string
	do    func(l *load)
	tried bool // by TestFaults
	// whole says that no replica in sync goes on. Apache's brokers know a producer's last batch in a partition alone after that, and store again what
	// is sent again from before it.
	whole bool
	dear  bool // done to Apache's brokers only when it is asked for: they are slow to get over it
	// deaf is a broker that lives and does not hear ZooKeeper, or not before its session has ended. One of Apache's that is given a new replica meanwhile cannot
	// read the topic's configuration; it then has a replica without a log, for which it refuses all that a later order says (NotLeaderOrFollowerException
	// in ReplicaManager.makeFollowers).
	deaf bool
}

// leavesRoom says whether the cluster may be asked for something else while the fault is there.
func (f fault) leavesRoom(m mix) bool { return !f.deaf || !slices.Contains(m.kinds, "apache") }

// one gives a broker that a fault is to meet.
type one func(l *load) int32

// faults are those that lose nothing on clusters of one mix: what was acknowledged stays on a disk.
func faults(rnd *rand.Rand, m mix) []fault {
	leader := func(l *load) int32 { return l.state(l.topic, rnd.Int32N(l.partitions)).Leader }
	anyone := func(l *load) int32 { return rnd.Int32N(int32(len(l.c.Brokers))) + 1 }
	controller := func(l *load) int32 { return l.controller() }
	on := func(who one, do func(*load, int32)) func(*load) { return func(l *load) { do(l, who(l)) } }
	all := []fault{
		{what: "kill -9 of two brokers", do: func(l *load) { first := anyone(l); l.killAtOnce(first, first%3+1) }, whole: true},
		{what: "kill -9 of all brokers", do: func(l *load) { l.killAtOnce(1, 2, 3) }, whole: true},
		{what: "kill -9 of all brokers and of ZooKeeper", do: (*load).killAll, whole: true},
		{what: "a rolling restart", do: (*load).roll},
		{what: "all brokers are restarted at once", do: (*load).restartAll, whole: true},
		{what: "SIGSTOP of a leader for less than its session", do: on(leader, (*load).paused)},
		{what: "SIGSTOP of the controller for less than its session", do: on(controller, (*load).paused)},
		{what: "kill -9 of a leader as soon as it is back", do: on(leader, (*load).killTwice)},

		{what: "kill -9 of a broker", do: on(anyone, (*load).kill), tried: true},
		{what: "kill -9 of a leader", do: on(leader, (*load).kill), tried: true},
		{what: "kill -9 of the controller", do: on(controller, (*load).kill), tried: true},
		{what: "SIGSTOP of a leader for longer than its session", do: on(leader, (*load).stopped), tried: true, deaf: true},
		{what: "SIGSTOP of the controller for longer than its session", do: on(controller, (*load).stopped), tried: true, deaf: true},
		{what: "the session of a leader ends", do: on(leader, (*load).expired), tried: true, deaf: true},
		{what: "the session of the controller ends", do: on(controller, (*load).expired), tried: true, deaf: true},
		{what: "all brokers lose their connections to ZooKeeper", do: (*load).cut, tried: true, deaf: true},
		{what: "kill -9 of ZooKeeper's leader", do: func(l *load) { l.killZooKeeper(l.c.ZooKeeper.Leader()) }, tried: true},
		{what: "kill -9 of all of ZooKeeper", do: func(l *load) { l.killZooKeeper(0, 1, 2) }, tried: true, deaf: true},
	}
	for _, f := range append(badLinks(leader, controller, anyone), badDisks(m, anyone)...) {
		f.dear = true
		all = append(all, f)
	}
	only := regexp.MustCompile(*chaosOnly)
	return slices.DeleteFunc(all, func(f fault) bool { return !only.MatchString(f.what) || f.whole && slices.Contains(m.kinds, "apache") })
}

// TestChaos does each fault to a cluster that [TestFaults] does not have, or with -chaos faults at random, on a new cluster of the next kind
// after each dozen. It prints the longest pause in the acknowledgements by kind of fault.
func TestChaos(t *testing.T) {
	rnd := harness.Rand(t, *chaosSeed)
	if *chaosFor == 0 {
		m := mixes()[0]
		l := startChaos(t, m)
		for _, f := range faults(rnd, m) {
			if *chaosOnly == "" && (f.tried || f.dear && harness.Reference()) {
				continue
			}
			var a *aside
			if f.leavesRoom(m) {
				a = l.startAside(rnd)
			}
			l.suffer(f, a)
		}
		l.check()
		return
	}
	until := time.Now().Add(*chaosFor)
	for round := 0; time.Now().Before(until) && !t.Failed(); round++ {
		m := mixes()[round%len(mixes())]
		t.Run(fmt.Sprintf("%d %s", round+1, m), func(t *testing.T) {
			l := startChaos(t, m)
			all := faults(rnd, m)
			for i := 0; i < 12 && time.Now().Before(until); i++ {
				f := all[rnd.IntN(len(all))]
				var a *aside
				if rnd.IntN(2) == 0 && f.leavesRoom(m) {
					a = l.startAside(rnd)
				}
				l.suffer(f, a)
				if rnd.IntN(2) == 0 {
					l.elect()
				}
			}
			l.check()
		})
	}
}

// startChaos starts a cluster whose network and disks a test can break. Brokers make a file for each partition of the topic every few
// seconds, and so soon meet a directory where they can make none.
func startChaos(t *testing.T, m mix) *load {
	t.Helper()
	data, err := os.MkdirTemp("", "klamm-chaos-") // the names of these tests have commas, and so would those of t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	for id := range m.kinds {
		for _, dir := range []string{"data", "data-2"} {
			dir = filepath.Join(data, fmt.Sprint("broker-", id+1), dir)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			harness.MountMemory(t, dir, 256<<20)
		}
	}
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: m.kinds, First: m.first, ZooKeepers: 3, Proxied: true, Networked: true,
		DataDir: data, LogDirs: 2, Properties: map[string]string{"replica.lag.time.max.ms": "3000"}})
	l := startLoad(t, c, "events", []int32{1, 2, 3}, []int32{2, 3, 1}, []int32{3, 1, 2})
	l.startDirect()
	resps, err := l.admin.AlterTopicConfigs(l.Context(), []kadm.AlterConfig{{Name: "segment.ms", Value: kadm.StringPtr("5000")}}, l.topic)
	if err != nil || resps[0].Err != nil {
		t.Fatal(err, resps)
	}
	return l
}

// suffer does one fault, and waits until the cluster is as it was, and has done what was asked of it meanwhile.
func (l *load) suffer(f fault, a *aside) {
	l.Helper()
	l.Logf("%s", f.what)
	if a != nil {
		a.ask()
	}
	l.during(f.what, func() { f.do(l) })
	if a != nil {
		a.check()
	}
	l.awaitFull()
}

// killAtOnce kills brokers with SIGKILL, one right after the other, and starts them again. Two of three, or all, leave nobody to acknowledge
// what is sent meanwhile. A coordinator that lives on alone may not know that it is none any more.
func (l *load) killAtOnce(ids ...int32) {
	l.Helper()
	l.group.Stale(true)
	for _, id := range ids {
		l.c.Broker(id).Kill()
	}
	l.runAll()
}

// runAll starts the brokers that do not run, and waits until all replicas are in sync.
func (l *load) runAll() {
	l.Helper()
	if err := l.c.Run(); err != nil {
		l.Fatal(err)
	}
	l.returned()
}

// killAll kills all brokers and all servers of ZooKeeper.
func (l *load) killAll() {
	l.Helper()
	for _, b := range l.c.Brokers {
		b.Kill()
	}
	for server := range 3 {
		l.c.ZooKeeper.Kill(server)
	}
	if err := l.c.ZooKeeper.Start(); err != nil {
		l.Fatal(err)
	}
	l.runAll()
}

// roll restarts the brokers one after the other, each when the one before it is back in the ISRs.
func (l *load) roll() {
	l.Helper()
	for id := range int32(len(l.c.Brokers)) {
		l.restart(id + 1)
	}
}

// restartAll stops all brokers at once, cleanly, and starts them.
func (l *load) restartAll() {
	l.Helper()
	if err := l.c.StopBrokers(); err != nil {
		l.Fatal(err)
	}
	l.runAll()
}

// paused stops a broker's process for a moment. Its session goes on, and it keeps what it leads.
func (l *load) paused(id int32) {
	l.Helper()
	l.group.Stale(true)
	b := l.c.Broker(id)
	b.Pause()
	time.Sleep(3 * time.Second) // less than a session, and longer than clients wait for an answer
	b.Resume()
	l.awaitFull()
	l.group.Stale(false)
}

// killTwice kills a broker, and once more before it is in the ISRs again.
func (l *load) killTwice(id int32) {
	l.Helper()
	l.bounce(id)
	l.kill(id)
}

// longest gives the longest of the pauses of each kind, in the order in which the kinds came.
func longest(pauses []pause) (out []pause) {
	for _, p := range pauses {
		i := slices.IndexFunc(out, func(o pause) bool { return o.what == p.what })
		if i < 0 {
			out = append(out, p)
		} else {
			out[i].longest, out[i].direct = max(out[i].longest, p.longest), max(out[i].direct, p.direct)
		}
	}
	return out
}
