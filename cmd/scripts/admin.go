package scripts

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/connect"
	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// shard is one broker's part of an answer.
type shard = kgo.ResponseShard

// admin asks a cluster what Kafka's Admin client asks it, and gives what that gives, in its order.
type admin struct {
	client *kgo.Client
	kadm   *kadm.Client
}

// requestTimeout is how long a broker may take for what a request asks for.
const requestTimeout = 30 * time.Second

// dial connects to a cluster: bootstrap are the addresses, file is "" or a file with the properties of a Java client.
func dial(ctx context.Context, bootstrap, file string, more ...kgo.Opt) (*admin, error) {
	config, err := configOf(bootstrap, file)
	if err != nil {
		return nil, err
	}
	cluster, err := config.Open(ctx, append([]kgo.Opt{kgo.MetadataMinAge(100 * time.Millisecond)}, more...)...)
	if err != nil {
		return nil, err
	}
	return &admin{cluster.Client, cluster.Admin}, nil
}

// dialWith connects as two options say.
func dialWith(ctx context.Context, opts *jopt.Set, bootstrap, commandConfig *jopt.Option, more ...kgo.Opt) (*admin, error) {
	servers, err := opts.Value(bootstrap)
	if err != nil {
		return nil, err
	}
	file, err := opts.Value(commandConfig)
	if err != nil {
		return nil, err
	}
	return dial(ctx, servers, file, more...)
}

// configOf says how to reach a cluster.
func configOf(bootstrap, file string) (connect.Config, error) {
	var properties connect.Properties
	var servers connect.Servers
	if err := servers.Set(bootstrap); err != nil {
		return connect.Config{}, &exit{1, "--bootstrap-server: " + err.Error()}
	}
	if file != "" {
		var err error
		if properties, err = connect.ReadProperties(file); err != nil {
			return connect.Config{}, &exit{1, err.Error()}
		}
	}
	config, err := connect.New(servers, properties)
	if err != nil {
		return config, &exit{1, err.Error()}
	}
	return config, nil
}

func (a *admin) close() { a.client.Close() }

// node is a broker.
type node struct {
	id   int32
	host string
	port int32
	rack *string
}

// nodes gives the brokers that are alive, in the order of the Admin client.
func (a *admin) nodes(ctx context.Context) (*javalib.HashMap[int32, node], error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	all := javalib.NewHashMap[int32, node](javalib.IntHash)
	for _, b := range resp.Brokers {
		all.Put(b.NodeID, node{b.NodeID, b.Host, b.Port, b.Rack})
	}
	return all, nil
}

// topicNames gives the names and ids of all topics, in the order of the Admin client.
func (a *admin) topicNames(ctx context.Context, internal bool) (*javalib.HashMap[string, [16]byte], error) {
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, a.client) // without topics: all
	if err != nil {
		return nil, javalib.OfError(err)
	}
	all := javalib.NewHashMap[string, [16]byte](javalib.StringHash)
	for _, t := range resp.Topics {
		if internal || !t.IsInternal {
			all.Put(*t.Topic, t.TopicID)
		}
	}
	return all, nil
}

// topic is what the Admin client tells of a topic, or why it does not.
type topic struct {
	name       string
	id         [16]byte
	partitions []partition
	err        *javalib.Exception
}

// partition is what the Admin client tells of a partition.
type partition struct {
	number        int32
	leader        int32 // -1 for none that is alive
	replicas, isr []int32
	elr, lastELR  []int32
	hasELR        bool // whether the brokers tell of elr and lastELR
}

// topics describes topics by name. The order is that of a HashMap made for so many names.
func (a *admin) topics(ctx context.Context, names []string, perResponse int32) (*javalib.HashMap[string, *topic], error) {
	futures := javalib.NewHashMapFor[string, *topic](javalib.StringHash, len(names))
	var known []string
	for _, name := range names {
		if name == "" {
			futures.Put(name, &topic{name: name, err: unrepresentable(name)})
		} else if !futures.Has(name) {
			futures.Put(name, nil)
			known = append(known, name)
		}
	}
	if len(known) > 0 {
		brokers, err := a.nodes(ctx)
		if err != nil {
			return nil, err
		}
		told, err := a.topicsByPage(ctx, known, perResponse, brokers)
		if err != nil {
			told, err = a.topicsByMetadata(ctx, known, brokers)
		}
		if err != nil {
			return nil, err
		}
		for _, name := range known {
			futures.Put(name, told[name])
		}
	}
	copied := javalib.NewHashMapOf[string, *topic](javalib.StringHash, futures.Len())
	for name, t := range futures.All() {
		copied.Put(name, t)
	}
	return copied, nil
}

// describedTopics is topics where all have to be there: the first error ends it.
func (a *admin) describedTopics(ctx context.Context, names []string, perResponse int32) (*javalib.HashMap[string, *topic], error) {
	futures, err := a.topics(ctx, names, perResponse)
	if err != nil {
		return nil, err
	}
	all := javalib.NewHashMapFor[string, *topic](javalib.StringHash, futures.Len())
	for name, t := range futures.All() {
		if t.err != nil {
			return nil, t.err
		}
		all.Put(name, t)
	}
	return all, nil
}

