package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// knownWithin is how long a broker that has registered waits at most for the controller to tell it of the topics. There may be no controller,
// and a topic may be deleted meanwhile.
const knownWithin = 5 * time.Second

// knowledge is what a broker that starts has to hear of before it answers clients. Until then it would tell them that topics do not
// exist which do, and some clients give up over that.
type knowledge struct {
	done chan struct{} // closed when the broker knows enough
	end  func()        // closes done

	mu      sync.Mutex
	missing map[string]bool // guarded by mu; the topics that it has not heard of; nil before they were listed
}

func newKnowledge() *knowledge {
	done := make(chan struct{})
	return &knowledge{done: done, end: sync.OnceFunc(func() { close(done) })}
}

// Known is closed once this broker has been told of the topics that were in the tree when it started, or has waited long for that.
func (b *Broker) Known() <-chan struct{} { return b.known.done }

// listTopics reads what the broker has to hear of.
func (b *Broker) listTopics(ctx context.Context, tree meta.Tree) error {
	names, _, err := tree.Children(ctx, znode.BrokerTopics)
	if err != nil && !errors.Is(err, meta.ErrNoNode) {
		return err
	}
	deleting, _, err := tree.Children(ctx, znode.DeleteTopics)
	if err != nil && !errors.Is(err, meta.ErrNoNode) {
		return err
	}
	k := b.known
	k.mu.Lock()
	k.missing = make(map[string]bool, len(names))
	for _, name := range names {
		k.missing[name] = true
	}
	for _, name := range deleting {
		delete(k.missing, name)
	}
	k.mu.Unlock()
	return nil
}

// heard looks whether a snapshot of the cluster has the topics that were missing.
func (k *knowledge) heard(known *Metadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.missing == nil || known.ControllerID < 0 {
		return
	}
	for name := range k.missing {
		if known.Topic(name) != nil {
			delete(k.missing, name)
		}
	}
	if len(k.missing) == 0 {
		k.end()
	}
}
