package zk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"klamm/cluster/meta"
)

// byName gives access by the name of a node.
func byName(path string) Access {
	switch {
	case strings.HasPrefix(path, "/private"):
		return Private
	case path == "/open":
		return Open
	}
	return Readable
}

// acls are the access control list of a node, as text.
func acls(t *testing.T, s *Session, path string) string {
	t.Helper()
	list, _, err := s.conn.GetACL(s.full(path))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range list {
		id, _, _ := strings.Cut(a.ID, ":")
		all = append(all, fmt.Sprint(a.Scheme, ":", id, ":", a.Perms))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestAccess makes nodes with zookeeper.set.acl and has another session try to read and write them.
func TestAccess(t *testing.T) {
	ws := &wires{}
	o := testOptions(t)
	o.Digest, o.SecureACL, o.Access = "klamm:secret", true, byName
	owner := openOn(t, ws, o, meta.Watcher{})
	o.Digest = ""
	stranger := openSession(t, newStore(t, o))

	for _, c := range []struct {
		path, acl         string
		mayRead, mayWrite bool
	}{
		{"/", "digest:klamm:31 world:anyone:1", true, false},
		{"/topics", "digest:klamm:31 world:anyone:1", true, false},
		{"/private", "digest:klamm:31", false, false},
		{"/private/x", "digest:klamm:31", false, false},
		{"/open", "world:anyone:31", true, true},
	} {
		if c.path != "/" {
			if _, err := owner.Multi(t.Context(), meta.CreateOp(c.path, []byte("x"), meta.Persistent)); err != nil {
				t.Fatal(err)
			}
		}
		if got := acls(t, owner, c.path); got != c.acl {
			t.Errorf("%s has the list %s, should be %s", c.path, got, c.acl)
		}
		if _, _, err := stranger.Get(t.Context(), c.path); c.mayRead != (err == nil) || err != nil && !errors.Is(err, meta.ErrNoAuth) {
			t.Errorf("a stranger reads %s: %v", c.path, err)
		}
		if got, err := owner.Rights(t.Context(), c.path); err != nil || !got.Read || !got.Write || !got.Create || !got.Delete {
			t.Errorf("the owner's rights on %s: %+v, %v", c.path, got, err)
		}
		// Who may not read a node may not read its list either.
		if got, err := stranger.Rights(t.Context(), c.path); c.mayRead && (err != nil || !got.Read || got.Write != c.mayWrite) || !c.mayRead && !errors.Is(err, meta.ErrNoAuth) {
			t.Errorf("a stranger's rights on %s: %+v, %v", c.path, got, err)
		}
		if _, err := stranger.Set(t.Context(), c.path, nil, meta.AnyVersion); c.mayWrite != (err == nil) || err != nil && !errors.Is(err, meta.ErrNoAuth) {
			t.Errorf("a stranger writes %s: %v", c.path, err)
		}
	}
	nodes, err := stranger.GetAll(t.Context(), []string{"/private", "/topics"})
	if err != nil || !errors.Is(nodes[0].Err, meta.ErrNoAuth) || nodes[1].Err != nil {
		t.Errorf("a stranger reads both: %v, %v", nodes, err)
	}
	_, err = stranger.Create(t.Context(), "/of-nobody", nil, meta.Persistent)
	if !errors.Is(err, meta.ErrNoAuth) {
		t.Errorf("a stranger owns a node: %v", err)
	}
	_, err = stranger.Multi(t.Context(), meta.CheckOp("/", meta.AnyVersion), meta.DeleteOp("/topics", meta.AnyVersion))
	if multi, ok := errors.AsType[*meta.MultiError](err); !ok || multi.Index != 1 || !errors.Is(err, meta.ErrNoAuth) {
		t.Errorf("a stranger deletes in a multi: %v", err)
	}
	// The credentials go along with each connection, before anything that waits.
	for range 20 {
		ws.cut()
		for {
			_, err := owner.Set(t.Context(), "/private", nil, meta.AnyVersion)
			if err == nil {
				break
			}
			if !errors.Is(err, meta.ErrOutcomeUnknown) {
				t.Fatal(err)
			}
		}
	}
}

// TestOpenByDefault makes nodes without zookeeper.set.acl.
func TestOpenByDefault(t *testing.T) {
	o := testOptions(t)
	o.Access = func(string) Access { return Private }
	s := openSession(t, newStore(t, o))
	if _, err := s.Create(t.Context(), "/a", nil, meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	if got, want := acls(t, s, "/a"), fmt.Sprint("world:anyone:", zk.PermAll); got != want {
		t.Errorf("/a has the list %s, should be %s", got, want)
	}
}

// TestOwnerIsUnknown asks for nodes of one's own without credentials.
func TestOwnerIsUnknown(t *testing.T) {
	o := testOptions(t)
	o.SecureACL = true
	_, err := newStore(t, o).Open(t.Context(), meta.Watcher{})
	if !errors.Is(err, meta.ErrNoAuth) || !strings.Contains(err.Error(), "does not know who this session is") {
		t.Errorf("got %v", err)
	}
}

// TestLookMakesNoChroot looks below a chroot that is not there, which every other session makes.
func TestLookMakesNoChroot(t *testing.T) {
	o := testOptions(t)
	o.Chroot += "/not/there"
	o.Look = true
	if _, err := newStore(t, o).Open(t.Context(), meta.Watcher{}); !errors.Is(err, meta.ErrNoNode) {
		t.Errorf("got %v", err)
	}
	o.Look = false
	openSession(t, newStore(t, o))
	o.Look = true
	openSession(t, newStore(t, o))
}
