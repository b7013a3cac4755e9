package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"klamm/cluster/meta"
)

// write is one transaction's work: what it changes in the file and which watches that fires.
type write struct {
	nodes, ephemerals, counters *bbolt.Bucket

	zxid    int64
	nowMs   int64
	session int64
	fired   []fired
}

// fired is a watch event that waits for its transaction to be on the disk.
type fired struct {
	event    meta.Event
	children bool // whether watches on children get it; otherwise watches on data do. NodeDeleted goes to both
}

// begin takes the next transaction number.
func begin(tx *bbolt.Tx, nowMs int64) *write {
	w := &write{
		nodes: tx.Bucket(nodesBucket), ephemerals: tx.Bucket(ephemeralsBucket), counters: tx.Bucket(countersBucket),
		nowMs: nowMs,
	}
	w.zxid = number(w.counters.Get(zxidKey)) + 1
	return w
}

// refusal says why transactions were not done.
type refusal struct {
	index int // of the operation that was refused, in its transaction; -1 if no operation was
	cause error
}

// multi gives the error of a Multi.
func (r *refusal) multi(ops []meta.Op) error {
	if r.index < 0 {
		return &meta.Error{Op: "multi", Path: ops[0].Path, Err: r.cause}
	}
	return &meta.MultiError{Index: r.index, Err: &meta.Error{Op: "multi", Path: ops[r.index].Path, Err: r.cause}}
}

// commit does a session's transactions, in one transaction of the file, and fires their watches once that is on the
// disk. It does all of them or none.
func (s *Session) commit(ctx context.Context, txs [][]meta.Op) (results [][]meta.Result, refused *refusal) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if err := s.refuse(ctx); err != nil {
		return nil, &refusal{-1, err}
	}
	var fired []fired
	failed := -1
	err := s.store.update(func(tx *bbolt.Tx) error {
		w := begin(tx, s.store.nowMs())
		w.session = s.id
		results = make([][]meta.Result, len(txs))
		for n, ops := range txs {
			results[n] = make([]meta.Result, len(ops))
			for i, op := range ops {
				var err error
				if results[n][i], err = w.do(op); err != nil {
					failed = i
					return err
				}
			}
			w.zxid++
		}
		fired = w.fired
		return w.counters.Put(zxidKey, bytesOf(w.zxid-1))
	})
	if err != nil {
		return nil, &refusal{failed, err}
	}
	s.store.fireLocked(fired)
	return results, nil
}

func (w *write) do(op meta.Op) (meta.Result, error) {
	if err := meta.CheckPath(op.Path); err != nil && !op.Mode.IsSequential() {
		return meta.Result{}, err
	}
	switch op.Kind {
	case meta.OpCreate:
		return w.create(op)
	case meta.OpSet:
		return w.set(op)
	case meta.OpDelete:
		return meta.Result{}, w.delete(op.Path, op.Version)
	case meta.OpCheck:
		_, err := w.at(op.Path, op.Version)
		return meta.Result{}, err
	}
	return meta.Result{}, fmt.Errorf("unknown operation %d", op.Kind)
}

// get reads a node. The error is ErrNoNode if it is not there.
func (w *write) get(path string) (record, error) {
	b := w.nodes.Get(nodeKey(path))
	if b == nil {
		return record{}, meta.ErrNoNode
	}
	return decodeRecord(b)
}

// at reads a node that must be at a version. The error is ErrNoNode or ErrBadVersion.
func (w *write) at(path string, version int32) (record, error) {
	r, err := w.get(path)
	if err == nil && version != meta.AnyVersion && version != r.version {
		err = meta.ErrBadVersion
	}
	return r, err
}

func (w *write) create(op meta.Op) (meta.Result, error) {
	path := op.Path
	parentPath, _ := meta.Split(path)
	if path == "/" {
		return meta.Result{}, meta.ErrNodeExists
	}
	parent, err := w.get(parentPath)
	if err != nil {
		return meta.Result{}, err
	}
	if op.Mode.IsSequential() {
		path += fmt.Sprintf("%010d", parent.made)
		if err := meta.CheckPath(path); err != nil {
			return meta.Result{}, err
		}
	}
	key := nodeKey(path)
	if w.nodes.Get(key) != nil {
		return meta.Result{}, meta.ErrNodeExists
	}
	if parent.owner != 0 {
		return meta.Result{}, meta.ErrNoChildrenForEphemerals
	}
	parent.made++
	parent.children++
	r := record{czxid: w.zxid, mzxid: w.zxid, ctime: w.nowMs, mtime: w.nowMs, data: op.Data}
	if op.Mode.IsEphemeral() {
		r.owner = w.session
		if err := w.ephemerals.Put(ephemeralKey(r.owner, path), nil); err != nil {
			return meta.Result{}, err
		}
	}
	if err := w.nodes.Put(nodeKey(parentPath), parent.encode()); err != nil {
		return meta.Result{}, err
	}
	if err := w.nodes.Put(key, r.encode()); err != nil {
		return meta.Result{}, err
	}
	w.fire(meta.NodeCreated, path, false)
	w.fire(meta.NodeChildrenChanged, parentPath, true)
	return meta.Result{Path: path}, nil
}

func (w *write) set(op meta.Op) (meta.Result, error) {
	r, err := w.at(op.Path, op.Version)
	if err != nil {
		return meta.Result{}, err
	}
	r.version++
	r.mzxid, r.mtime, r.data = w.zxid, w.nowMs, op.Data
	if err := w.nodes.Put(nodeKey(op.Path), r.encode()); err != nil {
		return meta.Result{}, err
	}
	w.fire(meta.NodeDataChanged, op.Path, false)
	return meta.Result{Path: op.Path, Stat: r.stat()}, nil
}

func (w *write) delete(path string, version int32) error {
	if path == "/" {
		return meta.ErrInvalidPath
	}
	r, err := w.at(path, version)
	if err != nil {
		return err
	}
	if r.children > 0 {
		return meta.ErrNotEmpty
	}
	parentPath, _ := meta.Split(path)
	parent, err := w.get(parentPath)
	if err != nil {
		return err
	}
	parent.children--
	if err := w.nodes.Put(nodeKey(parentPath), parent.encode()); err != nil {
		return err
	}
	if r.owner != 0 {
		if err := w.ephemerals.Delete(ephemeralKey(r.owner, path)); err != nil {
			return err
		}
	}
	if err := w.nodes.Delete(nodeKey(path)); err != nil {
		return err
	}
	w.fire(meta.NodeDeleted, path, false) // and watches on its children
	w.fire(meta.NodeChildrenChanged, parentPath, true)
	return nil
}

// removeEphemerals deletes the ephemeral nodes of the session whose id is prefix. An empty prefix means all
// sessions.
func (w *write) removeEphemerals(prefix []byte) error {
	var paths []string
	c := w.ephemerals.Cursor()
	for k, _ := c.Seek(prefix); len(k) > 8 && slices.Equal(k[:len(prefix)], prefix); k, _ = c.Next() {
		paths = append(paths, string(k[8:]))
	}
	for _, path := range paths {
		if err := w.delete(path, meta.AnyVersion); err != nil {
			return fmt.Errorf("remove ephemeral %s: %w", path, err)
		}
	}
	return w.counters.Put(zxidKey, bytesOf(w.zxid))
}

func (w *write) fire(t meta.EventType, path string, children bool) {
	w.fired = append(w.fired, fired{meta.Event{Type: t, Path: path}, children})
}

func ephemeralKey(owner int64, path string) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(path)), uint64(owner)), path...)
}
