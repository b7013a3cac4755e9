package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// sessionName writes a session's id as ZooKeeper's tools do.
func sessionName(id int64) string { return "0x" + strconv.FormatInt(id, 16) }

// RegisteredError says that another process has registered the broker's id, or listens on its address.
type RegisteredError struct {
	BrokerID int32
	// Session is the one that the registration belongs to.
	Session int64
	// Endpoint is the address that both have, "" where they share the id.
	Endpoint string
}

// Error says what is taken, and by whom.
func (e *RegisteredError) Error() string {
	if e.Endpoint != "" {
		return fmt.Sprintf("broker %d is registered with the address %s; every broker needs an address of its own (advertised.listeners)",
			e.BrokerID, e.Endpoint)
	}
	return fmt.Sprintf("another process is registered as broker %d, by session %s; every broker needs an id of its own (broker.id)",
		e.BrokerID, sessionName(e.Session))
}

// register makes this broker's node, which lives as long as the session (KafkaZkClient.registerBroker, CheckedEphemeral). The node of
// an earlier session of this process is replaced. The error is a
// *RegisteredError if the node belongs to somebody else.
func (b *Broker) register(ctx context.Context, tree meta.Tree) error {
	info := znode.Broker{Endpoints: b.o.Endpoints, Rack: b.o.Rack, JMXPort: -1, TimestampMs: b.o.Clock().UnixMilli()}
	path := znode.BrokerPath(b.o.BrokerID)
	for {
		// The set gives the node's czxid, which a create does not give: it is this broker's epoch.
		results, err := tree.Multi(ctx, meta.CreateOp(path, nil, meta.Ephemeral), meta.SetOp(path, info.Encode(), 0))
		if err == nil {
			b.registered(tree.SessionID(), results[1].Stat.Czxid)
			return nil
		}
		if !errors.Is(err, meta.ErrNodeExists) && !errors.Is(err, meta.ErrOutcomeUnknown) {
			return err
		}
		there, stat, err := tree.Exists(ctx, path)
		switch owner := stat.EphemeralOwner; {
		case err != nil:
			return err
		case !there: // it went meanwhile
		case owner == tree.SessionID(): // the answer was lost
			b.registered(owner, stat.Czxid)
			return nil
		case b.isFormer(owner):
			if err := tree.Delete(ctx, path, meta.AnyVersion); err != nil && !errors.Is(err, meta.ErrNoNode) && !errors.Is(err, meta.ErrOutcomeUnknown) {
				return err
			}
		default:
			return &RegisteredError{BrokerID: b.o.BrokerID, Session: owner}
		}
	}
}

// registered notes the broker's epoch.
func (b *Broker) registered(session, epoch int64) {
	b.mu.Lock()
	if !slices.Contains(b.former, session) {
		b.former = append(b.former, session)
	}
	b.mu.Unlock()
	b.epoch.Store(epoch)
}

// isFormer says whether a session was one of this process that registered the broker.
func (b *Broker) isFormer(session int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.former, session)
}

// registerAtStart registers, and waits where the node belongs to another session: that may be the one of the process that had this
// id before, of which nothing is known, and which ends within its time-out. It waits for two time-outs at most.
func (b *Broker) registerAtStart(ctx context.Context, tree meta.Tree) error {
	waiting := false
	limit, cancel := context.WithCancel(ctx)
	defer cancel()
	defer b.o.After(2*b.o.SessionTimeout, cancel)()
	for {
		err := b.register(ctx, tree)
		taken := new(RegisteredError)
		if !errors.As(err, &taken) {
			return err
		}
		if !waiting {
			waiting = true
			b.o.Logger.Warn("the broker's id is registered by another session; the start waits until that ends",
				"broker_id", b.o.BrokerID, "session", sessionName(taken.Session), "at_most_ms", 2*b.o.SessionTimeout.Milliseconds())
		}
		if wait := b.wait(limit, registerRetry); wait != nil {
			return err
		}
	}
}

// registerRetry is how long a broker waits whose id is taken before it looks again.
const registerRetry = 200 * time.Millisecond

// wait waits for a time. The error is that of ctx, if it ended before.
func (b *Broker) wait(ctx context.Context, d time.Duration) error {
	over := make(chan struct{})
	defer b.o.After(d, func() { close(over) })()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errTimeOver is the cause of the end of a context that [Broker.within] made, if its time was over.
var errTimeOver = errors.New("the time is over")

// within is ctx, but ends when a time is over or the broker closes.
func (b *Broker) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	over := b.o.After(d, func() { cancel(errTimeOver) })
	closed := context.AfterFunc(b.quit, func() { cancel(context.Canceled) })
	return ctx, func() {
		over()
		closed()
		cancel(context.Canceled)
	}
}

// checkAddresses refuses an address that another live broker has registered (KafkaServer.createBrokerInfo): clients could not tell
// the two apart.
func (b *Broker) checkAddresses(ctx context.Context, tree meta.Tree) error {
	names, _, err := tree.Children(ctx, znode.BrokerIDs)
	if err != nil {
		return err
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = znode.BrokerIDs + "/" + name
	}
	nodes, err := tree.GetAll(ctx, paths)
	if err != nil {
		return err
	}
	for i, node := range nodes {
		id, err := strconv.ParseInt(names[i], 10, 32)
		if err != nil || int32(id) == b.o.BrokerID || node.Err != nil {
			continue
		}
		other, err := znode.DecodeBroker(int32(id), node.Data)
		if err != nil {
			b.o.Logger.Warn("a broker's registration cannot be read", "error", err)
			continue
		}
		for _, e := range other.Endpoints {
			for _, own := range b.o.Endpoints {
				if e.Host == own.Host && e.Port == own.Port {
					return &RegisteredError{BrokerID: int32(id), Session: node.Stat.EphemeralOwner, Endpoint: e.String()}
				}
			}
		}
	}
	return nil
}
