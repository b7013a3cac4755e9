package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/meta/zk"
)

// awayZooKeeper is a ZooKeeper that cannot be reached.
func awayZooKeeper(t *testing.T) ZooKeeper {
	return ZooKeeper{
		Options: zk.Options{
			Servers: []string{"zk:2181"}, Logger: slog.New(slog.DiscardHandler),
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") },
		},
		ConnectTimeout: 7 * time.Second,
		SessionFile:    filepath.Join(t.TempDir(), sessionFile),
	}
}

// TestStartWithoutZooKeeperEnds: the session of the start was waited for as long as ZooKeeper was away.
func TestStartWithoutZooKeeperEnds(t *testing.T) {
	for name, open := range map[string]func(context.Context, ZooKeeper) error{
		"peek": func(ctx context.Context, z ZooKeeper) error {
			_, err := z.Peek(ctx, "/")
			return err
		},
		"open": func(ctx context.Context, z ZooKeeper) error {
			store, err := z.Open(nil)
			if err != nil {
				return err
			}
			defer store.Close()
			_, err = store.Open(ctx, meta.Watcher{})
			return err
		},
		"recorded": func(ctx context.Context, z ZooKeeper) error {
			store, err := z.Open(nil)
			if err != nil {
				return err
			}
			defer store.Close()
			_, err = z.Record(store, 1, nil).Open(ctx, meta.Watcher{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				err := open(ctx, awayZooKeeper(t))
				if err == nil || !strings.Contains(err.Error(), "zookeeper.connection.timeout.ms (7000) is over") || !strings.Contains(err.Error(), "no route") {
					t.Errorf("the start ended with %v", err)
				}
				if took := time.Since(began); took < 7*time.Second || took >= 10*time.Second { // closing the session takes a second
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestNextSessionIsWaitedFor: a broker that runs gives ZooKeeper all the time that it takes.
func TestNextSessionIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		s := &impatientStore{Store: slowStore{mem.New(mem.Options{}), &slow}, timeout: time.Second}
		if _, err := s.Open(t.Context(), meta.Watcher{}); err != nil {
			t.Fatal(err)
		}
		slow.Store(true)
		if _, err := s.Open(t.Context(), meta.Watcher{}); err != nil {
			t.Error(err)
		}
		slow.Store(true)
		fresh := &impatientStore{Store: s.Store, timeout: time.Second}
		if _, err := fresh.Open(t.Context(), meta.Watcher{}); err == nil {
			t.Errorf("the first session: %v", err)
		}
	})
}

// slowStore takes an hour for a session, if slow is set.
type slowStore struct {
	meta.Store
	slow *atomic.Bool
}

func (s slowStore) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	if s.slow.Load() {
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Store.Open(ctx, w)
}
