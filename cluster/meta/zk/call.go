package zk

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"klamm/cluster/meta"
)

// maxCuts is how often a read is tried whose connection breaks before the answer. It may be the answer that breaks the
// connection, and then every try would.
const maxCuts = 5

// read does a request that changes nothing. It is repeated until it is answered or ctx ends.
func read[T any](ctx context.Context, s *Session, op, path string, request func(*zk.Conn) (T, error)) (got T, err error) {
	if err := meta.CheckPath(path); err != nil {
		return got, &meta.Error{Op: op, Path: path, Err: err}
	}
	for cuts := 1; ; cuts++ {
		var sent bool
		got, sent, err = attempt(ctx, s, request)
		if err == nil {
			return got, nil
		}
		if refused := refusalOf(err); refused != nil {
			err = refused
		} else if sent && ctx.Err() == nil {
			if cuts < maxCuts {
				continue
			}
			err = fmt.Errorf("no answer after %d tries: %w", cuts, err)
		}
		var none T
		return none, &meta.Error{Op: op, Path: path, Err: err}
	}
}

// write does a request that changes something, once. Its error is not an *meta.Error yet; it is a *refusedOp if the
// server refused one operation of a Multi.
func write[T any](ctx context.Context, s *Session, request func(*zk.Conn) (T, error)) (got T, err error) {
	got, sent, err := attempt(ctx, s, request)
	if _, ok := errors.AsType[*refusedOp](err); ok || err == nil || !sent {
		return got, err
	}
	if refused := refusalOf(err); refused != nil {
		return got, refused
	}
	return got, fmt.Errorf("%w: %w", meta.ErrOutcomeUnknown, err)
}

// attempt waits until requests may be sent, and has the library do one. If sent is false, the request has certainly not
// reached a server. When ctx ends the request goes on without its caller.
func attempt[T any](ctx context.Context, s *Session, request func(*zk.Conn) (T, error)) (got T, sent bool, err error) {
	type answer struct {
		got T
		err error
	}
	for {
		if err := s.pass(ctx); err != nil {
			return got, false, err
		}
		answers := make(chan answer, 1)
		go func() {
			got, err := request(s.conn)
			<-s.slots
			answers <- answer{got, err}
		}()
		select {
		case a := <-answers:
			if errors.Is(a.err, zk.ErrNoServer) {
				continue // the connection was lost before the request was sent
			}
			return a.got, true, a.err
		case <-ctx.Done():
			return got, true, ctx.Err()
		}
	}
}

// pass waits until a request may be sent, and takes a slot for it.
func (s *Session) pass(ctx context.Context) error {
	for {
		s.mu.Lock()
		up, ended := s.up, s.ended
		s.mu.Unlock()
		if ended {
			return meta.ErrSessionExpired
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case <-up:
		case <-s.done:
			continue
		case <-ctx.Done():
			continue
		}
		select {
		case s.slots <- struct{}{}:
		case <-s.done:
			continue
		case <-ctx.Done():
			continue
		}
		s.mu.Lock()
		still := s.isUpLocked() && !s.ended
		s.mu.Unlock()
		if still {
			return nil
		}
		<-s.slots
	}
}
