package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"klamm/cluster"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// tree is what was read of ZooKeeper's.
type tree struct {
	session meta.Tree
	err     error    // why the reading ended; what was not read is missing
	denied  []string // nodes that may not be read
	read    bool     // the topics are known
	// registered is the node with which this broker is registered, "" if it is not.
	registered string

	topics map[string]*znode.Topic
	states map[protocol.TopicPartition]znode.PartitionState
}

// nodes reads nodes. One that is missing or may not be read has an error.
func (t *tree) nodes(ctx context.Context, paths ...string) []meta.Node {
	if t.err == nil {
		nodes, err := t.session.GetAll(ctx, paths)
		if err == nil {
			for i, n := range nodes {
				if errors.Is(n.Err, meta.ErrNoAuth) {
					t.denied = append(t.denied, paths[i])
				}
			}
			return nodes
		}
		t.err = err
	}
	missing := make([]meta.Node, len(paths))
	for i := range missing {
		missing[i].Err = t.err
	}
	return missing
}

// node reads one node.
func (t *tree) node(ctx context.Context, path string) ([]byte, bool) {
	n := t.nodes(ctx, path)[0]
	return n.Data, n.Err == nil
}

// children lists the names below a node, none if it is missing.
func (t *tree) children(ctx context.Context, path string) []string {
	if t.err != nil {
		return nil
	}
	names, _, err := t.session.Children(ctx, path)
	switch {
	case err == nil || errors.Is(err, meta.ErrNoNode):
	case errors.Is(err, meta.ErrNoAuth):
		t.denied = append(t.denied, path)
	default:
		t.err = err
	}
	return names
}

// below gives the paths of names below a node.
func below(parent string, names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = parent + "/" + name
	}
	return paths
}

// checkTree reads the tree and judges what stands in it.
func (c *checker) checkTree(ctx context.Context) {
	at := c.Config.ZooKeeper()
	if at == nil {
		c.skipped(Tree, "zookeeper.connect is not set, or has no effect beside process.roles")
		return
	}
	session, err := c.OpenTree(ctx)
	if err != nil {
		c.looked(Tree, at.String(), err)
		return
	}
	defer session.Close()
	c.tree = tree{session: session, topics: map[string]*znode.Topic{}, states: map[protocol.TopicPartition]znode.PartitionState{}}
	c.checkCluster(ctx)
	c.checkBrokers(ctx)
	c.checkSecurity(ctx)
	c.checkEntities(ctx)
	c.readTopics(ctx)
	c.checkTopics(ctx)
	c.checkRights(ctx)
	c.tree.read = c.tree.err == nil
	c.looked(Tree, at.String(), c.tree.err)
}

// broken notes a node that cannot be understood.
func (c *checker) broken(path string, err error) {
	var e *znode.DecodeError
	if errors.As(err, &e) {
		err = e.Err
	}
	c.add(Finding{Severity: Differs, Area: Tree, Where: []string{path}, Found: fmt.Sprintf("the node cannot be understood: %v", err),
		Do: "mend or remove it: klamm sets what it stands for aside and says so in its log, a controller of Apache Kafka may resign over it"})
}

// checkCluster looks at what the cluster as a whole is.
func (c *checker) checkCluster(ctx context.Context) {
	t := &c.tree
	for _, r := range cluster.Refusals(c.Broker, t.nodes(ctx, cluster.RefusalNodes()...)) {
		c.add(Finding{Severity: Refuses, Area: Tree, Where: []string{r.Path}, Found: r.Found, Do: r.Do})
	}
	inTree := ""
	if data, ok := t.node(ctx, znode.ClusterID); ok {
		id, err := znode.DecodeClusterID(data)
		if err != nil {
			c.broken(znode.ClusterID, err)
		}
		inTree = id
	}
	if t.err == nil && c.Cluster != "" && c.Cluster != inTree {
		err := &cluster.ClusterIDError{Tree: inTree, Directory: c.Cluster}
		c.add(Finding{Severity: Refuses, Area: Tree, Where: []string{znode.ClusterID}, Found: err.Error(),
			Do: "see whether zookeeper.connect and log.dirs are those of this broker"})
	}
	if c.Cluster == "" {
		c.Cluster = inTree
	}
	if _, ok := t.node(ctx, znode.Migration); ok {
		c.add(Finding{Severity: Differs, Area: Tree, Where: []string{znode.Migration},
			Found: "a migration to KRaft was begun: its controllers copy from this tree, and klamm does not know of it",
			Do:    "if it was given up, remove the node; otherwise finish it, or revert it"})
	}
	if data, ok := t.node(ctx, znode.Feature); ok {
		switch _, features, err := znode.DecodeFeature(data); {
		case err != nil:
			c.broken(znode.Feature, err)
		case features > 0:
			c.add(Finding{Severity: Differs, Area: Tree, Where: []string{znode.Feature},
				Found: "features are finalized, which a cluster on ZooKeeper does not have: klamm would not act on them, and leaves them alone",
				Do:    "find out what wrote them; Apache Kafka 3.9 has none in a cluster on ZooKeeper"})
		}
	}
}

