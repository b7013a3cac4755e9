package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"klamm/cluster/meta"
)

// A change of a configuration that ZooKeeper did not answer in time was told to the client as an unknown error of the server.
func TestChangeThatTakesTooLongIsTimedOut(t *testing.T) {
	b := &Broker{quit: context.Background()}
	b.o.After = func(_ time.Duration, f func()) func() bool {
		f()
		return func() bool { return false }
	}
	ctx, cancel := b.within(t.Context(), time.Second)
	defer cancel()
	for _, err := range []error{ctx.Err(), &meta.Error{Op: "getAll", Path: "/config", Err: context.Cause(ctx)}} {
		if got := alterError(ctx, err); !errors.Is(got, ErrTimedOut) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	if got := alterError(ctx, meta.ErrNoNode); got != meta.ErrNoNode {
		t.Errorf("an answer of the tree becomes %v", got)
	}
}
