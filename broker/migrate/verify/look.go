package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// partition is one partition of the cluster, as Metadata has it.
type partition struct {
	tp       protocol.TopicPartition
	id       protocol.UUID // of the topic
	replicas []int32       // those on the brokers that were asked for; the leader first, then those in the ISR
	all      []int32       // all replicas
	isr      []int32
	moves    bool
	bytes    int64 // of all replicas on their disks; 0 if that is not known
}

// clusterLook is what a verification knows of the cluster.
type clusterLook struct {
	id         string
	addrs      map[int32]string
	partitions []partition
	compacted  map[string]bool   // topics whose cleanup.policy has compact
	failed     map[string]string // topics whose settings could not be read, and why
	silent     silence
}

// bootstrap asks one of the addresses for the metadata of all topics.
func (o *Options) bootstrap(ctx context.Context) (*kmsg.MetadataResponse, error) {
	var errs []error
	for _, addr := range o.Bootstrap {
		c := newConnections(map[int32]string{-1: addr}, new(silence))
		m, err := ask[*kmsg.MetadataResponse](ctx, c, -1, metadataRequest(nil))
		c.close()
		if err == nil {
			return m, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// metadataRequest asks for topics; nil for all.
func metadataRequest(topics []string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(metadataVersion)
	req.AllowAutoTopicCreation = false
	for _, t := range topics {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: &t})
	}
	return req
}

// look finds the partitions that were asked for. It keeps no connection.
func (o *Options) look(ctx context.Context) (*clusterLook, error) {
	m, err := o.bootstrap(ctx)
	if err != nil {
		return nil, err
	}
	l := &clusterLook{addrs: map[int32]string{}, compacted: map[string]bool{}, failed: map[string]string{}}
	if m.ClusterID != nil {
		l.id = *m.ClusterID
	}
	for _, b := range m.Brokers {
		l.addrs[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	topics, err := o.choose(m)
	if err != nil {
		return nil, err
	}
	for _, t := range topics {
		for _, p := range t.Partitions {
			l.partitions = append(l.partitions, o.partition(t, p))
		}
	}
	slices.SortFunc(l.partitions, func(a, b partition) int {
		if a.tp.Topic != b.tp.Topic {
			return strings.Compare(a.tp.Topic, b.tp.Topic)
		}
		return int(a.tp.Partition - b.tp.Partition)
	})
	conns := newConnections(l.addrs, &l.silent)
	defer conns.close()
	if err := l.readSettings(ctx, conns, m.ControllerID, topics); err != nil {
		return nil, err
	}
	if err := l.readMoves(ctx, conns, m.ControllerID); err != nil {
		return nil, err
	}
	l.readSizes(ctx, conns)
	return l, nil
}

// choose gives the topics that were asked for.
func (o *Options) choose(m *kmsg.MetadataResponse) (topics []kmsg.MetadataResponseTopic, err error) {
	there := map[string]bool{}
	for _, t := range m.Topics {
		there[*t.Topic] = true
		if len(o.Topics) > 0 && !slices.Contains(o.Topics, *t.Topic) || o.ExcludeInternal && t.IsInternal {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("topic %s: %w", *t.Topic, err)
		}
		topics = append(topics, t)
	}
	for _, name := range o.Topics {
		if !there[name] {
			return nil, fmt.Errorf("there is no topic %s", name)
		}
	}
	for _, id := range o.Brokers {
		if !slices.ContainsFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == id }) {
			return nil, fmt.Errorf("there is no broker %d", id)
		}
	}
	return topics, nil
}

// partition makes a partition of its metadata.
func (o *Options) partition(t kmsg.MetadataResponseTopic, p kmsg.MetadataResponseTopicPartition) partition {
	out := partition{tp: protocol.TopicPartition{Topic: *t.Topic, Partition: p.Partition}, id: t.TopicID, all: p.Replicas, isr: p.ISR}
	for _, id := range p.Replicas {
		if len(o.Brokers) == 0 || slices.Contains(o.Brokers, id) {
			out.replicas = append(out.replicas, id)
		}
	}
	rank := func(id int32) int {
		switch {
		case id == p.Leader:
			return 0
		case slices.Contains(p.ISR, id):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out.replicas, func(a, b int32) int { return rank(a) - rank(b) })
	return out
}

// topicsAtOnce is how many topics are asked for in one request.
const topicsAtOnce = 500

// readSettings finds the compacted topics.
func (l *clusterLook) readSettings(ctx context.Context, conns *connections, broker int32, topics []kmsg.MetadataResponseTopic) error {
	for some := range slices.Chunk(topics, topicsAtOnce) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.SetVersion(configsVersion)
		for _, t := range some {
			req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: *t.Topic,
				ConfigNames: []string{"cleanup.policy"}})
		}
		resp, err := ask[*kmsg.DescribeConfigsResponse](ctx, conns, broker, req)
		if err != nil {
			return err
		}
		for _, r := range resp.Resources {
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				l.failed[r.ResourceName] = err.Error()
			}
			for _, c := range r.Configs {
				if c.Name == "cleanup.policy" && c.Value != nil && strings.Contains(*c.Value, "compact") {
					l.compacted[r.ResourceName] = true
				}
			}
		}
	}
	return nil
}

// readMoves finds the partitions that are being reassigned.
func (l *clusterLook) readMoves(ctx context.Context, conns *connections, controller int32) error {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.SetVersion(reassignmentsVersion)
	resp, err := ask[*kmsg.ListPartitionReassignmentsResponse](ctx, conns, controller, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("the reassignments cannot be read: %w", err)
	}
	moving := map[protocol.TopicPartition]bool{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			moving[protocol.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = true
		}
	}
	for i := range l.partitions {
		l.partitions[i].moves = moving[l.partitions[i].tp]
	}
	return nil
}

// readSizes finds how large the replicas are, for the progress. Without an answer nothing is known of the rest, and nothing else is lost.
func (l *clusterLook) readSizes(ctx context.Context, conns *connections) {
	sizes := map[protocol.TopicPartition]map[int32]int64{}
	for broker := range l.addrs {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.SetVersion(logDirsVersion)
		resp, err := ask[*kmsg.DescribeLogDirsResponse](ctx, conns, broker, req)
		if err != nil {
			continue
		}
		for _, d := range resp.Dirs {
			for _, t := range d.Topics {
				for _, p := range t.Partitions {
					tp := protocol.TopicPartition{Topic: t.Topic, Partition: p.Partition}
					if sizes[tp] == nil {
						sizes[tp] = map[int32]int64{}
					}
					sizes[tp][broker] += p.Size
				}
			}
		}
	}
	for i := range l.partitions {
		p := &l.partitions[i]
		for _, broker := range p.replicas {
			p.bytes += sizes[p.tp][broker]
		}
	}
}
