package order

import (
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// UpdateMetadata, key 6. Versions 0 to 4 name the topic with each partition, later ones group the partitions by topic. Of a
// broker, version 0 has one address, 1 and 2 have addresses by security protocol, and later ones by listener; 2 has the rack.
// Version 4 has the offline replicas, 5 the broker epoch, 7 topic ids, 8 that a KRaft controller asks, which is never so here.

const (
	// endpointVersion is the first version of UpdateMetadata that has several addresses of a broker, and listenerVersion the first
	// that names their listeners.
	endpointVersion = 1
	listenerVersion = 3
)

// securityProtocols are the names of the protocols, by the number that they have on the wire.
var securityProtocols = [...]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}

// securityProtocolID gives the number of a security protocol.
func securityProtocolID(name string) (id int16, known bool) {
	for i, n := range securityProtocols {
		if n == name {
			return int16(i), true
		}
	}
	return 0, false
}

// Wire makes the request in the version that is sent to peers. It shares the slices of r, which must not be changed until it is sent. A
// listener with a security protocol that Kafka does not have is left out, since a receiver would refuse the whole request for it.
func (r *UpdateMetadataRequest) Wire() *kmsg.UpdateMetadataRequest {
	req := kmsg.NewPtrUpdateMetadataRequest()
	req.SetVersion(UpdateMetadataVersion)
	req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = r.ControllerID, r.ControllerEpoch, r.BrokerEpoch
	req.TopicStates = make([]kmsg.UpdateMetadataRequestTopicState, len(r.Topics))
	for i := range r.Topics {
		from, t := &r.Topics[i], &req.TopicStates[i]
		t.Topic, t.TopicID = from.Name, from.ID
		t.PartitionStates = make([]kmsg.UpdateMetadataRequestTopicPartition, len(from.Partitions))
		for j := range from.Partitions {
			p, s := &from.Partitions[j], &t.PartitionStates[j]
			s.Partition, s.ControllerEpoch, s.Leader, s.LeaderEpoch = p.Partition, p.ControllerEpoch, p.Leader, p.LeaderEpoch
			s.ISR, s.ZKVersion, s.Replicas, s.OfflineReplicas = p.ISR, p.PartitionEpoch, p.Replicas, p.Offline
		}
	}
	for i := range r.Brokers {
		from := &r.Brokers[i]
		b := kmsg.NewUpdateMetadataRequestLiveBroker()
		b.ID, b.Rack = from.ID, from.Rack
		for _, e := range from.Endpoints {
			protocol, known := securityProtocolID(e.SecurityProtocol)
			if !known {
				continue
			}
			out := kmsg.NewUpdateMetadataRequestLiveBrokerEndpoint()
			out.ListenerName, out.SecurityProtocol, out.Host, out.Port = e.Listener, protocol, e.Host, e.Port
			b.Endpoints = append(b.Endpoints, out)
		}
		req.LiveBrokers = append(req.LiveBrokers, b)
	}
	return req
}

// EncodedTopics are the topics of UpdateMetadata requests as they are on the wire. A controller tells every broker the same partitions, all of
// them when it begins: it encodes them for the first broker, and the others get the same bytes. The zero value is ready. Any goroutine may
// use it.
type EncodedTopics struct {
	once  sync.Once
	bytes []byte // set by once; the list with its length
}

// Where the list of topics stands in an UpdateMetadata of UpdateMetadataVersion: behind the header, the type of the controller and its
// epoch, and before the brokers and the tagged fields, each of which takes one byte where there are none.
const (
	beforeTopics = 4 + 1 + 4 + 8
	afterTopics  = 2
)

// of gives the bytes of the topics, which are those of every request that shares e.
func (e *EncodedTopics) of(topics []TopicMetadata) []byte {
	e.once.Do(func() {
		room := 64
		for i := range topics {
			room += 64 * (1 + len(topics[i].Partitions)) // about as much as a partition with three replicas takes
		}
		whole := (&UpdateMetadataRequest{Topics: topics}).Wire().AppendTo(make([]byte, 0, room))
		e.bytes = whole[beforeTopics : len(whole)-afterTopics]
	})
	return e.bytes
}

// Message makes the request as Wire does, but that the topics are encoded once for all requests that share Encoded.
func (r *UpdateMetadataRequest) Message() kmsg.Request {
	if r.Encoded == nil {
		return r.Wire()
	}
	rest := *r
	rest.Topics = nil
	return &encodedUpdate{rest.Wire(), r.Encoded.of(r.Topics)}
}

