package controller

import (
	"context"
	"errors"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/internal/await"
)

// TestOfficeIsTakenOverFromAControllerThatLives: it seems to be dead, and is not. It loses the office all the same, and changes nothing any more.
func TestOfficeIsTakenOverFromAControllerThatLives(t *testing.T) {
	c := newCluster(t)
	one, two := c.start(1), c.start(2)
	c.seen(2)
	if res := one.create(t, "t", []int32{1, 2}); res.Err != nil {
		t.Fatal(res.Err)
	}
	was := one.Controller()
	two.TakeOver(1, one.epoch, func() bool { return true })
	await.Until(t, "the office is taken over", func() bool { return two.IsActive() && !one.IsActive() })
	if epoch := two.Controller().Epoch(); epoch != 2 {
		t.Errorf("epoch %d", epoch)
	}
	if err := was.Do(t.Context(), &CreateTopics{Topics: []NewTopic{{Name: "u", Partitions: 1, ReplicationFactor: 1}}}); !errors.Is(err, order.ErrNotController) {
		t.Errorf("the controller of before answers %v", err)
	}
	if res := two.create(t, "u", []int32{2, 1}); res.Err != nil {
		t.Error(res.Err)
	}
}

// TestTakeoverWhoseAnswerIsLost: it was not tried again, now or later, whether it had been made or not.
func TestTakeoverWhoseAnswerIsLost(t *testing.T) {
	readFails := func(c *cluster, m *member) {
		m.o.Tree = &failingGet{Tree: m.o.Tree}
	}
	lose := func(applied bool) func(*cluster, *member) {
		return func(c *cluster, _ *member) {
			c.store.LoseAnswer(func(op meta.Op) bool { return op.Path == znode.ControllerEpoch }, applied)
		}
	}
	for name, fails := range map[string]func(*cluster, *member){"made": lose(true), "not made": lose(false), "not read": readFails} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			one, two := c.start(1), c.join(2, nil)
			if early := two.takenOver(attempt{takeover{1, one.epoch + 1}, func() bool { return true }}); early != nil {
				t.Fatal("the office was taken over from another registration")
			}
			fails(c, two)
			done := make(chan *Controller, 1)
			go func() { done <- two.takenOver(attempt{takeover{1, one.epoch}, func() bool { return true }}) }()
			var got *Controller
			await.Until(t, "the takeover ends", func() bool {
				if c.clock.pending(takeOverRetry) {
					c.clock.pass(takeOverRetry)
				}
				select {
				case got = <-done:
					return true
				default:
					return false
				}
			})
			if got == nil || got.Epoch() != 2 {
				t.Fatalf("the takeover gives %+v", got)
			}
			// Of one registration the office is taken over once.
			if _, err := two.tree.Multi(t.Context(), meta.DeleteOp(znode.Controller, meta.AnyVersion)); err != nil {
				t.Fatal(err)
			}
			if _, err := one.tree.Create(t.Context(), znode.Controller, znode.EncodeController(1, 0), meta.Ephemeral); err != nil && !errors.Is(err, meta.ErrNodeExists) {
				t.Fatal(err)
			}
			if again := two.takenOver(attempt{takeover{1, one.epoch}, func() bool { return true }}); again != nil {
				t.Error("the office was taken over twice")
			}
		})
	}
}

// failingGet fails the first Get.
type failingGet struct {
	meta.Tree
	failed bool
}

func (f *failingGet) Get(ctx context.Context, path string) ([]byte, meta.Stat, error) {
	if !f.failed {
		f.failed = true
		return nil, meta.Stat{}, errors.New("not enough memory")
	}
	return f.Tree.Get(ctx, path)
}
