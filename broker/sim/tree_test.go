package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// forest is the metadata tree that the brokers share, and looks at every transaction: I3 (leader epochs only grow), I8 (only the controller
// changes states, with its own epoch).
type forest struct {
	store   *mem.Store
	timeout time.Duration // of a session without a connection
	journal *journal

	known      sync.Mutex
	states     map[string]state        // guarded by known; of each partition, by path
	topics     map[string]*znode.Topic // guarded by known; by name
	controller int64                   // guarded by known; the session that has /controller, 0 for none
	epoch      int32                   // guarded by known; the epoch of controllers

	mu       sync.Mutex
	sessions map[string][]*session // guarded by mu; by host
	cut      map[string]bool       // guarded by mu; hosts that do not reach the tree
}

func newForest(timeout time.Duration, journal *journal) *forest {
	f := &forest{timeout: timeout, journal: journal, states: map[string]state{}, topics: map[string]*znode.Topic{}, sessions: map[string][]*session{}, cut: map[string]bool{}}
	f.store = mem.New(mem.Options{Committed: f.committed})
	return f
}

// state is a partition's state in the tree.
type state struct {
	Leader          int32
	LeaderEpoch     int32 `json:"leader_epoch"`
	ISR             []int32
	ControllerEpoch int32 `json:"controller_epoch"`
	Recovery        int   `json:"leader_recovery_state"`
}

// committed implements mem.Options.Committed.
func (f *forest) committed(session int64, ops []meta.Op, _ []meta.Result) {
	f.known.Lock()
	defer f.known.Unlock()
	for _, op := range ops {
		changes := op.Kind == meta.OpCreate || op.Kind == meta.OpSet
		topic, isTopic := strings.CutPrefix(op.Path, znode.BrokerTopics+"/")
		switch {
		case op.Kind == meta.OpCheck:
		case op.Path == znode.ControllerEpoch && changes:
			n, err := strconv.ParseInt(string(op.Data), 10, 32)
			if err != nil || int32(n) < f.epoch {
				f.journal.wrong("I8: the controller epoch goes from %d to %q", f.epoch, op.Data)
			}
			f.epoch = int32(n)
		case op.Path == znode.Controller && changes:
			f.controller = session
			f.journal.note("tree", "controller is %s", op.Data)
		case op.Path == znode.Controller:
			f.controller = 0
			f.journal.note("tree", "there is no controller")
		case strings.HasPrefix(op.Path, znode.BrokerIDs+"/"):
			f.journal.note("tree", "%s %s by session %d", op.Path, kindNames[op.Kind], session)
		case isTopic && strings.HasSuffix(op.Path, "/state"):
			f.stateChangedLocked(session, op)
		case isTopic && !strings.Contains(topic, "/"):
			f.topicChangedLocked(topic, op)
		}
	}
}

var kindNames = map[meta.OpKind]string{meta.OpCreate: "created", meta.OpSet: "set", meta.OpDelete: "deleted"}

// topicChangedLocked notes the assignment of a topic.
func (f *forest) topicChangedLocked(topic string, op meta.Op) {
	if op.Kind == meta.OpDelete {
		delete(f.topics, topic)
		f.journal.note("tree", "topic %s is deleted", topic)
		return
	}
	t, err := znode.DecodeTopic(topic, op.Data)
	if err != nil {
		f.journal.wrong("topic %s: %v", topic, err)
		return
	}
	if was := f.topics[topic]; was != nil && was.ID != t.ID {
		f.journal.wrong("topic %s changes its id from %s to %s", topic, was.ID, t.ID)
	}
	f.topics[topic] = t
	f.journal.note("tree", "topic %s is %s", topic, op.Data)
}