// encodedUpdate is an UpdateMetadata whose topics are encoded already.
type encodedUpdate struct {
	*kmsg.UpdateMetadataRequest // without topics
	topics                      []byte
}

// AppendTo implements kmsg.Request.
func (u *encodedUpdate) AppendTo(dst []byte) []byte {
	rest := u.UpdateMetadataRequest.AppendTo(nil)
	dst = append(slices.Grow(dst, len(rest)+len(u.topics)), rest[:beforeTopics]...)
	dst = append(dst, u.topics...)
	return append(dst, rest[beforeTopics+1:]...) // no topics take one byte
}

// UpdateMetadataFromWire reads a request of any version. It takes the slices of req over. It fails for a security protocol that Kafka
// does not have in the versions in which a listener is called as its security protocol.
func UpdateMetadataFromWire(req *kmsg.UpdateMetadataRequest) (*UpdateMetadataRequest, error) {
	r := &UpdateMetadataRequest{Header: Header{ControllerID: req.ControllerID, ControllerEpoch: req.ControllerEpoch, BrokerEpoch: req.BrokerEpoch}}
	r.Topics = make([]TopicMetadata, 0, len(req.TopicStates))
	var topics grouping // of the versions that do not group
	for i := range req.PartitionStates {
		s := &req.PartitionStates[i]
		at, isNew := topics.place(topicKey{name: s.Topic})
		if isNew {
			r.Topics = append(r.Topics, TopicMetadata{Name: s.Topic})
		}
		r.Topics[at].Partitions = append(r.Topics[at].Partitions, partitionFromWire(s))
	}
	for i := range req.TopicStates {
		from := &req.TopicStates[i]
		t := TopicMetadata{Name: from.Topic, ID: protocol.UUID(from.TopicID), Partitions: make([]PartitionMetadata, len(from.PartitionStates))}
		for j := range from.PartitionStates {
			t.Partitions[j] = partitionFromWire(&from.PartitionStates[j])
		}
		r.Topics = append(r.Topics, t)
	}
	for i := range req.LiveBrokers {
		b, err := brokerFromWire(&req.LiveBrokers[i], req.Version)
		if err != nil {
			return nil, err
		}
		r.Brokers = append(r.Brokers, b)
	}
	return r, nil
}

func partitionFromWire(s *kmsg.UpdateMetadataRequestTopicPartition) PartitionMetadata {
	return PartitionMetadata{
		Partition: s.Partition, ControllerEpoch: s.ControllerEpoch, Leader: s.Leader, LeaderEpoch: s.LeaderEpoch,
		ISR: s.ISR, PartitionEpoch: s.ZKVersion, Replicas: s.Replicas, Offline: s.OfflineReplicas,
	}
}

// brokerFromWire reads a broker. In the versions that do not name listeners, a listener has the name of its security protocol. In
// later ones a protocol that Kafka does not have is none: nobody can dial the listener, and clients are told of it all the same.
func brokerFromWire(from *kmsg.UpdateMetadataRequestLiveBroker, version int16) (LiveBroker, error) {
	b := LiveBroker{ID: from.ID, Epoch: -1, Rack: from.Rack}
	if version < endpointVersion {
		plain := securityProtocols[0]
		b.Endpoints = []Endpoint{{Listener: plain, SecurityProtocol: plain, Host: from.Host, Port: from.Port}}
		return b, nil
	}
	for _, e := range from.Endpoints {
		out := Endpoint{Listener: e.ListenerName, Host: e.Host, Port: e.Port}
		if e.SecurityProtocol >= 0 && int(e.SecurityProtocol) < len(securityProtocols) {
			out.SecurityProtocol = securityProtocols[e.SecurityProtocol]
		}
		if version < listenerVersion {
			if out.Listener = out.SecurityProtocol; out.Listener == "" {
				return b, fmt.Errorf("broker %d listens on %s:%d with security protocol %d, which is not known", from.ID, e.Host, e.Port, e.SecurityProtocol)
			}
		}
		b.Endpoints = append(b.Endpoints, out)
	}
	return b, nil
}

// UpdateMetadataAnswer makes the answer to an UpdateMetadata.
func UpdateMetadataAnswer(err error, version int16, code Coder) *kmsg.UpdateMetadataResponse {
	resp := kmsg.NewPtrUpdateMetadataResponse()
	resp.SetVersion(version)
	resp.ErrorCode = code(err)
	return resp
}
