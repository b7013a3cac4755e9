package dumplog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// Offsets is the parser of the records of __consumer_offsets. It knows the records that brokers of 3.9 with ZooKeeper write: offsets and
// groups of the classic protocol.
func Offsets(r *Record) (key, value *string, err error) {
	if r.Key == nil {
		return nil, nil, &javalib.Exception{Class: "java.lang.RuntimeException", Message: fmt.Sprintf("Failed to decode message at offset %d using offset "+
			"topic decoder (message had a missing key)", r.Offset)}
	}
	k, v, err := offsetsRecord(r)
	if unknown := unknownType(0); errors.As(err, &unknown) {
		k = fmt.Sprintf("Unknown record type %d at offset %d, skipping.", unknown, r.Offset)
		return &k, nil, nil
	}
	if err != nil {
		k = fmt.Sprintf("Error at offset %d, skipping. %s", r.Offset, err)
		return &k, nil, nil
	}
	return &k, &v, nil
}

// unknownType is the type of a record that the parser does not know.
type unknownType int16

func (u unknownType) Error() string { return fmt.Sprintf("record type %d", int16(u)) }

// offsetsRecord gives the key and the value of a record as JSON.
func offsetsRecord(r *Record) (key, value string, err error) {
	if len(r.Key) < 2 {
		return "", "", errors.New("the key is shorter than its version")
	}
	version := int16(binary.BigEndian.Uint16(r.Key))
	var data object
	var parse func([]byte) (object, int16, error)
	switch version {
	case 0, 1:
		var k kmsg.OffsetCommitKey
		if err := k.ReadFrom(r.Key); err != nil {
			return "", "", err
		}
		data, parse = object{{"group", k.Group}, {"topic", k.Topic}, {"partition", k.Partition}}, offsetValue
	case 2:
		var k kmsg.GroupMetadataKey
		if err := k.ReadFrom(r.Key); err != nil {
			return "", "", err
		}
		data, parse = object{{"group", k.Group}}, groupValue
	default:
		return "", "", unknownType(version)
	}
	key = object{{"type", javalib.Itoa(version)}, {"data", data}}.String()
	if r.Value == nil {
		return key, "<DELETE>", nil
	}
	body, version, err := parse(r.Value)
	return key, object{{"version", javalib.Itoa(version)}, {"data", body}}.String(), err
}

// offsetValue reads a committed offset.
func offsetValue(b []byte) (data object, version int16, err error) {
	var v kmsg.OffsetCommitValue
	if err := v.ReadFrom(b); err != nil {
		return nil, 0, err
	}
	data.add("offset", v.Offset)
	if v.Version >= 3 {
		data.add("leaderEpoch", v.LeaderEpoch)
	}
	data.add("metadata", v.Metadata)
	data.add("commitTimestamp", v.CommitTimestamp)
	if v.Version == 1 {
		data.add("expireTimestamp", v.ExpireTimestamp)
	}
	return data, v.Version, nil
}

// consumerProtocol is the protocol type whose members' metadata and assignments are known.
const consumerProtocol = "consumer"

// groupValue reads the state of a group.
func groupValue(b []byte) (data object, version int16, err error) {
	var v kmsg.GroupMetadataValue
	if err := v.ReadFrom(b); err != nil {
		return nil, 0, err
	}
	data = object{{"protocolType", v.ProtocolType}, {"generation", v.Generation}, {"protocol", v.Protocol}, {"leader", v.Leader}}
	if v.Version >= 2 {
		data.add("currentStateTimestamp", v.CurrentStateTimestamp)
	}
	members := list{}
	for i := range v.Members {
		m := &v.Members[i]
		member := object{{"memberId", m.MemberID}}
		if v.Version >= 3 {
			member.add("groupInstanceId", m.InstanceID)
		}
		member.add("clientId", m.ClientID)
		member.add("clientHost", m.ClientHost)
		if v.Version >= 1 {
			member.add("rebalanceTimeout", m.RebalanceTimeoutMillis)
		}
		member.add("sessionTimeout", m.SessionTimeoutMillis)
		subscription, assignment := any(m.Subscription), any(m.Assignment)
		if v.ProtocolType == consumerProtocol {
			subscription, assignment = subscriptionOf(m.Subscription), assignmentOf(m.Assignment)
		}
		member.add("subscription", subscription)
		member.add("assignment", assignment)
		members = append(members, member)
	}
	data.add("members", members)
	return data, v.Version, nil
}

// subscriptionOf reads a consumer's subscription. It gives the bytes if they are none.
func subscriptionOf(b []byte) any {
	var s kmsg.ConsumerMemberMetadata
	if s.ReadFrom(b) != nil {
		return b
	}
	topics := list{}
	for _, t := range s.Topics {
		topics = append(topics, t)
	}
	data := object{{"topics", topics}, {"userData", s.UserData}}
	if s.Version >= 1 {
		owned := list{}
		for _, o := range s.OwnedPartitions {
			owned = append(owned, object{{"topic", o.Topic}, {"partitions", numbers(o.Partitions)}})
		}
		data.add("ownedPartitions", owned)
	}
	if s.Version >= 2 {
		data.add("generationId", s.Generation)
	}
	if s.Version >= 3 {
		data.add("rackId", s.Rack)
	}
	return data
}

// assignmentOf reads a consumer's assignment. It gives the bytes if they are none.
func assignmentOf(b []byte) any {
	var a kmsg.ConsumerMemberAssignment
	if a.ReadFrom(b) != nil {
		return b
	}
	topics := list{}
	for _, t := range a.Topics {
		topics = append(topics, object{{"topic", t.Topic}, {"partitions", numbers(t.Partitions)}})
	}
	return object{{"assignedPartitions", topics}, {"userData", a.UserData}}
}

// numbers gives numbers as a JSON array.
func numbers(partitions []int32) list {
	l := list{}
	for _, p := range partitions {
		l = append(l, p)
	}
	return l
}
