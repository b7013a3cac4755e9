package controller

import (
	"context"
	"errors"

	"klamm/cluster/meta"
)

// perform reads and writes what a decision asks for, on another goroutine, and waits. It gives nil when the session or the
// controller has ended.
func (c *Controller) perform(d *Decision) *Performed {
	answer := make(chan *Performed, 1)
	c.working.Go(func() { answer <- perform(c.ctx, &c.o, d) })
	select {
	case p := <-answer:
		return p
	case <-c.ctx.Done():
		return nil
	}
}

func perform(ctx context.Context, o *Options, d *Decision) *Performed {
	p := &Performed{Reads: make([]ReadResult, len(d.Reads)), Writes: make([]TxOutcome, len(d.Txs))}
	for i := range d.Reads {
		p.Reads[i] = read(ctx, o.Tree, &d.Reads[i])
	}
	if len(d.Txs) > 0 {
		write(ctx, o, d.Txs, p.Writes)
	}
	for i := range p.Reads {
		if hasEnded(ctx, p.Reads[i].Err) {
			return nil
		}
	}
	for i := range p.Writes {
		if hasEnded(ctx, p.Writes[i].Err) || hasEnded(ctx, p.Writes[i].LookErr) {
			return nil
		}
	}
	return p
}

// hasEnded says whether an error is of a session that has ended. Another controller decides then.
func hasEnded(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, meta.ErrSessionExpired))
}

func read(ctx context.Context, tree meta.Tree, r *Read) (result ReadResult) {
	switch {
	case r.Children != "":
		result.Names, _, result.Err = tree.ChildrenW(ctx, r.Children)
		if errors.Is(result.Err, meta.ErrNoNode) {
			result.Err = nil
		}
	case r.Watch:
		result.Nodes, result.Err = tree.GetAllW(ctx, r.Nodes)
	default:
		result.Nodes, result.Err = tree.GetAll(ctx, r.Nodes)
	}
	return result
}

// write does the transactions. It looks at the nodes of those that failed.
func write(ctx context.Context, o *Options, txs []Tx, outcomes []TxOutcome) {
	list := make([][]meta.Op, len(txs))
	configs := false
	for i := range txs {
		list[i] = txs[i].Ops
		configs = configs || txs[i].Configs
	}
	if configs && o.ConfigLock != nil {
		// Whoever changes the configuration of a topic holds this from when it is read until it is written: it must not be
		// written to a topic of the same name that was created in between.
		o.ConfigLock.Lock()
		defer o.ConfigLock.Unlock()
	}
	for i, result := range o.Tree.MultiAll(ctx, list) {
		outcomes[i].Err = result.Err
		if result.Err != nil && !succeeded(result.Err) {
			outcomes[i].Nodes, outcomes[i].LookErr = o.Tree.GetAll(ctx, txs[i].Look)
		}
	}
}
