package local

import (
	"bytes"
	"context"
	"strings"

	"go.etcd.io/bbolt"

	"klamm/cluster/meta"
	"klamm/cluster/meta/notify"
)

// Session is one session on a Store; it implements [meta.Tree]. It is never without a connection, and ends only when
// it is closed.
type Session struct {
	store *Store
	id    int64
	done  chan struct{} // closed under store.mu
	calls *notify.Queue
}

var _ meta.Tree = (*Session)(nil)

func (s *Session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// refuse gives the error of an operation that must not begin: its context or the session has ended.
func (s *Session) refuse(ctx context.Context) error {
	if s.ended() {
		return meta.ErrSessionExpired
	}
	return ctx.Err()
}

// SessionID implements meta.Tree.
func (s *Session) SessionID() int64 { return s.id }

// Done implements meta.Tree.
func (s *Session) Done() <-chan struct{} { return s.done }

// Get implements meta.Tree.
func (s *Session) Get(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	r, err := s.read(ctx, "get", path)
	return r.data, r.stat(), err
}

// GetW implements meta.Tree.
func (s *Session) GetW(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r, err := s.read(ctx, "get", path)
	if err != nil {
		return nil, meta.Stat{}, err
	}
	s.watchLocked(s.store.data, path)
	return r.data, r.stat(), nil
}

// GetAll implements meta.Tree. All answers are of the same moment.
func (s *Session) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	nodes := make([]meta.Node, len(paths))
	if err := s.refuse(ctx); err != nil {
		return nil, &meta.Error{Op: "get", Path: "/", Err: err}
	}
	err := s.store.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(nodesBucket)
		for i, path := range paths {
			r, err := find(bucket, path)
			if err != nil {
				nodes[i].Err = &meta.Error{Op: "get", Path: path, Err: err}
				continue
			}
			nodes[i] = meta.Node{Data: r.data, Stat: r.stat()}
		}
		return nil
	})
	if err != nil {
		return nil, &meta.Error{Op: "get", Path: "/", Err: err}
	}
	return nodes, nil
}

// GetAllW implements meta.Tree. All answers are of the same moment.
func (s *Session) GetAllW(ctx context.Context, paths []string) ([]meta.Node, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	nodes, err := s.GetAll(ctx, paths)
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		if nodes[i].Err == nil || isNoNode(nodes[i].Err) {
			s.watchLocked(s.store.data, path)
		}
	}
	return nodes, nil
}

// Exists implements meta.Tree.
func (s *Session) Exists(ctx context.Context, path string) (bool, meta.Stat, error) {
	r, err := s.read(ctx, "exists", path)
	return present(r, err)
}

// ExistsW implements meta.Tree.
func (s *Session) ExistsW(ctx context.Context, path string) (bool, meta.Stat, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	there, stat, err := s.Exists(ctx, path)
	if err == nil {
		s.watchLocked(s.store.data, path)
	}
	return there, stat, err
}

// Children implements meta.Tree.
func (s *Session) Children(ctx context.Context, path string) ([]string, meta.Stat, error) {
	var names []string
	var r record
	err := s.view(ctx, "children", path, func(b *bbolt.Bucket) (err error) {
		if r, err = find(b, path); err != nil {
			return err
		}
		prefix := childPrefix(path)
		names = []string{} // r.children gives it no capacity: the number may be rotten in the file
		c := b.Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			names = append(names, string(k[len(prefix):]))
		}
		return nil
	})
	if err != nil {
		return nil, meta.Stat{}, err
	}
	return names, r.stat(), nil
}

// ChildrenW implements meta.Tree.
func (s *Session) ChildrenW(ctx context.Context, path string) ([]string, meta.Stat, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	names, stat, err := s.Children(ctx, path)
	if err == nil {
		s.watchLocked(s.store.children, path)
	}
	return names, stat, err
}

// Create implements meta.Tree.
func (s *Session) Create(ctx context.Context, path string, data []byte, mode meta.Mode) (string, error) {
	res, err := s.one(ctx, "create", meta.CreateOp(path, data, mode))
	return res.Path, err
}

// Set implements meta.Tree.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (meta.Stat, error) {
	res, err := s.one(ctx, "set", meta.SetOp(path, data, version))
	return res.Stat, err
}

// Delete implements meta.Tree.
func (s *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := s.one(ctx, "delete", meta.DeleteOp(path, version))
	return err
}

// Multi implements meta.Tree.
func (s *Session) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	results, err := s.commit(ctx, [][]meta.Op{ops})
	if err != nil {
		return nil, err.multi(ops)
	}
	return results[0], nil
}

// MultiAll implements meta.Tree. It writes all transactions in one transaction of the file, since each of those waits
// for the disk. If one of them is refused, it writes each by itself.
func (s *Session) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	out := make([]meta.TxResult, len(txs))
	if results, err := s.commit(ctx, txs); err == nil {
		for i := range out {
			out[i].Results = results[i]
		}
		return out
	}
	for i, ops := range txs {
		out[i].Results, out[i].Err = s.Multi(ctx, ops...)
	}
	return out
}

// Close implements meta.Tree.
func (s *Session) Close() error {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.ended() {
		return nil
	}
	close(s.done)
	s.calls.Close()
	delete(st.sessions, s.id)
	st.dropWatchesLocked(s)
	prefix := bytesOf(s.id)
	var any bool
	var w *write
	err := st.db.View(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(ephemeralsBucket).Cursor().Seek(prefix)
		any = bytes.HasPrefix(k, prefix)
		return nil
	})
	if err == nil && any {
		err = st.update(func(tx *bbolt.Tx) error {
			w = begin(tx, st.nowMs())
			return w.removeEphemerals(prefix)
		})
	}
	if err != nil {
		return &meta.Error{Op: "close", Path: "/", Err: err}
	}
	if w != nil {
		st.fireLocked(w.fired)
	}
	return nil
}

func (s *Session) one(ctx context.Context, name string, op meta.Op) (meta.Result, error) {
	results, err := s.commit(ctx, [][]meta.Op{{op}})
	if err != nil {
		return meta.Result{}, &meta.Error{Op: name, Path: op.Path, Err: err.cause}
	}
	return results[0][0], nil
}

func (s *Session) read(ctx context.Context, op, path string) (r record, err error) {
	err = s.view(ctx, op, path, func(b *bbolt.Bucket) (err error) {
		r, err = find(b, path)
		return err
	})
	return r, err
}

func (s *Session) view(ctx context.Context, op, path string, f func(*bbolt.Bucket) error) error {
	err := meta.CheckPath(path)
	if err == nil {
		err = s.refuse(ctx)
	}
	if err == nil {
		err = s.store.db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket(nodesBucket)) })
	}
	if err != nil {
		return &meta.Error{Op: op, Path: strings.Clone(path), Err: err}
	}
	return nil
}

func find(b *bbolt.Bucket, path string) (record, error) {
	v := b.Get(nodeKey(path))
	if v == nil {
		return record{}, meta.ErrNoNode
	}
	return decodeRecord(v)
}
