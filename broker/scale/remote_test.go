package scale

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster/meta"
)

// remote is a session whose requests take a round trip, and of which so many are on their way at a time as zookeeper.max.in.flight.requests
// says. It does many reads and many transactions as the session with ZooKeeper does (package zk).
type remote struct {
	meta.Tree
	trip  time.Duration
	slots chan struct{}
}

func newRemote(tree meta.Tree) *remote {
	return &remote{tree, *roundTrip, make(chan struct{}, *inFlight)}
}

// travel waits for a slot and a round trip.
func (r *remote) travel() {
	r.slots <- struct{}{}
	time.Sleep(r.trip)
	<-r.slots
}

func (r *remote) Get(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	r.travel()
	return r.Tree.Get(ctx, path)
}

func (r *remote) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	return r.each(ctx, paths, r.Tree.GetAll)
}

func (r *remote) GetAllW(ctx context.Context, paths []string) ([]meta.Node, error) {
	return r.each(ctx, paths, r.Tree.GetAllW)
}

// each reads nodes, one a round trip, as many at a time as may be in flight.
func (r *remote) each(ctx context.Context, paths []string, get func(context.Context, []string) ([]meta.Node, error)) ([]meta.Node, error) {
	nodes, errs := make([]meta.Node, len(paths)), make([]error, *inFlight)
	var next atomic.Int64
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(paths) && errs[w] == nil; i = int(next.Add(1)) - 1 {
				r.travel()
				var one []meta.Node
				if one, errs[w] = get(ctx, paths[i:i+1]); errs[w] == nil {
					nodes[i] = one[0]
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

func (r *remote) ChildrenW(ctx context.Context, path string) ([]string, meta.Stat, error) {
	r.travel()
	return r.Tree.ChildrenW(ctx, path)
}

func (r *remote) ExistsW(ctx context.Context, path string) (bool, meta.Stat, error) {
	r.travel()
	return r.Tree.ExistsW(ctx, path)
}

func (r *remote) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	r.travel()
	return r.Tree.Multi(ctx, ops...)
}

func (r *remote) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	out := make([]meta.TxResult, len(txs))
	var all sync.WaitGroup
	for i, ops := range txs {
		all.Go(func() { out[i].Results, out[i].Err = r.Multi(ctx, ops...) })
	}
	all.Wait()
	return out
}
