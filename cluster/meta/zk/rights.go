package zk

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"
)

// Rights are what a node's access control list lets a session do.
type Rights struct {
	// Read and Write are for the node's data, Create and Delete for its children.
	Read, Write, Create, Delete bool
	// List is the list as people read it, as "world:anyone:r".
	List []string
}

// Rights reads a node's access control list and compares it with what the session has told the server of itself: its digest and its
// certificate. A list that names addresses alone is not granted to anybody.
func (s *Session) Rights(ctx context.Context, path string) (Rights, error) {
	list, err := read(ctx, s, "get the access control list of", path, func(c *zk.Conn) ([]zk.ACL, error) {
		acl, _, err := c.GetACL(s.full(path))
		return acl, err
	})
	if err != nil {
		return Rights{}, err
	}
	var all int32
	rights := Rights{}
	for _, entry := range list {
		id, _, _ := strings.Cut(entry.ID, ":") // what follows is the hash of a password
		rights.List = append(rights.List, fmt.Sprint(entry.Scheme, ":", id, ":", letters(entry.Perms)))
		if s.is(entry) {
			all |= entry.Perms
		}
	}
	rights.Read, rights.Write = all&zk.PermRead != 0, all&zk.PermWrite != 0
	rights.Create, rights.Delete = all&zk.PermCreate != 0, all&zk.PermDelete != 0
	return rights, nil
}

// letters writes permissions as ZooKeeper's shell does.
func letters(perms int32) string {
	var b strings.Builder
	for i, letter := range "rwcda" {
		if perms&(1<<i) != 0 {
			b.WriteRune(letter)
		}
	}
	return b.String()
}

// is says whether an entry of a list is for this session. The server hides hashes from those who are not the node's owners.
func (s *Session) is(entry zk.ACL) bool {
	o := &s.store.o
	switch entry.Scheme {
	case "world":
		return true
	case "digest":
		user, password, _ := strings.Cut(o.Digest, ":")
		return o.Digest != "" && (entry.ID == user+":x" || entry.ID == zk.DigestACL(0, user, password)[0].ID)
	case "x509":
		if o.TLS == nil || len(o.TLS.Certificates) == 0 {
			return false
		}
		own, err := x509.ParseCertificate(o.TLS.Certificates[0].Certificate[0])
		return err == nil && own.Subject.String() == entry.ID
	}
	return false
}
