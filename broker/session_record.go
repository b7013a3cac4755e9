package broker

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// sessionEnder is a store whose sessions outlive a process that is killed. Its sessions have a password.
type sessionEnder interface {
	meta.Store
	// EndSession ends a session by its number and password. One that has ended is no error. It tries until ctx ends.
	EndSession(ctx context.Context, session int64, password []byte) error
}

// recordedStore writes each session into a file before the session has any node. A process that was killed leaves a session, and
// with it a registration, which would keep the broker's next process out for zookeeper.session.timeout.ms: that process ends
// the session of its predecessor. It holds the lock of the log directory then, so that the predecessor does not run.
//
// In a copy of the directory the file says nothing, since the broker on the original may run. So the file names the boot of the machine,
// the device and the inode that the directory has: another directory can have all three only after this one was unmounted, and
// machines that are copies of one another differ in their boots. And a session is ended only if it has registered this broker's id
// with this broker's addresses, whose ports this process has bound.
//
// A file that cannot be read or written costs that wait alone, so it keeps no broker from its session.
type recordedStore struct {
	sessionEnder
	file      string
	brokerID  int32
	endpoints []cluster.Endpoint
	logger    *slog.Logger
	began     atomic.Bool // the predecessor's session was seen to
}

// sessionRecord is what the file has. Whoever knows the password may use the session, so that only the broker's user may
// read the file.
type sessionRecord struct {
	ID       int64  `json:"session"`
	Password []byte `json:"password"`
	place
}

// place is where the log directory is.
type place struct {
	Boot   string `json:"boot"` // the id that Linux draws when it boots
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// Open implements meta.Store.
func (s *recordedStore) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	tree, err := s.sessionEnder.Open(ctx, w)
	if err != nil {
		return nil, err
	}
	if !s.began.Swap(true) {
		if err := s.endFormer(ctx, tree); err != nil {
			return nil, errors.Join(err, tree.Close())
		}
	}
	if err := s.write(tree); err != nil {
		s.logger.Warn("the session with the metadata tree cannot be recorded; if this process is killed, the next start waits until the session ends",
			"error", err)
	}
	return tree, nil
}

// endFormer ends the session of the process before, if that has registered this broker.
func (s *recordedStore) endFormer(ctx context.Context, tree meta.Tree) error {
	former := s.read()
	if former == nil {
		return nil
	}
	data, stat, err := tree.Get(ctx, znode.BrokerPath(s.brokerID))
	if errors.Is(err, meta.ErrNoNode) || err == nil && stat.EphemeralOwner != former.ID {
		return nil
	}
	if err != nil {
		return err
	}
	registered, err := znode.DecodeBroker(s.brokerID, data)
	if err != nil || !slices.Equal(registered.Endpoints, s.endpoints) {
		s.logger.Info("the former session with the metadata tree is left alone: it has not registered this broker's addresses", "broker_id", s.brokerID)
		return nil
	}
	return s.EndSession(ctx, former.ID, former.Password)
}

// read returns the record of the process before, nil if there is none that can be used.
func (s *recordedStore) read() *sessionRecord {
	data, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var former sessionRecord
	if err == nil {
		err = json.Unmarshal(data, &former)
	}
	var here place
	if err == nil {
		here, err = placeOf(filepath.Dir(s.file))
	}
	if err != nil {
		s.logger.Warn("the record of the former session with the metadata tree cannot be read", "path", s.file, "error", err)
		return nil
	}
	if here != former.place {
		return nil
	}
	return &former
}

// write replaces the file. It is not synced: after a power cut the session expires as any other.
func (s *recordedStore) write(tree meta.Tree) error {
	now := sessionRecord{ID: tree.SessionID(), Password: tree.(interface{ Password() []byte }).Password()}
	var err error
	if now.place, err = placeOf(filepath.Dir(s.file)); err != nil {
		return err
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	temporary := s.file + ".tmp"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, s.file)
}

// bootID is the file that has the id of the machine's boot.
const bootID = "/proc/sys/kernel/random/boot_id"

// placeOf returns where a directory is.
func placeOf(dir string) (place, error) {
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return place{}, err
	}
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return place{}, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	return place{Boot: strings.TrimSpace(string(boot)), Device: uint64(stat.Dev), Inode: stat.Ino}, nil
}
