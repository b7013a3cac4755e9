package doctor

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/cmd/connect"
)

// Remote looks at a cluster from where it runs. The error says that no broker answers, and what to do.
func (r *Report) Remote(ctx context.Context, c connect.Config) error {
	far := false
	for _, server := range c.Servers {
		far = far || !loopback(server)
		r.bootstrap(ctx, server)
	}
	cluster, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer cluster.Close()
	meta, err := cluster.Admin.BrokerMetadata(ctx)
	if err != nil {
		return cluster.Explain(err)
	}
	if meta.Controller < 0 {
		r.trouble("controller", "", "look at the brokers' logs: without a controller no leader is elected and no topic is created", "the cluster has no controller")
	} else {
		r.ok("controller", "", "broker %d", meta.Controller)
	}
	versions := map[string][]string{}
	for _, b := range meta.Brokers {
		r.broker(ctx, cluster, b, far, versions)
	}
	switch names := slices.Sorted(maps.Keys(versions)); len(names) {
	case 0:
	case 1:
		r.ok("versions", "", "all brokers serve the requests of Kafka %s", names[0])
	default:
		var each []string
		for _, name := range names {
			each = append(each, fmt.Sprintf("%s on %s", name, strings.Join(versions[name], ", ")))
		}
		r.warn("versions", "", "bring all brokers to the same version, unless an upgrade is under way", "the brokers serve the requests of different versions: %s", strings.Join(each, "; "))
	}
	r.unknown("clock", "", "brokers do not tell the time by the protocol; klamm doctor --config, on a broker's machine, compares clocks with ZooKeeper's")
	return nil
}

// bootstrap checks an address that a client begins with.
func (r *Report) bootstrap(ctx context.Context, server string) {
	ips, resolve, refused := reach(ctx, server)
	switch {
	case resolve != nil:
		r.trouble("bootstrap", server, "correct the name, or the machine's resolver", "the name does not resolve here: %v", resolve)
	case refused != nil:
		r.trouble("bootstrap", server, "start the broker, or open the port from here", "no connection to %s: %v", strings.Join(ips, ", "), refused)
	default:
		r.ok("bootstrap", server, "connects (%s)", strings.Join(ips, ", "))
	}
}

// broker checks what clients are told to connect to for a broker, and who answers there. far says that clients are on other machines than the brokers.
func (r *Report) broker(ctx context.Context, cluster *connect.Cluster, b kadm.BrokerDetail, far bool, versions map[string][]string) {
	const name = "advertised"
	address := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	about := fmt.Sprintf("broker %d at %s", b.NodeID, address)
	ips, resolve, refused := reach(ctx, address)
	switch {
	case resolve != nil:
		r.trouble(name, about, "set advertised.listeners of the broker to a name that clients resolve", "clients are told this address, and it does not resolve here: %v", resolve)
		return
	case far && loopback(address):
		r.trouble(name, about, "set advertised.listeners of the broker to an address that other machines reach", "clients on other machines are told to connect to themselves")
		return
	case refused != nil:
		r.trouble(name, about, "set advertised.listeners of the broker to an address that clients reach, or open the port from here",
			"clients are told this address, and it cannot be reached from here (%s): %v", strings.Join(ips, ", "), refused)
		return
	}
	resp, err := cluster.Client.Broker(int(b.NodeID)).RetriableRequest(ctx, kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		r.trouble(name, about, "look whether another program has the port, and whether the listener's security protocol is the one that the command line says",
			"the address connects, and no broker answers there: %v", cluster.Explain(err))
		return
	}
	version := kversion.FromApiVersionsResponse(resp.(*kmsg.ApiVersionsResponse)).VersionGuess()
	versions[version] = append(versions[version], fmt.Sprintf("broker %d", b.NodeID))
	r.ok(name, about, "clients are told this address, and it answers (%s)", strings.Join(ips, ", "))
}
