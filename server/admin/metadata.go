package admin

// Metadata: key 3, versions 0 to 13.
//
//	0  an empty list of topics asks for all
//	1  the controller's id, racks, internal topics; null asks for all topics
//	2  the cluster's id
//	3  throttle time
//	4  allow_auto_topic_creation; before, every request allows it
//	5  offline replicas
//	7  leader epochs
//	8  authorized operations (KIP-430); the cluster's only until 10
//	9  flexible
//	10 topic ids in the answer; names may be null on the wire
//	12 topics asked for by id (KIP-516)
//	13 an error for the whole answer (KIP-1102)
//
// Refused, in this order: the whole request, for a null name or an id before version
// 12, and for a topic with neither from version 12 on (INVALID_REQUEST for each topic,
// and no brokers); then topic by topic, an unknown id (UNKNOWN_TOPIC_ID); an invalid
// name (INVALID_TOPIC_EXCEPTION); a topic that does not exist
// (UNKNOWN_TOPIC_OR_PARTITION), or that the broker creates for this request
// (LEADER_NOT_AVAILABLE, after which clients ask again). If a request asks for one
// topic by id, the answer leaves out the topics that it asks for by name, as in the
// reference.
//
// Missing on purpose: UNKNOWN_SERVER_ERROR, with which the reference answers a topic
// with neither name nor id in version 12, by accident. REBOOTSTRAP_REQUIRED: a klamm
// broker has no reason to send its clients back to their bootstrap servers.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/view"
)

const (
	metadataNullAsksAll  = 1  // the first version in which null asks for all topics
	metadataAutoCreation = 4  // the first version that says whether topics may be created
	metadataListeners    = 6  // the first version that knows LISTENER_NOT_FOUND
	metadataTopicIDs     = 12 // the first version that may ask by id
	metadataClusterOps   = 10 // the last version with the cluster's authorized operations
	metadataErrorCode    = 13 // the first version with an error for the whole answer
)

// What a client may do without an authorizer, as the bits of KIP-430.
const (
	everythingOnTopics  int32 = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	everythingOnCluster int32 = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// Metadata serves Metadata: see above.
func (s *Service) Metadata(c *request.Call, req *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	all := req.Topics == nil || len(req.Topics) == 0 && req.Version < metadataNullAsksAll
	if !all && refusesTopics(req, resp) {
		return resp
	}
	meta := s.broker.Metadata()
	resp.ClusterID = kmsg.StringPtr(meta.ClusterID)
	resp.ControllerID = meta.ControllerID
	resp.Brokers = s.metadataBrokers(c, meta)
	if req.IncludeClusterAuthorizedOperations && req.Version <= metadataClusterOps {
		resp.AuthorizedOperations = everythingOnCluster
	}
	m := metadataAnswer{server: s, call: c, meta: meta, version: req.Version, listener: c.Conn.Listener().Name, large: c.Large(),
		operations: req.IncludeTopicAuthorizedOperations, resp: resp}
	switch {
	case all:
		variant := metadataVariant{req.Version, m.listener, m.operations}
		return &allTopicsResponse{resp, s.allTopics.topics(meta, variant, m.all)}
	case asksByID(req):
		m.byID(req.Topics)
	default:
		m.byName(req)
	}
	if m.operations {
		m.includeOperations()
	}
	return resp
}

// refusesTopics refuses a request that has a topic without a valid name or id. It reports
// whether it did.
func refusesTopics(req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse) bool {
	good := true
	for i := range req.Topics {
		t := &req.Topics[i]
		hasID := t.TopicID != [16]byte{}
		if req.Version < metadataTopicIDs {
			good = good && t.Topic != nil && !hasID
		} else {
			good = good && (t.Topic != nil || hasID || asksByID(req))
		}
	}
	if good {
		return false
	}
	resp.ErrorCode = kerr.InvalidRequest.Code
	for i := range req.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.ErrorCode = kerr.InvalidRequest.Code
		t.TopicID = req.Topics[i].TopicID
		t.Topic = req.Topics[i].Topic
		if t.Topic == nil {
			t.Topic = kmsg.StringPtr("")
		}
		resp.Topics = append(resp.Topics, t)
	}
	return true
}

// asksByID reports whether the request asks for at least one topic by id.
func asksByID(req *kmsg.MetadataRequest) bool {
	for i := range req.Topics {
		if req.Topics[i].TopicID != [16]byte{} {
			return true
		}
	}
	return false
}

// metadataAnswer collects the topics of one answer.
type metadataAnswer struct {
	server   *Service
	call     *request.Call
	meta     *cluster.Metadata
	version  int16
	listener string
	large    bool // the request has many elements and must not wait, see request.Places
	// operations is include_topic_authorized_operations.
	operations bool
	resp       *kmsg.MetadataResponse
}

// all returns the topics of an answer about all topics.
func (m *metadataAnswer) all() []kmsg.MetadataResponseTopic {
	of := *m
	of.resp = kmsg.NewPtrMetadataResponse()
	of.resp.Topics = make([]kmsg.MetadataResponseTopic, 0, m.meta.NumTopics())
	for _, t := range m.meta.SortedTopics() {
		of.topic(t)
	}
	if m.operations {
		of.includeOperations()
	}
	return of.resp.Topics
}

