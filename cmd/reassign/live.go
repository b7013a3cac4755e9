package reassign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/connect"
	"klamm/cmd/reassign/plan"
)

// requestTimeout bounds one request, with what the client tries again by itself.
const requestTimeout = 60 * time.Second

// live is a cluster that is reached by the Kafka protocol.
type live struct {
	*connect.Cluster
	client *kgo.Client
	admin  *kadm.Client
}

func open(ctx context.Context, to connect.Config, opts ...kgo.Opt) (*live, error) {
	to.ClientID = cmp.Or(to.ClientID, "klamm-cluster")
	to.APITimeout = cmp.Or(to.APITimeout, requestTimeout)
	cluster, err := to.Open(ctx, append(opts, kgo.MetadataMinAge(100*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	return &live{cluster, cluster.Client, cluster.Admin}, nil
}

func (l *live) look(ctx context.Context) (*view, error) {
	moving, err := l.underWay(ctx) // before the metadata: what ends in between is not taken for a move
	if err != nil {
		return nil, err
	}
	l.awaitAgreement(ctx)
	meta, err := l.metadata(ctx)
	if err != nil {
		return nil, err
	}
	sizes, unsized := l.sizes(ctx)
	if err := ctx.Err(); err != nil {
		return nil, cmp.Or(unsized, err)
	}
	v := &view{leaders: map[tp]int32{}, underWay: map[tp]bool{}, unsized: unsized}
	for _, b := range meta.Brokers {
		rack := ""
		if b.Rack != nil {
			rack = *b.Rack
		}
		v.brokers = append(v.brokers, plan.Broker{ID: b.NodeID, Rack: rack})
	}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			at := tp{*t.Topic, p.Partition}
			part := v.partition(*t.Topic, p, sizes[at])
			if target, on := moving[at]; on {
				part.Replicas, part.Fixed, v.underWay[at] = target, true, true
			}
			v.parts = append(v.parts, part)
			v.leaders[at] = p.Leader
		}
	}
	return v, nil
}

// partition makes a partition of its metadata. An offline replica whose broker is alive is in a log directory that is offline, or its broker is stopping.
func (v *view) partition(topic string, p kmsg.MetadataResponseTopicPartition, bytes int64) plan.Partition {
	part := plan.Partition{Topic: topic, ID: p.Partition, Replicas: p.Replicas, InSync: p.ISR, Bytes: bytes}
	for _, id := range p.OfflineReplicas {
		if v.alive(id) {
			part.Offline = append(part.Offline, id)
		}
	}
	return part
}

// agreeWithin bounds how long a command waits until all brokers know of the same replicas, agreeOne how long it waits for the answer of one, and
// agreePause is how long it waits before it asks them again.
const (
	agreeWithin = 10 * time.Second
	agreeOne    = 3 * time.Second
	agreePause  = 100 * time.Millisecond
)

// awaitAgreement waits until all brokers that answer know of the same replicas. The controller has ended or cancelled a reassignment before it tells
// the brokers, and one that has not heard of it shows the replicas from before and after together: a plan would keep them all.
func (l *live) awaitAgreement(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	for !l.agree(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(agreePause):
		}
	}
}

// agree says whether all brokers that answer know of the same replicas. One that hangs is not waited for.
func (l *live) agree(ctx context.Context) bool {
	list, cancel := context.WithTimeout(ctx, agreeOne)
	defer cancel()
	brokers, err := l.admin.ListBrokers(list)
	if err != nil {
		return list.Err() == nil // the next time another broker is asked, not one that hangs; of other errors whoever asks next hears
	}
	var known map[tp][]int32
	for _, b := range brokers {
		told, err := l.toldBy(ctx, b.NodeID)
		if err != nil {
			continue
		}
		if known != nil && !maps.EqualFunc(known, told, slices.Equal[[]int32]) {
			return false
		}
		known = told
	}
	return true
}

// toldBy gives the replicas that one broker knows of.
func (l *live) toldBy(ctx context.Context, id int32) (map[tp][]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, agreeOne)
	defer cancel()
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, l.client.Broker(int(id))) // without topics: of all
	if err != nil {
		return nil, err
	}
	return replicasIn(resp), nil
}

// metadata gives what a broker knows of the cluster: the topics in their order, without those that are being deleted, and their partitions in theirs.
// It is not asked of the client, which remembers what a broker said, maybe before all brokers agreed.
func (l *live) metadata(ctx context.Context) (*kmsg.MetadataResponse, error) {
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, l.client) // without topics: of all
	if err != nil {
		return nil, fmt.Errorf("asking for the metadata: %w", err)
	}
	meta.Topics = slices.DeleteFunc(meta.Topics, func(t kmsg.MetadataResponseTopic) bool { return t.ErrorCode == kerr.UnknownTopicOrPartition.Code }) // deleted in between
	for _, t := range meta.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("the metadata of topic %q: %w", *t.Topic, err)
		}
		slices.SortFunc(t.Partitions, func(a, b kmsg.MetadataResponseTopicPartition) int { return cmp.Compare(a.Partition, b.Partition) })
	}
	slices.SortFunc(meta.Topics, func(a, b kmsg.MetadataResponseTopic) int { return cmp.Compare(*a.Topic, *b.Topic) })
	return meta, nil
}

func (l *live) living(ctx context.Context) ([]int32, error) {
	all, err := l.admin.ListBrokers(ctx)
	return all.NodeIDs(), err
}

