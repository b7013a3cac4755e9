package cluster

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"klamm/cluster/controller"
	"klamm/cluster/liveness"
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// suspects acts on brokers whose process is dead before their sessions end (cluster/liveness). A controller watches every broker, and
// has others lead at once what a dead one led. Every broker watches the controller, and takes its office over. Both are safe if the
// broker lives after all: see controller.Suspected and controller.Elector.TakeOver.
type suspects struct {
	broker   *Broker
	detector *liveness.Detector

	mu         sync.Mutex
	ordered    map[int32]liveness.Peer // guarded by mu; those that this broker gives orders to as the controller
	controller liveness.Peer           // guarded by mu; the controller, if that is another broker
	looked     office                  // guarded by mu; the controller that was looked for last
}

// office is one term of a controller: a broker that is elected again has registered anew.
type office struct{ id, epoch int32 }

// nobody is no controller at all.
var nobody = office{-1, -1}

// newSuspects watches nobody yet. It gives nil for a broker that is alone, and where fast failover is turned off.
func newSuspects(b *Broker) *suspects {
	if b.o.Dial == nil || b.o.SlowFailover {
		return nil
	}
	s := &suspects{broker: b, ordered: map[int32]liveness.Peer{}, looked: nobody}
	s.detector = liveness.New(liveness.Options{Dead: s.dead, Back: s.back, Here: s.here, Dial: b.o.DialAddr, After: b.o.After, Logger: b.o.Logger.With("logger", "cluster.liveness")})
	return s
}

func (s *suspects) close() {
	if s != nil {
		s.detector.Close()
	}
}

// peerOf is a broker as the detector watches it.
func (s *suspects) peerOf(id int32, epoch int64, endpoints []order.Endpoint) liveness.Peer {
	p := liveness.Peer{ID: id, Epoch: epoch}
	for _, e := range endpoints {
		if e.Listener == s.broker.o.ControlPlaneListener {
			p.Addrs = append(p.Addrs, net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
		}
	}
	return p
}

// watchLocked has the detector watch who is to be watched now.
func (s *suspects) watchLocked() {
	all := maps.Clone(s.ordered)
	if _, ordered := all[s.controller.ID]; !ordered && s.controller.Epoch > 0 {
		all[s.controller.ID] = s.controller
	}
	s.detector.Watch(slices.Collect(maps.Values(all)))
}

// order has a broker watched as long as the controller here has a channel to it.
func (s *suspects) order(live order.LiveBroker, to controller.Channel) controller.Channel {
	if s == nil {
		return to
	}
	p := s.peerOf(live.ID, live.Epoch, live.Endpoints)
	s.mu.Lock()
	s.ordered[p.ID] = p
	s.watchLocked()
	s.mu.Unlock()
	if s.detector.IsDead(p) { // as the controller before, whose office this broker took over
		s.dead(p)
	}
	return &watchedChannel{Channel: to, suspects: s, peer: p}
}

// watchedChannel is the channel to a broker that is watched.
type watchedChannel struct {
	controller.Channel
	suspects *suspects
	peer     liveness.Peer
}

// Close implements controller.Channel.
func (c *watchedChannel) Close() {
	s := c.suspects
	s.mu.Lock()
	if now, there := s.ordered[c.peer.ID]; there && now.Epoch == c.peer.Epoch {
		delete(s.ordered, c.peer.ID)
		s.watchLocked()
	}
	s.mu.Unlock()
	c.Channel.Close()
}

// metadataChanged has those watched that the metadata name now: the controller, and each broker where it listens now. Which registration of the
// controller that is stands in the tree.
func (s *suspects) metadataChanged(known *Metadata, controllerEpoch int32) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, info := range known.Brokers {
		if was, ordered := s.ordered[info.ID]; ordered && was.Epoch == info.Epoch {
			s.ordered[info.ID] = s.peerOf(info.ID, info.Epoch, info.Endpoints)
		}
	}
	now, look := office{known.ControllerID, controllerEpoch}, false
	if s.looked != now {
		s.looked, s.controller, look = now, liveness.Peer{}, true
	} else if info := known.Broker(now.id); info != nil && s.controller.ID == now.id {
		look = !slices.Equal(s.controller.Addrs, s.peerOf(now.id, info.Epoch, info.Endpoints).Addrs)
	}
	s.watchLocked()
	if look && now.id >= 0 && now.id != s.broker.o.BrokerID {
		go s.findController(now)
	}
}