// includeOperations adds to each topic what the client may do with it.
func (m *metadataAnswer) includeOperations() {
	for i := range m.resp.Topics {
		if m.resp.Topics[i].Topic != nil {
			m.resp.Topics[i].AuthorizedOperations = everythingOnTopics
		}
	}
}

// byID answers the topics that the request asks for by id, each once.
func (m *metadataAnswer) byID(topics []kmsg.MetadataRequestTopic) {
	seen := make(map[protocol.UUID]bool, len(topics))
	for i := range topics {
		id := protocol.UUID(topics[i].TopicID)
		if id.IsZero() || seen[id] {
			continue
		}
		seen[id] = true
		if t := m.meta.TopicByID(id); t != nil {
			m.topic(t)
			continue
		}
		t := kmsg.NewMetadataResponseTopic()
		t.TopicID, t.ErrorCode = id, kerr.UnknownTopicID.Code
		m.resp.Topics = append(m.resp.Topics, t)
	}
}

// byName answers the topics that the request asks for by name, each once. It creates those
// that do not exist if the request and auto.create.topics.enable allow it.
func (m *metadataAnswer) byName(req *kmsg.MetadataRequest) {
	create := (req.AllowAutoTopicCreation || req.Version < metadataAutoCreation) && m.server.config.Current().Bool("auto.create.topics.enable")
	seen := make(map[string]bool, len(req.Topics))
	var wanted []string
	for i := range req.Topics {
		name := *req.Topics[i].Topic
		if seen[name] {
			continue
		}
		seen[name] = true
		if t := m.meta.Topic(name); t != nil {
			m.topic(t)
		} else if err := cluster.ValidateTopicName(name); err != nil {
			m.missing(name, err)
		} else if create {
			wanted = append(wanted, name)
		} else {
			m.missing(name, kerr.UnknownTopicOrPartition)
		}
	}
	if len(wanted) == 0 {
		return
	}
	for i, err := range m.create(wanted) {
		m.missing(wanted[i], err)
	}
}

// create creates topics that do not exist. It returns the error with which each is answered. A large request keeps
// others waiting, so it does not wait until the topics are created.
func (m *metadataAnswer) create(names []string) []error {
	if m.large {
		return m.server.AutoCreateLater(m.call.Who(), names)
	}
	return m.server.AutoCreate(m.call.Who(), names)
}

// missing answers a topic that does not exist.
func (m *metadataAnswer) missing(name string, err error) {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.IsInternal, t.ErrorCode = &name, cluster.IsInternalTopic(name), codes.Of(err)
	m.resp.Topics = append(m.resp.Topics, t)
}

// topic answers a topic that exists.
func (m *metadataAnswer) topic(known *cluster.Topic) {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.TopicID, t.IsInternal = &known.Name, known.ID, known.IsInternal()
	t.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, known.Partitions.Len())
	for p := range known.Partitions.All() {
		t.Partitions = append(t.Partitions, m.partition(p))
	}
	m.resp.Topics = append(m.resp.Topics, t)
}

func (m *metadataAnswer) partition(known *cluster.Partition) kmsg.MetadataResponseTopicPartition {
	p := kmsg.NewMetadataResponseTopicPartition()
	p.Partition, p.Leader, p.LeaderEpoch = known.Index, known.Leader, known.LeaderEpoch
	p.Replicas, p.ISR, p.OfflineReplicas = known.Replicas, known.ISR, known.Offline
	if m.version == 0 {
		p.Replicas, p.ISR = m.alive(known.Replicas), m.alive(known.ISR)
	}
	if err := m.unreachable(known.Leader); err != nil {
		p.ErrorCode, p.Leader = err.Code, cluster.NoLeader
	} else if len(p.Replicas) < len(known.Replicas) || len(p.ISR) < len(known.ISR) {
		p.ErrorCode = kerr.ReplicaNotAvailable.Code
	}
	return p
}

// unreachable returns the reason why the client cannot reach a leader by the listener by
// which it connected; nil if it can.
func (m *metadataAnswer) unreachable(leader int32) *kerr.Error {
	b := m.meta.Broker(leader)
	if b == nil {
		return kerr.LeaderNotAvailable
	}
	if _, listens := b.Endpoint(m.listener); listens {
		return nil
	}
	if m.version < metadataListeners {
		return kerr.LeaderNotAvailable
	}
	return kerr.ListenerNotFound
}

// alive returns the ids of the brokers that are live.
func (m *metadataAnswer) alive(ids []int32) []int32 {
	out := make([]int32, 0, len(ids))
	for _, id := range ids {
		if m.meta.Broker(id) != nil {
			out = append(out, id)
		}
	}
	return out
}

// metadataBrokers returns the brokers that a client can reach, in the form of the answer.
func (s *Service) metadataBrokers(c *request.Call, meta *cluster.Metadata) []kmsg.MetadataResponseBroker {
	var out []kmsg.MetadataResponseBroker
	for _, b := range view.Brokers(s.broker, c, meta) {
		m := kmsg.NewMetadataResponseBroker()
		m.NodeID, m.Host, m.Port, m.Rack = b.ID, b.Host, b.Port, b.Rack
		out = append(out, m)
	}
	return out
}
