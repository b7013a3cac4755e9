package zk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-zookeeper/zk"

	"klamm/cluster/meta"
)

// listing is the answer to a read of a node's children.
type listing struct {
	names []string
	stat  meta.Stat
}

// presence is the answer to whether a node exists.
type presence struct {
	there bool
	stat  meta.Stat
}

func getRequest(path string, watch bool) func(*zk.Conn) (meta.Node, error) {
	return func(c *zk.Conn) (meta.Node, error) {
		var data []byte
		var stat *zk.Stat
		var err error
		if watch {
			data, stat, _, err = c.GetW(path)
		} else {
			data, stat, err = c.Get(path)
		}
		if err != nil {
			return meta.Node{}, err
		}
		return meta.Node{Data: data, Stat: statOf(stat)}, nil
	}
}

func existsRequest(path string, watch bool) func(*zk.Conn) (presence, error) {
	return func(c *zk.Conn) (presence, error) {
		var there bool
		var stat *zk.Stat
		var err error
		if watch {
			there, stat, _, err = c.ExistsW(path)
		} else {
			there, stat, err = c.Exists(path)
		}
		if err != nil || !there {
			return presence{}, err
		}
		return presence{true, statOf(stat)}, nil
	}
}

func childrenRequest(path string, watch bool) func(*zk.Conn) (listing, error) {
	return func(c *zk.Conn) (listing, error) {
		var names []string
		var stat *zk.Stat
		var err error
		if watch {
			names, stat, _, err = c.ChildrenW(path)
		} else {
			names, stat, err = c.Children(path)
		}
		if err != nil {
			return listing{}, err
		}
		slices.Sort(names)
		return listing{names, statOf(stat)}, nil
	}
}

// statOf translates a stat. Which transaction last changed the children is left out, as the other stores do not keep it.
func statOf(s *zk.Stat) meta.Stat {
	return meta.Stat{
		Czxid: s.Czxid, Mzxid: s.Mzxid, Ctime: s.Ctime, Mtime: s.Mtime,
		Version: s.Version, ChildVersion: s.Cversion,
		EphemeralOwner: s.EphemeralOwner, NumChildren: s.NumChildren, DataLength: s.DataLength,
	}
}

// Get implements meta.Tree.
func (s *Session) Get(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	n, err := read(ctx, s, "get", path, getRequest(s.full(path), false))
	return n.Data, n.Stat, err
}

// GetW implements meta.Tree.
func (s *Session) GetW(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	n, err := watching(ctx, s, watchKey{path, false}, func(watch bool) (meta.Node, error) {
		return read(ctx, s, "get", path, getRequest(s.full(path), watch))
	})
	return n.Data, n.Stat, err
}

// Exists implements meta.Tree.
func (s *Session) Exists(ctx context.Context, path string) (bool, meta.Stat, error) {
	p, err := read(ctx, s, "exists", path, existsRequest(s.full(path), false))
	return p.there, p.stat, err
}

// ExistsW implements meta.Tree.
func (s *Session) ExistsW(ctx context.Context, path string) (bool, meta.Stat, error) {
	p, err := watching(ctx, s, watchKey{path, false}, func(watch bool) (presence, error) {
		return read(ctx, s, "exists", path, existsRequest(s.full(path), watch))
	})
	return p.there, p.stat, err
}

// Children implements meta.Tree.
func (s *Session) Children(ctx context.Context, path string) ([]string, meta.Stat, error) {
	l, err := read(ctx, s, "children", path, childrenRequest(s.full(path), false))
	return l.names, l.stat, err
}

// ChildrenW implements meta.Tree.
func (s *Session) ChildrenW(ctx context.Context, path string) ([]string, meta.Stat, error) {
	l, err := watching(ctx, s, watchKey{path, true}, func(watch bool) (listing, error) {
		return read(ctx, s, "children", path, childrenRequest(s.full(path), watch))
	})
	return l.names, l.stat, err
}

// GetAll implements meta.Tree.
func (s *Session) GetAll(ctx context.Context, paths []string) ([]meta.Node, error) {
	return s.getAll(ctx, paths, func(ctx context.Context, path string) (n meta.Node) {
		n.Data, n.Stat, n.Err = s.Get(ctx, path)
		return n
	})
}

// GetAllW implements meta.Tree.
func (s *Session) GetAllW(ctx context.Context, paths []string) ([]meta.Node, error) {
	return s.getAll(ctx, paths, func(ctx context.Context, path string) (n meta.Node) {
		n.Data, n.Stat, n.Err = s.GetW(ctx, path)
		if errors.Is(n.Err, meta.ErrNoNode) {
			there, _, err := s.ExistsW(ctx, path)
			if err != nil {
				n.Err = err
			} else if there { // made since; its watch is set
				n.Data, n.Stat, n.Err = s.Get(ctx, path)
			}
		}
		return n
	})
}

// getAll reads nodes, as many at a time as may be in flight.
func (s *Session) getAll(ctx context.Context, paths []string, get func(context.Context, string) meta.Node) ([]meta.Node, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	nodes := make([]meta.Node, len(paths))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(paths), s.store.o.MaxInFlight) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(paths) || ctx.Err() != nil {
					return
				}
				nodes[i] = get(ctx, paths[i])
				if err := nodes[i].Err; err != nil && !ofOneNode(err) {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		if _, ok := errors.AsType[*meta.Error](err); !ok {
			err = &meta.Error{Op: "get", Path: "/", Err: err}
		}
		return nil, err
	}
	return nodes, nil
}

// ofOneNode says whether an error is of one node, and the others can be read.
func ofOneNode(err error) bool {
	return errors.Is(err, meta.ErrNoNode) || errors.Is(err, meta.ErrNoAuth) || errors.Is(err, meta.ErrInvalidPath)
}
