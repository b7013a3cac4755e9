package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"klamm/compat-tests/harness"
)

// TestFaults does to a cluster what happens to one: brokers are killed and hang, lose ZooKeeper and their sessions, and
// ZooKeeper itself goes away, while clients produce and consume.
func TestFaults(t *testing.T) {
	for _, m := range mixes() {
		t.Run(m.String(), func(t *testing.T) {
			c := harness.StartCluster(t, harness.ClusterOptions{Brokers: m.kinds, First: m.first, ZooKeepers: 3, Proxied: true})
			l := startLoad(t, c, "events", []int32{1, 2, 3}, []int32{2, 3, 1})
			l.startDirect()
			l.during("kill -9 of a follower", func() { l.kill(3) })
			l.during("kill -9 of a leader", func() { l.kill(2) })
			l.elect()
			l.during("kill -9 of the controller", func() { l.kill(l.controller()) })
			l.elect()
			l.during("SIGSTOP of a leader", func() { l.stopped(2) })
			l.elect()
			l.during("the session of a leader ends", func() { l.expired(2) })
			l.elect()
			l.during("the session of the controller ends", func() { l.expired(l.controller()) })
			l.during("all brokers lose their connections to ZooKeeper", l.cut)
			l.during("kill -9 of ZooKeeper's leader", func() { l.killZooKeeper(c.ZooKeeper.Leader()) })
			l.during("kill -9 of all of ZooKeeper", func() { l.killZooKeeper(0, 1, 2) })
			l.elect()
			l.check()
		})
	}
}

// controller is the id of the controller.
func (l *load) controller() (id int32) {
	l.Helper()
	await(l, "a controller", func() bool {
		m := l.metadata()
		if m != nil {
			id = m.ControllerID
		}
		return m != nil && id > 0
	})
	return id
}

// kill bounces a broker, and waits until it is in sync again.
func (l *load) kill(id int32) {
	l.Helper()
	l.bounce(id)
	l.awaitFull()
}

// bounce kills a broker with SIGKILL, waits until the producers go on without it, and starts it again.
func (l *load) bounce(id int32) {
	l.Helper()
	b := l.c.Broker(id)
	b.Kill()
	l.awaitAcks()
	if err := b.Run(); err != nil {
		l.Fatal(err)
	}
}

// stopped pauses a broker until its session has ended and the producers go on without it, and lets it go on.
func (l *load) stopped(id int32) {
	l.Helper()
	l.group.Stale(true)
	b := l.c.Broker(id)
	b.Pause()
	l.expelled(id)
	b.Resume()
	l.returned()
}

// expired cuts a broker off from ZooKeeper until its session has ended and the producers go on without it.
func (l *load) expired(id int32) {
	l.Helper()
	l.group.Stale(true)
	l.c.BlockZooKeeper(id)
	l.expelled(id)
	l.c.UnblockZooKeeper(id)
	l.returned()
}

// expelled waits until the session of a broker has ended, the controller has taken it out of the ISRs, and the producers
// get new acknowledgements.
func (l *load) expelled(id int32) {
	l.Helper()
	if err := l.c.Broker(id).AwaitSessionEnd(); err != nil {
		l.Fatal(err)
	}
	for p := range l.partitions {
		await(l, fmt.Sprintf("an ISR of %s/%d without broker %d", l.topic, p, id), func() bool {
			isr, ok := l.storedISR(p)
			return ok && !slices.Contains(isr, id)
		})
	}
	l.awaitAcks()
}

// storedISR is a partition's ISR as ZooKeeper has it; a broker may not know yet, or no more. It is not ok when ZooKeeper does not answer.
func (l *load) storedISR(partition int32) (isr []int32, ok bool) {
	l.Helper()
	path := fmt.Sprintf("/brokers/topics/%s/partitions/%d/state", l.topic, partition)
	body, _, err := l.c.Zk(l).Get(path)
	if err != nil {
		return nil, false
	}
	var state struct{ ISR []int32 }
	if err := json.Unmarshal(body, &state); err != nil {
		l.Fatalf("%s: %v", path, err)
	}
	return state.ISR, true
}

// returned waits until all brokers are in the cluster again, and know it.
func (l *load) returned() {
	l.Helper()
	for p := range l.partitions {
		await(l, fmt.Sprintf("a full ISR of %s/%d", l.topic, p), func() bool {
			isr, ok := l.storedISR(p)
			return ok && len(isr) == len(l.c.Brokers)
		})
	}
	if err := l.c.AwaitBrokers(1, 2, 3); err != nil {
		l.Fatal(err)
	}
	l.awaitFull()
	l.group.Stale(false)
}

// cut closes the brokers' connections to ZooKeeper. Their sessions go on, and no leader changes.
func (l *load) cut() {
	l.Helper()
	before := l.registrations()
	for id := range before {
		l.c.CutZooKeeper(id)
	}
	l.awaitFull()
	l.awaitAcks()
	for id, session := range l.registrations() {
		if session != before[id] {
			l.Errorf("broker %d has session %x after its connection was cut, and had %x", id, session, before[id])
		}
	}
}

// registrations waits until each broker has a node, and gives the nodes' sessions.
func (l *load) registrations() map[int32]int64 {
	l.Helper()
	sessions := map[int32]int64{}
	for i := range l.c.Brokers {
		id := int32(i + 1)
		await(l, fmt.Sprintf("the node of broker %d", id), func() bool {
			_, stat, err := l.c.Zk(l).Get(fmt.Sprint("/brokers/ids/", id))
			if err == nil {
				sessions[id] = stat.EphemeralOwner
			}
			return err == nil
		})
	}
	return sessions
}

// killZooKeeper kills servers of ZooKeeper, waits until the producers have gone on for a while, and starts the servers again.
func (l *load) killZooKeeper(servers ...int) {
	l.Helper()
	for _, s := range servers {
		l.c.ZooKeeper.Kill(s)
	}
	l.awaitAcks()
	if err := l.c.ZooKeeper.Start(); err != nil {
		l.Fatal(err)
	}
	l.returned()
}
