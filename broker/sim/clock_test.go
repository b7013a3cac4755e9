package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClockThatIsSetKeepsItsPace holds what node.clock makes of a time.Time against what it is meant to be.
func TestClockThatIsSetKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{}
		before := n.clock()
		if !before.Equal(time.Now()) {
			t.Errorf("a clock that nobody has set shows %v, not %v", before, time.Now())
		}
		n.skew.Store(-3600)
		time.Sleep(time.Second)
		after := n.clock()
		if wall := after.Round(0).Sub(before.Round(0)); wall != time.Second-time.Hour {
			t.Errorf("the clock was set back by an hour, and after a second it shows %v more", wall)
		}
		if passed := after.Sub(before); passed != time.Second {
			t.Errorf("%v have passed, a second is due", passed)
		}
	})
}

// TestControllerWhoseClockIsSetBackGoesOn sets the clock of a controller back by an hour. What it was to do within seconds, it did after an hour.
func TestControllerWhoseClockIsSetBackGoesOn(t *testing.T) {
	simulate(t, 3, 18*time.Second, func(t *testing.T, w *world) {
		w.begin()
		w.create("events", 3)
		w.await("all replicas in sync", time.Minute, func() bool { return w.forest.unwell() == "" })
		controller := w.controller()
		var follower *node
		for _, n := range w.nodes {
			if n != controller {
				follower = n
			}
		}
		follower.kill(false, 0)
		w.await("other leaders", time.Minute, func() bool { return w.leads(follower.id) == 0 })
		controller.skew.Store(-3600)
		follower.start(true)
		w.await("the first replicas to lead again", time.Minute, func() bool { return w.leads(follower.id) > 0 })
	}, "leader.imbalance.check.interval.seconds=5")
}

// leads gives how many partitions of the topic events a broker leads.
func (w *world) leads(id int32) (n int) {
	for p := range int32(3) {
		if s, there := w.forest.state("events", p); there && s.Leader == id {
			n++
		}
	}
	return n
}
