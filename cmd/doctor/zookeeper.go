package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"klamm/broker"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/server/config"
)

// zookeeperWithin bounds how long the session with ZooKeeper may take.
const zookeeperWithin = 15 * time.Second

// clockWarning and clockProblem are how far clocks may be apart. Retention, timestamps and lag in seconds go by them.
const (
	clockWarning = time.Second
	clockProblem = time.Minute
)

// zookeeper checks the servers of ZooKeeper, and what they know of the brokers.
func (r *Report) zookeeper(ctx context.Context, cfg *config.Broker) {
	const name = "zookeeper"
	reachable := false
	for _, server := range cfg.ZooKeeper().Servers {
		ips, resolve, refused := reach(ctx, server)
		switch {
		case resolve != nil:
			r.trouble(name, server, "correct zookeeper.connect, or the machine's resolver", "the name does not resolve here: %v", resolve)
		case refused != nil:
			r.warn(name, server, "start the server, or open the port from here", "no connection to %s: %v", strings.Join(ips, ", "), refused)
		default:
			reachable = true
			r.ok(name, server, "connects (%s)", strings.Join(ips, ", "))
		}
	}
	if !reachable {
		r.trouble(name, "", "see above", "no server can be reached: no broker starts, and one that runs loses its session")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, zookeeperWithin)
	defer cancel()
	tree, err := broker.LookAtTree(ctx, cfg)
	if err != nil {
		r.trouble(name, "", "see that a majority of the servers runs, and that the chroot in zookeeper.connect is right", "no session: %v", err)
		return
	}
	defer tree.Close()
	if err := r.brokers(ctx, tree); err != nil {
		r.trouble(name, "", "see that a majority of the servers runs, and that this broker's identity may read the nodes", "the brokers' nodes cannot be read: %v", err)
	}
}

// brokers compares the clock of each broker with ZooKeeper's: the node with which a broker is registered has both times of its making.
func (r *Report) brokers(ctx context.Context, tree meta.Tree) error {
	ids, _, err := tree.Children(ctx, znode.BrokerIDs)
	if err != nil {
		return err
	}
	slices.SortFunc(ids, func(a, b string) int { return len(a) - len(b) })
	for _, name := range ids {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		data, stat, err := tree.Get(ctx, znode.BrokerPath(int32(id)))
		if err != nil {
			continue // it has gone meanwhile
		}
		about := "broker " + name
		b, err := znode.DecodeBroker(int32(id), data)
		if err != nil {
			r.warn("registration", about, "restart the broker, so that it registers anew", "its node cannot be read: %v", err)
			continue
		}
		apart := time.Duration(b.TimestampMs-stat.Ctime) * time.Millisecond
		what := fmt.Sprintf("when it registered, its clock was %v %s that of ZooKeeper's leader", apart.Abs(), map[bool]string{true: "behind", false: "ahead of"}[apart < 0])
		const do = "synchronize the machines' clocks (chrony, systemd-timesyncd)"
		switch {
		case apart.Abs() >= clockProblem:
			r.trouble("clock", about, do, "%s", what)
		case apart.Abs() >= clockWarning:
			r.warn("clock", about, do, "%s", what)
		default:
			r.ok("clock", about, "%s", what)
		}
	}
	return nil
}
