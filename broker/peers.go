package broker

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/cluster/order"
	"klamm/cluster/peer"
	"klamm/cluster/replica"
	"klamm/server/config"
	"klamm/server/loggers"
	"klamm/server/transport"
)

// replicaOptions returns the options of the manager of this broker's partitions. A broker that is alone follows nobody, and its
// ISRs never change.
func (b *Broker) replicaOptions(dynamic *config.Dynamic) replica.Options {
	o := replica.Options{
		Store: b.store, BrokerID: b.id, Clock: b.o.Clock, Observer: b.o.Observer, Logger: b.o.Logger.With(loggers.Key, "cluster.replica"),
		Resolve:           func(overrides map[string]string) *replica.Config { return topicConfig(dynamic, b.id, overrides) },
		TellHighWatermark: config.RackAware(dynamic.Current()),
		Settings:          func() replica.Settings { return replicationSettings(dynamic.Current()) },
	}
	if b.o.Tree.Shared() {
		o.LeaderRate, o.FollowerRate = replicationRates(dynamic)
		o.DialLeader = b.dialLeader
		o.BrokerEpoch = func() int64 {
			if joined := b.joined.Load(); joined != nil {
				return joined.Epoch()
			}
			return -1
		}
		o.AlterPartition = func(ctx context.Context, changes []order.AlterPartition) ([]order.AlterPartitionResult, error) {
			return b.cluster.ChangeISRs(ctx, changes)
		}
		o.MayBeDeposed = func() bool {
			joined := b.joined.Load()
			return joined != nil && joined.MayBeDeposed()
		}
		o.Alive = func(id int32) bool {
			joined := b.joined.Load()
			return joined != nil && joined.Metadata().Broker(id) != nil
		}
	}
	return o
}

// dialLeader connects a fetcher to the broker that leads its partitions, by the listener between brokers.
func (b *Broker) dialLeader(ctx context.Context, id int32) (replica.LeaderConn, error) {
	joined := b.joined.Load()
	if joined == nil {
		return nil, fmt.Errorf("broker %d is not known yet", id)
	}
	info := joined.Metadata().Broker(id)
	if info == nil {
		return nil, fmt.Errorf("broker %d is not live", id)
	}
	listener := b.config.Static().InterBrokerListener()
	e, ok := info.Endpoint(listener)
	if !ok {
		return nil, fmt.Errorf("broker %d has no listener %s (inter.broker.listener.name)", id, listener)
	}
	v := b.config.Current()
	conn, err := b.dial(ctx, e, transport.ClientOptions{
		ClientID:           fmt.Sprintf("broker-%d-fetcher", b.id),
		Timeout:            time.Duration(v.Int("replica.socket.timeout.ms")) * time.Millisecond,
		ReceiveBufferBytes: v.Int("replica.socket.receive.buffer.bytes"),
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Ask sends a request to another broker as a client does, by the listener between brokers, over a connection of its own.
func (b *Broker) Ask(ctx context.Context, id int32, req kmsg.Request) (kmsg.Response, error) {
	conn, err := b.dialLeader(ctx, id)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Request(ctx, req)
}

// dialController connects to a broker for what the controller and brokers ask of each other.
func (b *Broker) dialController(ctx context.Context, e order.Endpoint) (peer.Conn, error) {
	conn, err := b.dial(ctx, e, transport.ClientOptions{
		ClientID: strconv.Itoa(int(b.id)),
		Timeout:  time.Duration(b.config.Current().Int("controller.socket.timeout.ms")) * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// dial connects to another broker's endpoint. The endpoint has to be one without TLS and SASL: this broker has no others itself.
func (b *Broker) dial(ctx context.Context, e cluster.Endpoint, o transport.ClientOptions) (*transport.Client, error) {
	if e.SecurityProtocol != "PLAINTEXT" {
		return nil, fmt.Errorf("endpoint %s has the security protocol %s, and only PLAINTEXT is served", e, e.SecurityProtocol)
	}
	o.Dial = b.o.Dial
	return transport.Dial(ctx, net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))), o)
}

// replicationSettings gives the settings of replication as they are now.
func replicationSettings(v *config.Values) replica.Settings {
	return replica.Settings{
		LagTimeMaxMs:          v.Long("replica.lag.time.max.ms"),
		LagMessagesMax:        v.Long("replica.lag.max.messages"),
		Fetchers:              v.Int("num.replica.fetchers"),
		FetchMinBytes:         int32(v.Int("replica.fetch.min.bytes")),
		FetchMaxBytes:         int32(v.Int("replica.fetch.max.bytes")),
		FetchResponseMaxBytes: int32(v.Int("replica.fetch.response.max.bytes")),
		FetchWaitMaxMs:        int32(v.Int("replica.fetch.wait.max.ms")),
		FetchBackoffMs:        int32(v.Int("replica.fetch.backoff.ms")),
	}
}
