package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/bench/replay"
	"klamm/compat-tests/harness"
)

// clusterBrokers is how many brokers a cluster has. Every partition has a replica on each of them.
const clusterBrokers = 3

// clustered says whether a broker can be one of a cluster on ZooKeeper.
func clustered(name string) bool { return name == klamm || name == kafka39 }

// cluster is three brokers of one kind on a ZooKeeper of one server. It is a target.
type cluster struct {
	*harness.Cluster
	dir    string
	client *kgo.Client
	admin  *kadm.Client
}

// startCluster starts a cluster with its data below dir. The session timeout is that of the brokers at ZooKeeper.
func startCluster(name, dir string, session time.Duration) (*cluster, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	alone := brokerOptions(name, dir)
	properties := alone.Properties
	properties["zookeeper.session.timeout.ms"] = fmt.Sprint(session.Milliseconds())
	var kinds []string
	for range clusterBrokers {
		kinds = append(kinds, alone.Broker)
	}
	b, err := harness.NewCluster(harness.ClusterOptions{Brokers: kinds, DataDir: dir, Measured: true, Heap: "512m", Properties: properties})
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.MetadataMinAge(10*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		_ = b.Close()
		b.Remove()
		return nil, err
	}
	admin := kadm.NewClient(client)
	admin.SetTimeoutMillis(int32(pollWithin.Milliseconds()))
	return &cluster{b, dir, client, admin}, nil
}

func (c *cluster) addr() string { return c.Brokers[0].Addr }

func (c *cluster) pids() (pids []int) {
	for _, b := range c.Brokers {
		if b.PID() != 0 {
			pids = append(pids, b.PID())
		}
	}
	return pids
}

// places: the first replica of partition p is the broker with the index p mod 3, and leads.
func (c *cluster) places(partitions int) []place {
	places := make([]place, len(c.Brokers))
	for i, b := range c.Brokers {
		places[i].addr = b.Addr
		for p := i; p < partitions; p += len(c.Brokers) {
			places[i].partitions = append(places[i].partitions, int32(p))
		}
	}
	return places
}

func (c *cluster) close() error {
	c.client.Close()
	err := c.Close()
	c.Remove()
	os.RemoveAll(c.dir)
	return err
}

func (c *cluster) makeTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	return c.makeTopics(ctx, []string{name}, partitions, configs)
}

// makeTopics makes topics with a replica of each partition on each broker. It returns when every broker knows the leader of every
// partition, and all replicas are in sync.
func (c *cluster) makeTopics(ctx context.Context, names []string, partitions int, configs map[string]string) error {
	var everywhere []int32
	for _, b := range c.Brokers {
		everywhere = append(everywhere, b.ID())
	}
	return c.makeTopicsOn(ctx, everywhere, names, partitions, configs)
}

// makeTopicsOn is makeTopics with the replicas on some of the brokers, which lead equally many partitions.
func (c *cluster) makeTopicsOn(ctx context.Context, brokers []int32, names []string, partitions int, configs map[string]string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(pollWithin.Milliseconds())
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
		for p := range partitions {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition = int32(p)
			for i := range brokers {
				a.Replicas = append(a.Replicas, brokers[(p+i)%len(brokers)])
			}
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
		minimum := "2"
		t.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "min.insync.replicas", Value: &minimum}}
		for k, v := range configs {
			t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: k, Value: &v})
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return fmt.Errorf("creating %s: %w", t.Topic, err)
		}
	}
	return c.await(ctx, names, partitions*len(names), inSync)
}

// partition is a partition as Metadata shows it.
type partition = kmsg.MetadataResponseTopicPartition

func led(p partition) bool { return p.Leader >= 0 }

func inSync(p partition) bool { return led(p) && len(p.ISR) == len(p.Replicas) }

func ledByFirst(p partition) bool { return inSync(p) && p.Leader == p.Replicas[0] }

// await waits until every broker that runs says of so many partitions of the topics, or of all topics, that the condition
// holds.
func (c *cluster) await(ctx context.Context, names []string, partitions int, holds func(partition) bool) error {
	for _, b := range c.Brokers {
		if b.PID() == 0 {
			continue
		}
		if err := slowPoll(ctx, func() (bool, error) {
			n, err := count(ctx, b.Addr, names, holds)
			return err == nil && n >= partitions, ctx.Err() // a broker that starts does not answer yet
		}); err != nil {
			return err
		}
	}
	return nil
}

// count asks a broker for topics, or all, and counts the partitions of which a condition holds.
func count(ctx context.Context, addr string, names []string, holds func(partition) bool) (n int, err error) {
	cl, err := replay.Dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 7
	for _, name := range names {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: &name})
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return 0, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.ErrorCode == 0 && holds(p) {
				n++
			}
		}
	}
	return n, nil
}

// slowPoll is poll for questions whose answers are large.
func slowPoll(ctx context.Context, ask func() (bool, error)) error {
	return poll(ctx, func() (bool, error) {
		so, err := ask()
		if !so && err == nil {
			err = pause(ctx, 20*time.Millisecond)
		}
		return so, err
	})
}

// elect has the first replica of each partition lead it.
func (c *cluster) elect(ctx context.Context, partitions int) error {
	return slowPoll(ctx, func() (bool, error) {
		n, err := count(ctx, c.addr(), nil, ledByFirst)
		if err == nil && n < partitions {
			// A controller that has just seen a broker return may refuse, so it is asked again.
			_, _ = c.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
		}
		return err == nil && n >= partitions, ctx.Err()
	})
}

func (c *cluster) dropTopic(ctx context.Context, name string) error {
	if _, err := c.admin.DeleteTopic(ctx, name); err != nil {
		return fmt.Errorf("deleting %s: %w", name, err)
	}
	return c.gone(ctx, name+"-*")
}

// gone waits until no broker has a partition's directory with such a name.
func (c *cluster) gone(ctx context.Context, pattern string) error {
	return poll(ctx, func() (bool, error) {
		for id := range c.Brokers {
			for _, dir := range c.Dirs(int32(id + 1)) {
				left, err := filepath.Glob(filepath.Join(dir, pattern))
				if len(left) > 0 || err != nil {
					return false, err
				}
			}
		}
		return true, nil
	})
}

// controller is the broker that is the controller.
func (c *cluster) controller(ctx context.Context) (*harness.Broker, error) {
	m, err := c.admin.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.Controller < 1 || int(m.Controller) > len(c.Brokers) {
		return nil, fmt.Errorf("the controller is %d", m.Controller)
	}
	return c.Broker(m.Controller), nil
}

// follower is a broker that is not the controller. It leads partitions as every broker does.
func (c *cluster) follower(ctx context.Context) (*harness.Broker, error) {
	controller, err := c.controller(ctx)
	if err != nil {
		return nil, err
	}
	// The first broker is the one that is asked meanwhile.
	for _, b := range c.Brokers[1:] {
		if b != controller {
			return b, nil
		}
	}
	return nil, errors.New("no broker is not the controller")
}

// logs says where the brokers' logs are kept.
func (c *cluster) logs() string { return strings.Join(c.KeepLogs(), " ") }

// warmCluster has JVMs replicate volume bytes.
func warmCluster(ctx context.Context, c *cluster, volume int64) error {
	for ; volume > 0; volume -= warmVolume {
		s := &subject{target: c, scale: scale{volume: min(volume, warmVolume)}}
		session, err := clusterBig.open(ctx, s)
		if err != nil {
			return err
		}
		if _, err := session.round(ctx); err != nil {
			return err
		}
	}
	return nil
}