// findController reads the controller's registration.
func (s *suspects) findController(now office) {
	ctx, cancel := s.broker.within(s.broker.quit, configTimeout)
	defer cancel()
	found, err := s.registration(ctx, now.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looked != now {
		return
	}
	if err != nil {
		s.looked = nobody // the next UpdateMetadata has it looked for again
		return
	}
	s.controller = found
	s.watchLocked()
}

// registration reads where a broker listens, and since when.
func (s *suspects) registration(ctx context.Context, id int32) (liveness.Peer, error) {
	data, stat, err := s.broker.tree().Get(ctx, znode.BrokerPath(id))
	if err != nil {
		return liveness.Peer{}, err
	}
	body, err := znode.DecodeBroker(id, data)
	if err != nil {
		return liveness.Peer{}, err
	}
	return s.peerOf(id, stat.Czxid, body.Endpoints), nil
}

// isStill says whether a broker is registered still, and listens where it was watched. One that has moved is watched at its new addresses.
func (s *suspects) isStill(p liveness.Peer) bool {
	for {
		now, err := s.registration(s.broker.quit, p.ID)
		switch {
		case err == nil && now.Epoch == p.Epoch && slices.Equal(now.Addrs, p.Addrs):
			return true
		case err == nil && now.Epoch == p.Epoch:
			s.moved(now)
			return false
		case err == nil, errors.Is(err, meta.ErrNoNode), !s.detector.IsDead(p):
			return false // who has to know hears of it from the tree
		}
		if s.broker.wait(s.broker.quit, openRetry) != nil {
			return false
		}
	}
}

// moved has a broker watched at its new addresses.
func (s *suspects) moved(now liveness.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ordered := s.ordered[now.ID]; ordered && was.Epoch == now.Epoch {
		s.ordered[now.ID] = now
	}
	if s.controller.ID == now.ID && s.controller.Epoch == now.Epoch {
		s.controller = now
	}
	s.watchLocked()
}

// takeOverStep is how much later each further broker tries to take the controller's office over, so that mostly the first one does.
const takeOverStep = 50 * time.Millisecond

// dead implements liveness.Options.Dead.
func (s *suspects) dead(p liveness.Peer) { go s.judge(p) }

// judge acts on a broker whose process seems to be dead.
func (s *suspects) judge(p liveness.Peer) {
	b := s.broker
	if !s.isStill(p) {
		return
	}
	b.o.Logger.Warn("a broker's process seems to be dead: it refuses connections", "broker_id", p.ID, "broker_epoch", p.Epoch)
	s.mu.Lock()
	office := s.controller.ID == p.ID && s.controller.Epoch == p.Epoch
	s.mu.Unlock()
	_ = b.ask(b.quit, &controller.Suspected{Broker: p.ID, Epoch: p.Epoch, Dead: true}) // nothing to do where this broker is not the controller
	if !s.detector.IsDead(p) {
		// It has come back meanwhile, and the controller may have heard of that before.
		_ = b.ask(b.quit, &controller.Suspected{Broker: p.ID, Epoch: p.Epoch})
		return
	}
	if !office {
		return
	}
	rank := 0
	for _, info := range b.Metadata().Brokers {
		if info.ID < b.o.BrokerID && info.ID != p.ID {
			rank++
		}
	}
	if b.wait(b.quit, time.Duration(rank)*takeOverStep) == nil && b.Metadata().ControllerID == p.ID {
		if e := b.elector.Load(); e != nil {
			e.TakeOver(p.ID, p.Epoch, func() bool { return s.detector.IsDead(p) })
		}
	}
}

// back implements liveness.Options.Back.
func (s *suspects) back(p liveness.Peer) {
	s.broker.o.Logger.Info("a broker that seemed to be dead accepts connections again", "broker_id", p.ID, "broker_epoch", p.Epoch)
	go func() { _ = s.broker.ask(s.broker.quit, &controller.Suspected{Broker: p.ID, Epoch: p.Epoch}) }()
}

// here implements liveness.Options.Here: the session answers, and this broker reaches its own port.
func (s *suspects) here(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, _, err := s.broker.tree().Exists(ctx, znode.Controller); err != nil {
		return err
	}
	for _, e := range s.broker.o.Endpoints {
		if e.Listener == s.broker.o.ControlPlaneListener {
			conn, err := s.broker.o.Dial(ctx, e)
			if err != nil {
				return err
			}
			conn.Close()
		}
	}
	return nil
}
