package controller

import (
	"log/slog"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// The order in which a new controller begins is that of 3.9's onControllerFailover: the features; watches and what they
// watch; notifications from before are of no use any more, since everything is read; then brokers, topics, assignments and states; then every broker
// learns who is there, before it is told what to lead and follow; then reassignments, deletions and elections go on.

// started reads the tree and goes on from what it says.
func (s *State) started(d *Decision) {
	d.ask(Read{Nodes: []string{znode.Feature}}, func(d *Decision, r ReadResult) {
		s.enableFeatures(d, r.Nodes[0])
		s.readAll(d)
	})
}

// enableFeatures makes /feature say that features are finalized, and which: none. An Apache broker that finds there something else, or an
// older version of the node, exits: it is never deleted, and what cannot be read is left alone.
func (s *State) enableFeatures(d *Decision, n meta.Node) {
	if isMissing(n) {
		d.change(&featureWrite{createNode(znode.Feature, znode.EncodeFeature())})
		return
	}
	enabled, features, err := znode.DecodeFeature(n.Data)
	switch {
	case n.Err != nil || err != nil || features > 0:
		d.log(slog.LevelError, "the features of the cluster are left alone: they cannot be read, or there are some", "znode", znode.Feature,
			"features", features, "error", err)
	case !enabled:
		d.change(&featureWrite{setNode(znode.Feature, znode.EncodeFeature(), n.Stat.Version)})
	}
}

// featureWrite writes /feature. Another write at the same time is as good.
type featureWrite struct{ nodeWrite }

func (c *featureWrite) done(*State, *Decision) {}
func (c *featureWrite) lost(_ *State, d *Decision, _ meta.Node, err error) {
	d.log(slog.LevelWarn, "the features of the cluster could not be written", "error", err)
}

// readAll sets the watches and reads everything.
func (s *State) readAll(d *Decision) {
	var ids, topics, marked []string
	d.ask(Read{Children: znode.BrokerIDs}, func(_ *Decision, r ReadResult) { ids = r.Names })
	d.ask(Read{Children: znode.BrokerTopics}, func(_ *Decision, r ReadResult) { topics = r.Names })
	d.ask(Read{Children: znode.DeleteTopics}, func(_ *Decision, r ReadResult) { marked = r.Names })
	for _, parent := range []string{znode.LogDirNotification, znode.ISRChangeNotification} {
		d.ask(Read{Children: parent}, func(d *Decision, r ReadResult) {
			for _, path := range below(parent, r.Names) {
				d.change(&cleanUp{deleteNode(path)})
			}
		})
	}
	d.ask(Read{Nodes: []string{znode.ReassignPartitions, znode.PreferredElection}, Watch: true}, func(d *Decision, _ ReadResult) {
		s.readBrokers(d, ids, func(d *Decision, there []*broker) {
			for _, b := range there {
				s.brokers[b.id] = b
			}
			d.Live = s.live()
			s.readTopics(d, topics, func(d *Decision, topics []*topic) { s.begin(d, topics, marked) })
		})
	})
}

// begin plans everything, when all is read.
func (s *State) begin(d *Decision, topics []*topic, marked []string) {
	s.loaded = true
	d.log(slog.LevelInfo, "the controller has read the metadata tree", "controller_epoch", s.Epoch, "brokers", s.brokerIDs(), "topics", len(topics))
	// Also a broker that the controller before had not told anything yet gets every partition, even one whose state is about to change: clients take
	// a topic for as large as a broker says.
	d.orders.greeted, d.orders.toAll = s.brokerIDs(), true
	for _, t := range topics {
		s.admit(d, t)
	}
	s.marked(d, marked)
	s.lookAtReassignments(d)
	s.lookAtElections(d)
}