// stateChangedLocked looks at a write to the state of a partition.
func (f *forest) stateChangedLocked(session int64, op meta.Op) {
	if session != f.controller {
		f.journal.wrong("I8: session %d changes %s, and the controller is session %d", session, op.Path, f.controller)
	}
	if op.Kind == meta.OpDelete {
		delete(f.states, op.Path)
		return
	}
	var now state
	if err := json.Unmarshal(op.Data, &now); err != nil {
		f.journal.wrong("%s: %v: %q", op.Path, err, op.Data)
		return
	}
	f.journal.note("tree", "%s leader %d epoch %d isr %v", strings.TrimPrefix(op.Path, "/brokers/topics/"), now.Leader, now.LeaderEpoch, now.ISR)
	was, there := f.states[op.Path]
	switch {
	case now.ControllerEpoch != f.epoch:
		f.journal.wrong("I8: %s gets controller epoch %d, and the controller's is %d", op.Path, now.ControllerEpoch, f.epoch)
	case there && now.LeaderEpoch < was.LeaderEpoch:
		f.journal.wrong("I3: the leader epoch of %s goes from %d to %d", op.Path, was.LeaderEpoch, now.LeaderEpoch)
	case there && now.Leader >= 0 && now.Leader != was.Leader && now.LeaderEpoch == was.LeaderEpoch:
		f.journal.wrong("I3: %s gets leader %d in the leader epoch of %d", op.Path, now.Leader, was.Leader)
	case there && now.Leader >= 0 && !slices.Contains(was.ISR, now.Leader), now.Recovery != 0:
		f.journal.wrong("I1: %s gets leader %d, which was not in the isr %v", op.Path, now.Leader, was.ISR)
	case len(now.ISR) == 0 || now.Leader >= 0 && !slices.Contains(now.ISR, now.Leader):
		f.journal.wrong("I1: %s has leader %d and isr %v", op.Path, now.Leader, now.ISR)
	}
	f.states[op.Path] = now
}

// unwell says what keeps the replicas of all partitions from being in sync, or gives "".
func (f *forest) unwell() string {
	f.known.Lock()
	defer f.known.Unlock()
	for name, t := range f.topics {
		for _, p := range t.Partitions {
			s, there := f.states[znode.PartitionStatePath(protocol.TopicPartition{Topic: name, Partition: p.Partition})]
			if !there || s.Leader < 0 || len(p.Adding)+len(p.Removing) > 0 || len(s.ISR) != len(p.Replicas) {
				return fmt.Sprintf("%s-%d has leader %d, isr %v and replicas %+v", name, p.Partition, s.Leader, s.ISR, p)
			}
		}
	}
	return ""
}

// differs says what a broker does not know, or knows that is not so, or gives "".
func (f *forest) differs(known *cluster.Metadata) string {
	f.known.Lock()
	defer f.known.Unlock()
	for name, t := range f.topics {
		for _, p := range t.Partitions {
			tp := protocol.TopicPartition{Topic: name, Partition: p.Partition}
			s, k := f.states[znode.PartitionStatePath(tp)], known.Partition(tp)
			if k == nil || k.Leader != s.Leader || k.LeaderEpoch != s.LeaderEpoch || !slices.Equal(k.ISR, s.ISR) {
				return fmt.Sprintf(" knows of %s: %+v, and the tree has %+v", tp, k, s)
			}
		}
	}
	for t := range known.Topics() {
		if f.topics[t.Name] == nil {
			return " knows topic " + t.Name + ", which is deleted"
		}
	}
	return ""
}

// session is a session of one life of a broker.
type session struct {
	meta.Tree
	forest *forest
	host   string

	mu    sync.Mutex
	dead  bool        // guarded by mu; the process that had it is dead
	timer *time.Timer // guarded by mu; ends it
}

// plot is the tree as one life of a broker has it; it implements broker.Tree.
type plot struct {
	forest *forest
	host   string
	former bool // a start ends the session of the life before
	open   func() bool
}

// Peek implements broker.Tree.
func (p *plot) Peek(ctx context.Context, nodes ...string) ([]meta.Node, error) {
	tree, err := p.Open(nil)
	if err != nil {
		return nil, err
	}
	ses, err := tree.Open(ctx, meta.Watcher{})
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	return ses.GetAll(ctx, nodes)
}

// Shared implements broker.Tree.
func (*plot) Shared() bool { return true }

