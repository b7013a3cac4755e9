package mem

import (
	"bytes"
	"context"
	"errors"

	"klamm/cluster/meta"
	"klamm/cluster/meta/notify"
)

// Session is one session on a Store; it implements [meta.Tree].
type Session struct {
	store *Store
	id    int64
	done  chan struct{} // closed under store.mu
	calls *notify.Queue

	// Store.mu guards what follows.

	connected      chan struct{}   // closed while there is a connection
	data, children map[string]bool // the nodes with a watch
}

var _ meta.Tree = (*Session)(nil)

// SessionID implements meta.Tree.
func (ses *Session) SessionID() int64 { return ses.id }

// Done implements meta.Tree.
func (ses *Session) Done() <-chan struct{} { return ses.done }

func (ses *Session) ended() bool {
	select {
	case <-ses.done:
		return true
	default:
		return false
	}
}

// lock takes Store.mu once the session is connected. It gives why it did not.
func (ses *Session) lock(ctx context.Context) error {
	for {
		ses.store.mu.Lock()
		connected := ses.connected
		err := ctx.Err()
		if ses.ended() {
			err = meta.ErrSessionExpired
		}
		if err == nil && ses.isConnectedLocked() {
			return nil
		}
		ses.store.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-connected:
		case <-ses.done:
		case <-ctx.Done():
		}
	}
}

// read reads a node; f sees it, nil if there is none, while nothing changes.
func (ses *Session) read(ctx context.Context, op, path string, f func(*node) error) error {
	err := meta.CheckPath(path)
	if err == nil {
		err = ses.lock(ctx)
	}
	if err == nil {
		err = f(ses.store.nodes[path])
		ses.store.mu.Unlock()
	}
	if err != nil {
		return &meta.Error{Op: op, Path: path, Err: err}
	}
	return nil
}

func (ses *Session) get(ctx context.Context, path string, watch bool) (data []byte, stat meta.Stat, err error) {
	err = ses.read(ctx, "get", path, func(n *node) error {
		if n == nil {
			return meta.ErrNoNode
		}
		data, stat = bytes.Clone(n.data), n.fullStat()
		if watch {
			ses.data[path] = true
		}
		return nil
	})
	return data, stat, err
}

// Get implements meta.Tree.
func (ses *Session) Get(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	return ses.get(ctx, path, false)
}

// GetW implements meta.Tree.
func (ses *Session) GetW(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	return ses.get(ctx, path, true)
}

func (ses *Session) getAll(ctx context.Context, paths []string, watch bool) ([]meta.Node, error) {
	nodes := make([]meta.Node, len(paths))
	for i, path := range paths {
		n := &nodes[i]
		n.Data, n.Stat, n.Err = ses.get(ctx, path, watch)
		if watch && errors.Is(n.Err, meta.ErrNoNode) {
			var there bool
			if there, _, _ = ses.exists(ctx, path, true); there {
				n.Data, n.Stat, n.Err = ses.get(ctx, path, true)
			}
		}
		if n.Err != nil && !errors.Is(n.Err, meta.ErrNoNode) && !errors.Is(n.Err, meta.ErrInvalidPath) {
			return nil, n.Err
		}
	}
	return nodes, nil
}

// GetAll implements meta.Tree.
func (ses *Session) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	return ses.getAll(ctx, paths, false)
}

// GetAllW implements meta.Tree.
func (ses *Session) GetAllW(ctx context.Context, paths []string) ([]meta.Node, error) {
	return ses.getAll(ctx, paths, true)
}

func (ses *Session) exists(ctx context.Context, path string, watch bool) (there bool, stat meta.Stat, err error) {
	err = ses.read(ctx, "exists", path, func(n *node) error {
		if there = n != nil; there {
			stat = n.fullStat()
		}
		if watch {
			ses.data[path] = true
		}
		return nil
	})
	return there, stat, err
}

// Exists implements meta.Tree.
func (ses *Session) Exists(ctx context.Context, path string) (bool, meta.Stat, error) {
	return ses.exists(ctx, path, false)
}

// ExistsW implements meta.Tree.
func (ses *Session) ExistsW(ctx context.Context, path string) (bool, meta.Stat, error) {
	return ses.exists(ctx, path, true)
}

func (ses *Session) list(ctx context.Context, path string, watch bool) (names []string, stat meta.Stat, err error) {
	err = ses.read(ctx, "children", path, func(n *node) error {
		if n == nil {
			return meta.ErrNoNode
		}
		names, stat = n.names(), n.fullStat()
		if watch {
			ses.children[path] = true
		}
		return nil
	})
	return names, stat, err
}

// Children implements meta.Tree.
func (ses *Session) Children(ctx context.Context, path string) ([]string, meta.Stat, error) {
	return ses.list(ctx, path, false)
}

// ChildrenW implements meta.Tree.
func (ses *Session) ChildrenW(ctx context.Context, path string) ([]string, meta.Stat, error) {
	return ses.list(ctx, path, true)
}

// write does a transaction. index is -1 if the error is of the whole.
func (ses *Session) write(ctx context.Context, ops []meta.Op) (results []meta.Result, index int, err error) {
	if meta.TransactionBytes(ops) > meta.MaxTransactionBytes {
		return nil, -1, meta.ErrTooLarge
	}
	if err := ses.lock(ctx); err != nil {
		return nil, -1, err
	}
	defer ses.store.mu.Unlock()
	l, lost := ses.store.takeLossLocked(ops)
	if lost {
		ses.disconnectLocked()
	}
	if !lost || l.applied {
		results, index, err = ses.store.commitLocked(ses.id, ops)
	}
	if lost {
		ses.reconnectLocked()
		return nil, -1, meta.ErrOutcomeUnknown
	}
	return results, index, err
}

func (ses *Session) one(ctx context.Context, name string, op meta.Op) (meta.Result, error) {
	results, _, err := ses.write(ctx, []meta.Op{op})
	if err != nil {
		return meta.Result{}, &meta.Error{Op: name, Path: op.Path, Err: err}
	}
	return results[0], nil
}

// Create implements meta.Tree.
func (ses *Session) Create(ctx context.Context, path string, data []byte, mode meta.Mode) (string, error) {
	res, err := ses.one(ctx, "create", meta.CreateOp(path, data, mode))
	return res.Path, err
}

// Set implements meta.Tree.
func (ses *Session) Set(ctx context.Context, path string, data []byte, version int32) (meta.Stat, error) {
	res, err := ses.one(ctx, "set", meta.SetOp(path, data, version))
	return res.Stat, err
}

// Delete implements meta.Tree.
func (ses *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := ses.one(ctx, "delete", meta.DeleteOp(path, version))
	return err
}

// Multi implements meta.Tree.
func (ses *Session) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	results, index, err := ses.write(ctx, ops)
	if err == nil {
		return results, nil
	}
	if index < 0 {
		return nil, &meta.Error{Op: "multi", Path: ops[0].Path, Err: err}
	}
	return nil, &meta.MultiError{Index: index, Err: &meta.Error{Op: "multi", Path: ops[index].Path, Err: err}}
}

// MultiAll implements meta.Tree.
func (ses *Session) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	out := make([]meta.TxResult, len(txs))
	for i, ops := range txs {
		out[i].Results, out[i].Err = ses.Multi(ctx, ops...)
	}
	return out
}

// Close implements meta.Tree.
func (ses *Session) Close() error {
	ses.store.mu.Lock()
	defer ses.store.mu.Unlock()
	if !ses.ended() {
		close(ses.done)
		ses.calls.Close()
		ses.store.endLocked(ses)
	}
	return nil
}