func unrepresentable(name string) *javalib.Exception {
	return javalib.Kafka("InvalidTopicException", "The given topic name '"+name+"' cannot be represented in a request.")
}

// errNoPages says that the brokers do not serve DescribeTopicPartitions.
var errNoPages = errors.New("the brokers do not serve DescribeTopicPartitions")

// topicsByPage describes topics by DescribeTopicPartitions, so many partitions in an answer.
func (a *admin) topicsByPage(ctx context.Context, names []string, perResponse int32, brokers *javalib.HashMap[int32, node]) (map[string]*topic, error) {
	if version, err := a.highest(ctx, kmsg.DescribeTopicPartitions); err != nil || version < 0 {
		return nil, errNoPages
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = perResponse
	for _, name := range slices.SortedFunc(slices.Values(names), javalib.CompareStrings) {
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = name
		req.Topics = append(req.Topics, t)
	}
	told := map[string]*topic{}
	for {
		resp, err := req.RequestWith(ctx, a.client)
		if err != nil {
			return nil, javalib.OfError(err)
		}
		for _, rt := range resp.Topics {
			name := *rt.Topic
			t := told[name]
			if t == nil {
				t = &topic{name: name, id: rt.TopicID, err: javalib.FromCode(rt.ErrorCode, nil)}
				told[name] = t
			}
			for _, p := range rt.Partitions {
				one := partition{p.Partition, living(p.LeaderID, brokers), p.Replicas, p.ISR, p.EligibleLeaderReplicas, p.LastKnownELR, true}
				t.partitions = append(t.partitions, one)
			}
		}
		if resp.NextCursor == nil {
			return told, nil
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
		req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.DescribeTopicPartitionsRequestTopic) bool {
			return javalib.CompareStrings(t.Topic, req.Cursor.Topic) < 0
		})
	}
}

// living is a leader, or -1 where that broker is not alive.
func living(leader int32, brokers *javalib.HashMap[int32, node]) int32 {
	if !brokers.Has(leader) {
		return -1
	}
	return leader
}

// topicsByMetadata describes topics by Metadata.
func (a *admin) topicsByMetadata(ctx context.Context, names []string, brokers *javalib.HashMap[int32, node]) (map[string]*topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	told := map[string]*topic{}
	for _, rt := range resp.Topics {
		t := &topic{name: *rt.Topic, id: rt.TopicID, err: javalib.FromCode(rt.ErrorCode, nil)}
		for _, p := range rt.Partitions {
			t.partitions = append(t.partitions, partition{number: p.Partition, leader: living(p.Leader, brokers), replicas: p.Replicas, isr: p.ISR})
		}
		slices.SortFunc(t.partitions, func(p, q partition) int { return cmp.Compare(p.number, q.number) })
		told[t.name] = t
	}
	for _, name := range names {
		if told[name] == nil {
			told[name] = &topic{name: name, err: javalib.Kafka("UnknownTopicOrPartitionException", "Topic "+name+" not found.")}
		}
	}
	return told, nil
}

// apiVersions asks a broker what it serves.
func apiVersions(ctx context.Context, of kmsg.Requestor) ([]kmsg.ApiVersionsResponseApiKey, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "klamm", release
	resp, err := req.RequestWith(ctx, of)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	if e := javalib.FromCode(resp.ErrorCode, nil); e != nil {
		return nil, e
	}
	return resp.ApiKeys, nil
}

// highest gives the highest version of an API that a broker serves, -1 for none.
func (a *admin) highest(ctx context.Context, api kmsg.Key) (int16, error) {
	keys, err := apiVersions(ctx, a.client)
	for _, k := range keys {
		if k.ApiKey == api.Int16() {
			return k.MaxVersion, nil
		}
	}
	return -1, err
}

// reassignment is a reassignment under way.
type reassignment struct{ replicas, adding, removing []int32 }

// reassignments gives the reassignments of some partitions, or of all where those are nil.
func (a *admin) reassignments(ctx context.Context, of []javalib.TopicPartition) (map[javalib.TopicPartition]reassignment, error) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	if of != nil {
		req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{}
		for name, parts := range byTopic(of) {
			t := kmsg.NewListPartitionReassignmentsRequestTopic()
			t.Topic, t.Partitions = name, parts
			req.Topics = append(req.Topics, t)
		}
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	if e := javalib.FromCode(resp.ErrorCode, resp.ErrorMessage); e != nil {
		return nil, e
	}
	all := map[javalib.TopicPartition]reassignment{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			all[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = reassignment{p.Replicas, p.AddingReplicas, p.RemovingReplicas}
		}
	}
	return all, nil
}

// byTopic sorts partitions by their topics.
func byTopic(parts []javalib.TopicPartition) map[string][]int32 {
	all := map[string][]int32{}
	for _, p := range parts {
		all[p.Topic] = append(all[p.Topic], p.Partition)
	}
	return all
}
