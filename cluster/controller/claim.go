package controller

import (
	"context"
	"errors"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// elect looks who is the controller, with a watch, and becomes it if there is none. It gives nil if another broker is, or was faster. If
// this broker is the controller already, it goes on.
func (e *Elector) elect(ctx context.Context) (*Controller, error) {
	there, stat, err := e.o.Tree.ExistsW(ctx, znode.Controller)
	if err != nil {
		return nil, err
	}
	if c := e.Controller(); c != nil {
		if there && stat.EphemeralOwner == e.o.Tree.SessionID() {
			return nil, nil
		}
		e.o.Logger.Info("another broker may become the controller: the node is gone or another's", "znode", znode.Controller)
		e.end()
	}
	if there && stat.EphemeralOwner != e.o.Tree.SessionID() {
		return nil, nil
	}
	if there {
		// A claim was made whose answer was lost, and whose epoch is not known any more: make room, and claim again.
		if err := e.o.Tree.Delete(ctx, znode.Controller, stat.Version); err != nil && !errors.Is(err, meta.ErrNoNode) {
			return nil, err
		}
	}
	return e.claim(ctx)
}

// claim makes /controller and counts /controller_epoch up, both or neither (KafkaZkClient.registerControllerAndIncrementControllerEpoch).
func (e *Elector) claim(ctx context.Context) (*Controller, error) {
	tree := e.o.Tree
	epoch, version, err := e.readEpoch(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tree.Multi(ctx,
		meta.CreateOp(znode.Controller, znode.EncodeController(e.o.BrokerID, e.o.Clock().UnixMilli()), meta.Ephemeral),
		meta.SetOp(znode.ControllerEpoch, znode.EncodeControllerEpoch(epoch+1), version))
	switch {
	case err == nil:
	case errors.Is(err, meta.ErrNodeExists), errors.Is(err, meta.ErrBadVersion), errors.Is(err, meta.ErrOutcomeUnknown):
		won, err := e.hasWon(ctx, epoch+1, version+1)
		if err != nil || !won {
			return nil, err
		}
	default:
		return nil, err
	}
	e.o.Logger.Info("this broker is the controller", "broker_id", e.o.BrokerID, "controller_epoch", epoch+1)
	return newController(e.o, epoch+1, version+1), nil
}

// readEpoch reads the last controller's epoch. The first broker of all makes the node.
func (e *Elector) readEpoch(ctx context.Context) (epoch, version int32, err error) {
	for {
		data, stat, err := e.o.Tree.Get(ctx, znode.ControllerEpoch)
		if err == nil {
			epoch, err = znode.DecodeControllerEpoch(data)
			return epoch, stat.Version, err
		}
		if !errors.Is(err, meta.ErrNoNode) {
			return 0, 0, err
		}
		_, err = e.o.Tree.Create(ctx, znode.ControllerEpoch, znode.EncodeControllerEpoch(znode.InitialControllerEpoch), meta.Persistent)
		if err != nil && !errors.Is(err, meta.ErrNodeExists) && !errors.Is(err, meta.ErrOutcomeUnknown) {
			return 0, 0, err
		}
	}
}

// hasWon says whether a claim was made although it seems to have failed: the node is this session's, and the epoch the one that was
// claimed. Whose id the node has is not enough: an earlier life of this broker may have made it (KAFKA-13407).
func (e *Elector) hasWon(ctx context.Context, epoch, version int32) (bool, error) {
	there, stat, err := e.o.Tree.ExistsW(ctx, znode.Controller)
	if err != nil {
		return false, err
	}
	now, at, err := e.readEpoch(ctx)
	if err != nil {
		return false, err
	}
	if there && stat.EphemeralOwner == e.o.Tree.SessionID() && now == epoch && at == version {
		return true, nil
	}
	if !there || stat.EphemeralOwner == e.o.Tree.SessionID() {
		e.look() // whoever was faster is gone again, or this broker's own claim cannot be told from an earlier one
	}
	return false, nil
}

// withdraw deletes /controller if it is this broker's and nobody has become the controller since, so that the next election can
// be. It gives false when the elector is closed.
func (e *Elector) withdraw(c *Controller) bool {
	if c == nil {
		return true
	}
	_, err := e.o.Tree.Multi(e.ctx, meta.CheckOp(znode.ControllerEpoch, c.version), meta.DeleteOp(znode.Controller, meta.AnyVersion))
	switch {
	case e.ctx.Err() != nil:
		return false
	case errors.Is(err, meta.ErrSessionExpired):
		return e.untilClosed()
	case err == nil:
		// It could not go on, and may not be able to in a moment: others are first.
		return e.pause(electionRetry)
	}
	return true
}
