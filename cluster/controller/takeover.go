package controller

import (
	"cmp"
	"context"
	"errors"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// takeover is a controller whose process seems to be dead.
type takeover struct {
	id    int32
	epoch int64 // of its registration
}

// attempt is a takeover that somebody asked for, and what says whether the controller still seems to be dead.
type attempt struct {
	takeover
	isDead func() bool
}

// TakeOver makes this broker the controller in place of another one whose process seems to be dead, without waiting for the end of
// its session. It does not wait. It tries as long as the tree does not answer and isDead holds. Of one registration the office is taken over once: a controller that lives and refuses connections from
// here alone must not lose it again and again.
//
// It is safe if the other controller lives. One transaction counts /controller_epoch up, deletes /controller and makes it anew, under the
// versions that were read, so that any election in between makes it fail. Every write of the old controller is conditional
// on the epoch before, and fails from then on; brokers refuse its orders once they have one of the new epoch. Apache's brokers see
// /controller go and look who has it (as they do when KRaft takes over).
func (e *Elector) TakeOver(id int32, epoch int64, isDead func() bool) {
	select {
	case e.takeovers <- attempt{takeover{id, epoch}, isDead}:
	default: // one is under way
	}
}

// takeOverRetry is how long after a takeover that failed the next one is tried.
const takeOverRetry = 100 * time.Millisecond

// takenOver carries a takeover out, and tries until it is known what became of it. It gives nil where the office is another's by now, or
// the session or the elector has ended, or the controller accepts connections again.
func (e *Elector) takenOver(t attempt) *Controller {
	for said := false; t.isDead(); said = true {
		c, err := e.take(e.ctx, t.takeover)
		if err == nil || e.ctx.Err() != nil || errors.Is(err, meta.ErrSessionExpired) {
			return c
		}
		if !said {
			e.o.Logger.Error("the office of the controller could not be taken over, and that is tried again", "former_controller", t.id, "error", err)
		}
		if !e.pause(takeOverRetry) {
			return nil
		}
	}
	return nil
}

// take tries a takeover. It gives nil where the office is another's by now.
func (e *Elector) take(ctx context.Context, t takeover) (*Controller, error) {
	if e.Controller() != nil || e.taken == t {
		return nil, nil
	}
	tree := e.o.Tree
	data, stat, err := tree.Get(ctx, znode.Controller)
	if errors.Is(err, meta.ErrNoNode) {
		return nil, nil // it is to be had without a takeover
	}
	if err != nil {
		return nil, err
	}
	if id, err := znode.DecodeController(data); err != nil || id != t.id {
		return nil, err
	}
	there, registration, err := tree.Exists(ctx, znode.BrokerPath(t.id))
	if err != nil || there && registration.Czxid != t.epoch {
		return nil, err
	}
	epoch, version, err := e.readEpoch(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tree.Multi(ctx,
		meta.SetOp(znode.ControllerEpoch, znode.EncodeControllerEpoch(epoch+1), version),
		meta.DeleteOp(znode.Controller, stat.Version),
		meta.CreateOp(znode.Controller, znode.EncodeController(e.o.BrokerID, e.o.Clock().UnixMilli()), meta.Ephemeral))
	if errors.Is(err, meta.ErrNodeExists) || errors.Is(err, meta.ErrBadVersion) || errors.Is(err, meta.ErrNoNode) {
		return nil, nil // another was elected since
	}
	if err != nil {
		if !errors.Is(err, meta.ErrOutcomeUnknown) {
			return nil, err
		}
		won, lookErr := e.hasWon(ctx, epoch+1, version+1)
		if !won {
			return nil, cmp.Or(lookErr, err)
		}
	}
	e.taken = t
	e.o.Logger.Warn("this broker is the controller in place of one whose process seems to be dead", "broker_id", e.o.BrokerID, "former_controller", t.id, "controller_epoch", epoch+1)
	return newController(e.o, epoch+1, version+1), nil
}