// checkBrokers looks at who is registered.
func (c *checker) checkBrokers(ctx context.Context) {
	for _, name := range c.tree.children(ctx, znode.BrokerIDs) {
		path := znode.BrokerIDs + "/" + name
		data, ok := c.tree.node(ctx, path)
		if !ok {
			continue // it has stopped meanwhile
		}
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			c.broken(path, err)
			continue
		}
		b, err := znode.DecodeBroker(int32(id), data)
		switch {
		case err != nil:
			c.broken(path, err)
		case int32(id) == c.Broker:
			c.tree.registered = path
			c.add(Finding{Severity: Info, Area: Tree, Where: []string{path}, Found: "this broker is registered: it runs, or did until a moment ago",
				Do: "stop it with kafka-server-stop.sh before klamm starts"})
		default:
			c.checkPeer(path, b)
		}
	}
}

// checkPeer looks at another broker.
func (c *checker) checkPeer(path string, b *znode.Broker) {
	if b.Version < 5 {
		c.add(Finding{Severity: Differs, Area: Tree, Where: []string{path},
			Found: fmt.Sprintf("the broker registers in version %d, as with an inter.broker.protocol.version below 2.7: it does not take the requests that klamm sends", b.Version),
			Do:    "bring it to 3.9 with inter.broker.protocol.version=3.9"})
	}
	if len(b.Features) > 0 {
		c.add(Finding{Severity: Info, Area: Tree, Where: []string{path}, Found: "the broker supports features that a cluster on ZooKeeper does not have"})
	}
	names := []string{c.Config.InterBrokerListener(), c.Config.ControlPlaneListener()}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "" {
			continue // the listeners are wrong, and a finding of the configuration
		}
		i := slices.IndexFunc(b.Endpoints, func(e znode.Endpoint) bool { return e.Listener == name })
		switch {
		case i < 0:
			c.add(Finding{Severity: Differs, Area: Tree, Where: []string{path},
				Found: fmt.Sprintf("the broker has no listener %s, over which this one speaks to others: they cannot replicate from each other", name),
				Do:    "give all brokers a listener of that name (inter.broker.listener.name, control.plane.listener.name)"})
		case b.Endpoints[i].SecurityProtocol != "PLAINTEXT":
			c.add(Finding{Severity: Differs, Area: Tree, Where: []string{path},
				Found: fmt.Sprintf("the listener %s of this broker is %s, and klamm speaks PLAINTEXT with other brokers", name, b.Endpoints[i].SecurityProtocol),
				Do:    "give the brokers a listener in PLAINTEXT among themselves, on a network that nobody else reaches"})
		}
	}
}

// aclRoots are the nodes below which ACLs are: types of resources with names, and for patterns one level more (ZkAclStore).
const (
	literalACLs = "/kafka-acl"
	patternACLs = "/kafka-acl-extended"
)

// checkSecurity looks at ACLs and tokens.
func (c *checker) checkSecurity(ctx context.Context) {
	t := &c.tree
	var acls []string
	types := below(literalACLs, t.children(ctx, literalACLs))
	for _, pattern := range below(patternACLs, t.children(ctx, patternACLs)) {
		types = append(types, below(pattern, t.children(ctx, pattern))...)
	}
	for _, kind := range types {
		acls = append(acls, below(kind, t.children(ctx, kind))...)
	}
	found := "there are ACLs; the property authorizer.class.name has a broker enforce them, and this one does not set it"
	if c.Config.Values().String("authorizer.class.name") != "" {
		found = "there are ACLs, which this broker's authorizer enforces"
	}
	c.add(Finding{Severity: Info, Area: Tree, Where: acls, Found: found, Do: "klamm leaves them as they are, and has no authorizer yet"})
	c.add(Finding{Severity: Info, Area: Tree, Where: below(znode.DelegationTokens, t.children(ctx, znode.DelegationTokens)),
		Found: "there are delegation tokens, which clients use over SASL", Do: "klamm leaves them as they are, and has no SASL yet"})
}