// Open implements broker.Tree.
func (p *plot) Open(func(write func() error) error) (meta.Store, error) { return plotStore{p}, nil }

// Record ends the session of the life before, as the broker does with the record of its session in the log directory.
func (p *plot) Record(store meta.Store, _ int32, _ []cluster.Endpoint) meta.Store {
	if p.former {
		p.forest.expireDead(p.host)
	}
	return store
}

type plotStore struct{ *plot }

// Close implements meta.Store.
func (plotStore) Close() error { return nil }

// Open implements meta.Store.
func (s plotStore) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	for s.forest.isCut(s.host) || !s.open() {
		if !sleep(100*time.Millisecond, ctx.Done()) {
			return nil, ctx.Err()
		}
	}
	tree, err := s.forest.store.Open(ctx, w)
	if err != nil {
		return nil, err
	}
	ses := &session{Tree: tree, forest: s.forest, host: s.host}
	s.forest.mu.Lock()
	defer s.forest.mu.Unlock()
	s.forest.sessions[s.host] = append(s.forest.sessions[s.host], ses)
	if s.forest.cut[s.host] {
		ses.disconnect()
	}
	return ses, nil
}

// Close implements meta.Tree. The session of a dead process goes on until it times out.
func (s *session) Close() error {
	s.mu.Lock()
	dead := s.dead
	if !dead && s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	if dead {
		<-s.Done()
		return nil
	}
	return s.Tree.Close()
}

// disconnect takes the session's connection. It times out, unless it is connected again before.
func (s *session) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forest.store.Disconnect(s.Tree)
	if s.timer == nil {
		s.timer = time.AfterFunc(s.forest.timeout, s.expire)
	}
}

// expire ends the session at the tree.
func (s *session) expire() {
	s.forest.store.Expire(s.Tree)
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	if dead {
		_ = s.Tree.Close()
	}
}

// connect gives the session its connection back.
func (s *session) connect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.forest.store.Reconnect(s.Tree)
}

func (f *forest) isCut(host string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut[host]
}

// each calls a function for the sessions of a host.
func (f *forest) each(host string, do func(*session)) {
	f.mu.Lock()
	all := append([]*session(nil), f.sessions[host]...)
	f.mu.Unlock()
	for _, s := range all {
		select {
		case <-s.Done():
		default:
			do(s)
		}
	}
}

// separate cuts a host off from the tree, and join ends that.
func (f *forest) separate(host string) {
	f.mu.Lock()
	f.cut[host] = true
	f.mu.Unlock()
	f.each(host, (*session).disconnect)
}

func (f *forest) join(host string) {
	f.mu.Lock()
	f.cut[host] = false
	f.mu.Unlock()
	f.each(host, (*session).connect)
}

// die says that the process on a host is dead: its sessions go on without a connection until they time out.
func (f *forest) die(host string) {
	f.each(host, func(s *session) {
		s.mu.Lock()
		s.dead = true
		s.mu.Unlock()
		s.disconnect()
	})
}

// expireDead ends the sessions of a host's dead processes.
func (f *forest) expireDead(host string) {
	f.each(host, func(s *session) {
		s.mu.Lock()
		dead := s.dead
		s.mu.Unlock()
		if dead {
			s.expire()
		}
	})
}

// expire ends the sessions of a host that lives.
func (f *forest) expire(host string) {
	f.each(host, func(s *session) { f.store.Expire(s.Tree) })
}

// state gives the state of a partition.
func (f *forest) state(topic string, partition int32) (s state, there bool) {
	f.known.Lock()
	defer f.known.Unlock()
	s, there = f.states[znode.PartitionStatePath(protocol.TopicPartition{Topic: topic, Partition: partition})]
	return s, there
}

// replicas gives the replicas of a partition.
func (f *forest) replicas(topic string, partition int32) []int32 {
	f.known.Lock()
	defer f.known.Unlock()
	for _, p := range f.topics[topic].Partitions {
		if p.Partition == partition {
			return p.Replicas
		}
	}
	return nil
}
