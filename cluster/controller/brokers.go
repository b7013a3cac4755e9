package controller

import (
	"log/slog"
	"reflect"
	"slices"
	"strconv"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// lookAtBrokers reads who is registered.
func (s *State) lookAtBrokers(d *Decision) {
	d.ask(Read{Children: znode.BrokerIDs}, func(d *Decision, r ReadResult) { s.readBrokers(d, r.Names, s.brokersChanged) })
}

// readBrokers reads the registrations of brokers, with a watch on each: a broker may change its listeners.
func (s *State) readBrokers(d *Decision, names []string, then func(*Decision, []*broker)) {
	var ids []int32
	var paths []string
	for _, name := range names {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			d.log(slog.LevelError, "a registration is ignored: its name is no broker id", "znode", znode.BrokerIDs+"/"+name)
			continue
		}
		ids = append(ids, int32(id))
		paths = append(paths, znode.BrokerPath(int32(id)))
	}
	d.ask(Read{Nodes: paths, Watch: true}, func(d *Decision, r ReadResult) {
		var there []*broker
		for i, n := range r.Nodes {
			if b := s.decodeBroker(d, ids[i], n); b != nil {
				there = append(there, b)
			}
		}
		then(d, there)
	})
}

// decodeBroker reads a registration, nil if it is gone or cannot be read: the broker then counts as not there.
func (s *State) decodeBroker(d *Decision, id int32, n meta.Node) *broker {
	if isMissing(n) {
		return nil
	}
	err := n.Err
	var body *znode.Broker
	if err == nil {
		body, err = znode.DecodeBroker(id, n.Data)
	}
	if err != nil {
		d.log(slog.LevelError, "broker is left out: its registration cannot be read", "broker_id", id, "error", err)
		return nil
	}
	return &broker{id: id, Broker: *body, epoch: n.Stat.Czxid}
}

// brokersChanged takes in who is registered now. A broker whose registration is another one than before has stopped and started
// in between, however short that was: what it had not flushed may be lost, so that its replicas leave the ISRs first (KIP-380).
func (s *State) brokersChanged(d *Decision, there []*broker) {
	var fresh, bounced, gone, moved []int32
	now := map[int32]*broker{}
	for _, b := range there {
		now[b.id] = b
		was := s.brokers[b.id]
		switch {
		case was == nil:
			fresh = append(fresh, b.id)
		case was.epoch != b.epoch:
			bounced = append(bounced, b.id)
		default:
			b.shuttingDown, b.suspect = was.shuttingDown, was.suspect
			if !reflect.DeepEqual(was.Endpoints, b.Endpoints) {
				moved = append(moved, b.id)
			}
		}
	}
	for _, id := range s.brokerIDs() {
		if now[id] == nil {
			gone = append(gone, id)
		}
	}
	if len(fresh)+len(bounced)+len(gone)+len(moved) == 0 {
		return
	}
	d.log(slog.LevelInfo, "brokers changed", "new", fresh, "restarted", bounced, "gone", gone, "moved", moved)
	s.brokers = now
	d.Live = s.live()
	d.orders.toAll = true
	lost := map[int32]bool{}
	for _, id := range slices.Concat(bounced, gone) {
		lost[id] = true
		s.failures.forgetBroker(id)
	}
	started := map[int32]bool{}
	for _, id := range slices.Concat(fresh, bounced) {
		started[id] = true
		s.failures.forgetBroker(id)
	}
	d.orders.greeted = append(d.orders.greeted, slices.Concat(fresh, bounced)...)
	for _, id := range moved {
		s.suspect(d, now[id], false) // it was the addresses of before that refused
	}
	for p := range s.all {
		for _, r := range p.replicas {
			if lost[r.broker] {
				s.replicaLost(d, p, r)
			}
			if started[r.broker] {
				s.replicaCame(d, p, r)
			}
		}
	}
}

// replicaLost takes in that a replica cannot be reached or used any more.
func (s *State) replicaLost(d *Decision, p *partition, r *replica) {
	if r.status == replicaDeletionStarted {
		d.moveReplica(p, r, replicaDeletionIneligible)
	}
	if p.topic.isFrozen() {
		return
	}
	if d.moveReplica(p, r, replicaOffline) {
		d.show(p)
		s.queue(p)
	}
}

// replicaCame has a replica planned whose broker has registered.
func (s *State) replicaCame(d *Decision, p *partition, r *replica) {
	if r.status == replicaDeletionIneligible {
		d.moveReplica(p, r, replicaOffline)
	}
	if p.topic.deletion != nil {
		s.queueTopic(p.topic)
	}
	if slices.Contains(p.Adding, r.broker) {
		p.told, p.moved = false, false // a reassignment that waited for this broker is begun again (KafkaController.maybeResumeReassignments)
	}
	s.queue(p)
}

// controlledShutdown has a broker lead and join nothing any more.
func (s *State) controlledShutdown(d *Decision, e *ControlledShutdown) {
	b := s.brokers[e.Request.BrokerID]
	if e.Err = checkShutdown(b, &e.Request); e.Err != nil {
		return
	}
	d.log(slog.LevelInfo, "broker is shutting down", "broker_id", b.id)
	b.shuttingDown = true
	e.state = s
	for p := range s.all {
		r := p.replica(b.id)
		if r == nil || !p.led() || p.topic.deletion != nil || len(p.effective()) < 2 {
			continue
		}
		if p.State.Leader != b.id && (r.isUsable() || r.status == replicaOffline) {
			d.stop(b.id, p, p.State.LeaderEpoch, false)
			d.moveReplica(p, r, replicaOffline)
		}
		s.queue(p)
	}
}