func (l *live) replicas(ctx context.Context) (map[tp][]int32, error) {
	meta, err := l.metadata(ctx)
	if err != nil {
		return nil, err
	}
	return replicasIn(meta), nil
}

// replicasIn gives the replicas that stand in an answer.
func replicasIn(meta *kmsg.MetadataResponse) map[tp][]int32 {
	all := map[tp][]int32{}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			all[tp{*t.Topic, p.Partition}] = p.Replicas
		}
	}
	return all
}

// sizes gives the bytes of the largest replica of each partition that it knows of. The error is about brokers that do not say.
func (l *live) sizes(ctx context.Context) (map[tp]int64, error) {
	all, err := l.admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		err = fmt.Errorf("asking for the sizes of the logs: %w", err)
	}
	sizes := map[tp]int64{}
	for _, dirs := range all {
		for _, d := range dirs {
			for topic, parts := range d.Topics {
				for p, log := range parts {
					at := tp{topic, p}
					sizes[at] = max(sizes[at], log.Size)
				}
			}
		}
	}
	return sizes, err
}

func (l *live) underWay(ctx context.Context) (map[tp][]int32, error) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest() // without topics: all
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	resp, err := req.RequestWith(ctx, l.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the reassignments under way: %w", err)
	}
	moving := map[tp][]int32{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			moving[tp{t.Topic, p.Partition}] = slices.DeleteFunc(p.Replicas, func(id int32) bool { return slices.Contains(p.RemovingReplicas, id) })
		}
	}
	return moving, nil
}

func (l *live) assign(ctx context.Context, replicas map[tp][]int32) (map[tp]error, error) {
	var req kadm.AlterPartitionAssignmentsReq
	for at, to := range replicas {
		req.Assign(at.topic, at.partition, to)
	}
	resps, err := l.admin.AlterPartitionAssignments(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("asking for reassignments: %w", err)
	}
	refused := map[tp]error{}
	resps.Each(func(p kadm.AlterPartitionAssignmentsResponse) {
		if p.Err != nil {
			refused[tp{p.Topic, p.Partition}] = withMessage(p.Err, p.ErrMessage)
		}
	})
	return refused, nil
}

func withMessage(err error, message string) error {
	if message == "" || strings.Contains(err.Error(), message) {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}

func (l *live) elect(ctx context.Context, parts []tp) (map[tp]error, error) {
	var set kadm.TopicsSet
	for _, at := range parts {
		set.Add(at.topic, at.partition)
	}
	results, err := l.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
	if err != nil {
		return nil, fmt.Errorf("electing the first replicas: %w", err)
	}
	refused := map[tp]error{}
	for _, topic := range results {
		for _, p := range topic {
			if p.Err != nil {
				refused[tp{p.Topic, p.Partition}] = withMessage(p.Err, p.ErrMessage)
			}
		}
	}
	return refused, nil
}

func (l *live) minInSync(ctx context.Context, topics []string) (map[string]int, error) {
	all, err := l.admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("asking for min.insync.replicas: %w", err)
	}
	least := map[string]int{}
	for _, t := range all {
		if t.Err != nil {
			return nil, fmt.Errorf("asking for min.insync.replicas of topic %q: %w", t.Name, t.Err)
		}
		for _, c := range t.Configs {
			if c.Key != "min.insync.replicas" {
				continue
			}
			if least[t.Name], err = strconv.Atoi(c.MaybeValue()); err != nil {
				return nil, fmt.Errorf("min.insync.replicas of topic %q: %w", t.Name, err)
			}
		}
	}
	return least, nil
}

// changes makes the changes of a configuration.
func changes(configs map[string]string) (all []kadm.AlterConfig) {
	for name, value := range configs {
		c := kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value}
		if value == "" {
			c.Op, c.Value = kadm.DeleteConfig, nil
		}
		all = append(all, c)
	}
	return all
}

func outcome(resps kadm.AlterConfigsResponses, err error) error {
	errs := []error{err}
	for _, r := range resps {
		if r.Err != nil && !errors.Is(r.Err, kerr.UnknownTopicOrPartition) { // a topic that was deleted needs no throttle
			errs = append(errs, fmt.Errorf("%s: %w", r.Name, withMessage(r.Err, r.ErrMessage)))
		}
	}
	return errors.Join(errs...)
}

func (l *live) setTopics(ctx context.Context, topics []string, configs map[string]string) error {
	return outcome(l.admin.AlterTopicConfigs(ctx, changes(configs), topics...))
}

func (l *live) setBrokers(ctx context.Context, ids []int32, configs map[string]string) error {
	return outcome(l.admin.AlterBrokerConfigs(ctx, changes(configs), ids...))
}

func (l *live) throttledBrokers(ctx context.Context) (ids []int32) {
	ctx, cancel := context.WithTimeout(ctx, agreeOne)
	defer cancel()
	brokers, err := l.admin.ListBrokers(ctx)
	if err != nil || len(brokers) == 0 {
		return nil // whoever asks next hears of that
	}
	all, _ := l.admin.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...) // of those that answer
	for _, r := range all {
		set := slices.ContainsFunc(r.Configs, func(c kadm.Config) bool {
			return (c.Key == leaderRate || c.Key == followerRate) && (c.Source == kmsg.ConfigSourceDynamicBrokerConfig || c.Source == kmsg.ConfigSourceDynamicDefaultBrokerConfig)
		})
		if id, err := strconv.ParseInt(r.Name, 10, 32); set && err == nil {
			ids = append(ids, int32(id))
		}
	}
	slices.Sort(ids)
	return ids
}
