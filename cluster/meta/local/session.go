package local

import (
	"bytes"
	"strings"

	"go.etcd.io/bbolt"

	"klamm/cluster/meta"
)

// Session is one session on a Store; it implements [meta.Tree].
type Session struct {
	store *Store
	id    int64
	done  chan struct{} // closed under store.mu
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

// SessionID implements meta.Tree.
func (s *Session) SessionID() int64 { return s.id }

// Done implements meta.Tree.
func (s *Session) Done() <-chan struct{} { return s.done }

// Get implements meta.Tree.
func (s *Session) Get(path string) ([]byte, meta.Stat, error) {
	r, err := s.read("get", path)
	return r.data, r.stat(), err
}

// GetW implements meta.Tree.
func (s *Session) GetW(path string) ([]byte, meta.Stat, meta.Watch, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r, err := s.read("get", path)
	if err != nil {
		return nil, meta.Stat{}, nil, err
	}
	return r.data, r.stat(), s.watchLocked(s.store.data, path), nil
}

// GetAll implements meta.Tree. All answers are of the same moment.
func (s *Session) GetAll(paths []string) ([]meta.Node, error) {
	nodes := make([]meta.Node, len(paths))
	if s.ended() {
		return nil, &meta.Error{Op: "get", Path: "/", Err: meta.ErrSessionExpired}
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

// Exists implements meta.Tree.
func (s *Session) Exists(path string) (bool, meta.Stat, error) {
	r, err := s.read("exists", path)
	return present(r, err)
}

// ExistsW implements meta.Tree.
func (s *Session) ExistsW(path string) (bool, meta.Stat, meta.Watch, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r, err := s.read("exists", path)
	there, stat, err := present(r, err)
	if err != nil {
		return false, stat, nil, err
	}
	return there, stat, s.watchLocked(s.store.data, path), nil
}

// Children implements meta.Tree.
func (s *Session) Children(path string) ([]string, meta.Stat, error) {
	var names []string
	var r record
	err := s.view("children", path, func(b *bbolt.Bucket) (err error) {
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
func (s *Session) ChildrenW(path string) ([]string, meta.Stat, meta.Watch, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	names, stat, err := s.Children(path)
	if err != nil {
		return nil, stat, nil, err
	}
	return names, stat, s.watchLocked(s.store.children, path), nil
}

// Create implements meta.Tree.
func (s *Session) Create(path string, data []byte, mode meta.Mode) (string, meta.Stat, error) {
	res, err := s.one("create", meta.CreateOp(path, data, mode))
	return res.Path, res.Stat, err
}

// Set implements meta.Tree.
func (s *Session) Set(path string, data []byte, version int32) (meta.Stat, error) {
	res, err := s.one("set", meta.SetOp(path, data, version))
	return res.Stat, err
}

// Delete implements meta.Tree.
func (s *Session) Delete(path string, version int32) error {
	_, err := s.one("delete", meta.DeleteOp(path, version))
	return err
}

// Multi implements meta.Tree.
func (s *Session) Multi(ops ...meta.Op) ([]meta.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	results, failed, err := s.commit(ops)
	if err != nil {
		return nil, &meta.MultiError{Index: failed, Err: &meta.Error{Op: "multi", Path: ops[failed].Path, Err: err}}
	}
	return results, nil
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

func (s *Session) one(name string, op meta.Op) (meta.Result, error) {
	results, _, err := s.commit([]meta.Op{op})
	if err != nil {
		return meta.Result{}, &meta.Error{Op: name, Path: op.Path, Err: err}
	}
	return results[0], nil
}

func (s *Session) read(op, path string) (r record, err error) {
	err = s.view(op, path, func(b *bbolt.Bucket) (err error) {
		r, err = find(b, path)
		return err
	})
	return r, err
}

func (s *Session) view(op, path string, f func(*bbolt.Bucket) error) error {
	err := meta.CheckPath(path)
	if err == nil && s.ended() {
		err = meta.ErrSessionExpired
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
