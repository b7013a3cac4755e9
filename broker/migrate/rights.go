package migrate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/meta/zk"
	"klamm/cluster/znode"
)

// checkRights compares what klamm has to do in the tree with the access control lists.
func (c *checker) checkRights(ctx context.Context) {
	t := &c.tree
	session, ok := t.session.(rightsReader)
	if ok {
		c.checkList(ctx, session, Refuses, []string{znode.BrokerIDs}) // where every broker registers; the rest is for a controller and for administration
		rest := append([]string{"/", znode.ControllerEpoch, znode.ClusterID}, znode.PersistentPaths()...)
		rest = slices.DeleteFunc(rest, func(path string) bool { return path == znode.BrokerIDs })
		for _, name := range slices.Sorted(maps.Keys(t.topics)) {
			rest = append(rest, znode.TopicPath(name), znode.ConfigPath(znode.EntityTopics, name))
		}
		for tp := range t.states {
			rest = append(rest, znode.PartitionStatePath(tp))
		}
		slices.Sort(rest)
		c.checkList(ctx, session, Differs, rest)
	}
	slices.Sort(t.denied)
	for _, path := range slices.Compact(t.denied) {
		severity := Refuses
		if slices.ContainsFunc(unread, func(root string) bool { return strings.HasPrefix(path, root) }) {
			severity = Differs
		}
		c.add(Finding{Severity: severity, Area: Tree, Where: []string{path}, Do: giveRights,
			Found: "klamm may not read the node with the credentials that it has, and this command does not know what is in it"})
	}
}

// unread begin the paths of nodes that klamm does not read.
var unread = []string{znode.ConfigUsers, znode.ConfigClients, znode.ConfigIPs, znode.DelegationTokens, literalACLs, znode.Migration}

// giveRights is what to do about nodes of somebody else.
const giveRights = "give klamm the identity that the nodes belong to (zookeeper.ssl.keystore.location, klamm.zookeeper.digest), or open the nodes with " +
	"Apache Kafka's zookeeper-security-migration.sh --zookeeper.acl=unsecure"

// checkList looks at the lists of nodes, all of which klamm writes and makes children of, but for the cluster's id.
func (c *checker) checkList(ctx context.Context, session rightsReader, severity Severity, paths []string) {
	t := &c.tree
	for _, path := range paths {
		if t.err != nil {
			return
		}
		rights, err := session.Rights(ctx, path)
		switch {
		case errors.Is(err, meta.ErrNoNode):
		case errors.Is(err, meta.ErrNoAuth):
			t.denied = append(t.denied, path)
		case err != nil:
			t.err = err
		case !rights.Read:
			t.denied = append(t.denied, path)
		case !mayWork(path, rights):
			c.add(Finding{Severity: severity, Area: Tree, Where: []string{path}, Do: giveRights,
				Found: "klamm may not write the node, or not make and remove nodes below it, with the credentials that it has; its access control list is " + strings.Join(rights.List, " ")})
		}
	}
}

// mayWork says whether the rights suffice for what brokers do to a node.
func mayWork(path string, r zk.Rights) bool {
	switch path {
	case znode.ClusterID:
		return true
	case "/", znode.Brokers, znode.Config, znode.Admin:
		return r.Create
	}
	return r.Write && r.Create && r.Delete
}
