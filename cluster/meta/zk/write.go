package zk

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"klamm/cluster/meta"
)

// full gives the path of a node at the server.
func (s *Session) full(path string) string {
	if path == "/" && s.store.o.Chroot != "" {
		return s.store.o.Chroot
	}
	return s.store.o.Chroot + path
}

// relative gives the path of a node below the chroot.
func (s *Session) relative(path string) string {
	rest := strings.TrimPrefix(path, s.store.o.Chroot)
	if rest == "" {
		return "/"
	}
	return rest
}

// acl is the access control list of a new node. The identity "auth" is whoever the server knows the session to be.
func (s *Session) acl(path string) []zk.ACL {
	if !s.store.o.SecureACL {
		return zk.WorldACL(zk.PermAll)
	}
	switch s.store.o.Access(path) {
	case Open:
		return zk.WorldACL(zk.PermAll)
	case Private:
		return zk.AuthACL(zk.PermAll)
	default:
		return append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
	}
}

// checkOps gives the first operation that must not be sent and why, or -1 and the error of the whole.
func checkOps(ops []meta.Op) (index int, err error) {
	for i := range ops {
		path := ops[i].Path
		if ops[i].Kind == meta.OpCreate && ops[i].Mode.IsSequential() {
			path += "0" // a name may be the number alone
		}
		if err := meta.CheckPath(path); err != nil {
			return i, err
		}
	}
	if meta.TransactionBytes(ops) > meta.MaxTransactionBytes {
		return -1, meta.ErrTooLarge
	}
	return -1, nil
}

// Create implements meta.Tree.
func (s *Session) Create(ctx context.Context, path string, data []byte, mode meta.Mode) (string, error) {
	op := meta.CreateOp(path, bytes.Clone(data), mode)
	got, err := one(ctx, s, "create", op, func(c *zk.Conn) (string, error) {
		return c.Create(s.full(path), op.Data, int32(mode), s.acl(path))
	})
	if err != nil {
		return "", err
	}
	return s.relative(got), nil
}

// Set implements meta.Tree.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (meta.Stat, error) {
	op := meta.SetOp(path, bytes.Clone(data), version)
	return one(ctx, s, "set", op, func(c *zk.Conn) (meta.Stat, error) {
		stat, err := c.Set(s.full(path), op.Data, version)
		if err != nil {
			return meta.Stat{}, err
		}
		return statOf(stat), nil
	})
}

// Delete implements meta.Tree.
func (s *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := one(ctx, s, "delete", meta.DeleteOp(path, version), func(c *zk.Conn) (struct{}, error) {
		return struct{}{}, c.Delete(s.full(path), version)
	})
	return err
}

// one does a write of one operation.
func one[T any](ctx context.Context, s *Session, name string, op meta.Op, request func(*zk.Conn) (T, error)) (got T, err error) {
	if _, err = checkOps([]meta.Op{op}); err == nil {
		got, err = write(ctx, s, request)
	}
	if err != nil {
		var none T
		return none, &meta.Error{Op: name, Path: op.Path, Err: err}
	}
	return got, nil
}

// Multi implements meta.Tree.
func (s *Session) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	index, err := checkOps(ops)
	if err == nil {
		requests := s.requests(ops)
		var results []meta.Result
		results, err = write(ctx, s, func(c *zk.Conn) ([]meta.Result, error) { return s.multi(c, requests) })
		if err == nil {
			return results, nil
		}
	}
	if refused, ok := errors.AsType[*refusedOp](err); ok {
		index, err = refused.index, refused.err
	}
	if index < 0 {
		return nil, &meta.Error{Op: "multi", Path: ops[0].Path, Err: err}
	}
	return nil, &meta.MultiError{Index: index, Err: &meta.Error{Op: "multi", Path: ops[index].Path, Err: err}}
}

// requests are a Multi's operations as the library takes them, with copies of the data.
func (s *Session) requests(ops []meta.Op) []any {
	requests := make([]any, len(ops))
	for i := range ops {
		op := &ops[i]
		path := s.full(op.Path)
		switch op.Kind {
		case meta.OpCreate:
			requests[i] = &zk.CreateRequest{Path: path, Data: bytes.Clone(op.Data), Acl: s.acl(op.Path), Flags: int32(op.Mode)}
		case meta.OpSet:
			requests[i] = &zk.SetDataRequest{Path: path, Data: bytes.Clone(op.Data), Version: op.Version}
		case meta.OpDelete:
			requests[i] = &zk.DeleteRequest{Path: path, Version: op.Version}
		default:
			requests[i] = &zk.CheckVersionRequest{Path: path, Version: op.Version}
		}
	}
	return requests
}

// multi does the operations of a Multi. Of those that were refused, the first result with an error is that of the
// operation to blame: those before it have none, and those after it an error without meaning.
func (s *Session) multi(c *zk.Conn, requests []any) ([]meta.Result, error) {
	answers, err := c.Multi(requests...)
	if err == nil && len(answers) != len(requests) {
		err = errors.New("the answer has another number of results")
	}
	if err != nil {
		for i := range answers {
			if answers[i].Error != nil {
				return nil, refuse(i, answers[i].Error)
			}
		}
		return nil, err
	}
	results := make([]meta.Result, len(answers))
	for i, a := range answers {
		if a.String != "" {
			results[i].Path = s.relative(a.String)
		}
		if set, ok := requests[i].(*zk.SetDataRequest); ok && a.Stat != nil {
			results[i] = meta.Result{Path: s.relative(set.Path), Stat: statOf(a.Stat)}
		}
	}
	return results, nil
}

// MultiAll implements meta.Tree.
func (s *Session) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	out := make([]meta.TxResult, len(txs))
	limit := make(chan struct{}, s.store.o.MaxInFlight)
	var all sync.WaitGroup
	for i, ops := range txs {
		limit <- struct{}{}
		all.Go(func() {
			out[i].Results, out[i].Err = s.Multi(ctx, ops...)
			<-limit
		})
	}
	all.Wait()
	return out
}

// makeChroot makes the node that stands for the root, with those above it, where they are missing.
func (s *Session) makeChroot(ctx context.Context) error {
	chroot := s.store.o.Chroot
	if chroot == "" {
		return nil
	}
	if there, _, err := s.Exists(ctx, "/"); err != nil || there {
		return err
	}
	if s.store.o.Look {
		return &meta.Error{Op: "exists", Path: chroot, Err: meta.ErrNoNode}
	}
	for i := 1; i <= len(chroot); i++ {
		if i == len(chroot) || chroot[i] == '/' {
			if err := s.makeOutside(ctx, chroot[:i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeOutside makes a node by its path at the server, if it is missing.
func (s *Session) makeOutside(ctx context.Context, path string) error {
	for {
		node, err := read(ctx, s, "exists", path, existsRequest(path, false))
		if err != nil || node.there {
			return err
		}
		_, err = write(ctx, s, func(c *zk.Conn) (string, error) { return c.Create(path, nil, 0, s.acl("/")) })
		if err != nil && !errors.Is(err, meta.ErrNodeExists) && !errors.Is(err, meta.ErrOutcomeUnknown) {
			return &meta.Error{Op: "create", Path: path, Err: err}
		}
	}
}
