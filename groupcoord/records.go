package groupcoord

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// The records of __consumer_offsets are Apache Kafka 3.9's (GroupMetadataManager): a key of version 1 for an
// offset, with a value of version 3, or 1 for one with a time to expire; a key of version 2 for a group, with a value of
// version 3. Older versions are read, too, and version 4 of both values: Kafka 4 writes it, with tagged fields (KIP-915), of which those
// that are not known are passed over.
const (
	offsetKeyVersion   = 1
	groupKeyVersion    = 2
	offsetValueVersion = 3
	expiringVersion    = 1
	groupValueVersion  = 3

	newestValueVersion = 4
)

// tpOf is a topic and partition as one value.
func tpOf(topic string, partition int32) protocol.TopicPartition {
	return protocol.TopicPartition{Topic: topic, Partition: partition}
}

// commitKey is the key of a group's offset in a partition.
func commitKey(group, topic string, partition int32) []byte {
	return appendCommitKey(make([]byte, 0, commitKeySize(group, topic)), group, topic, partition)
}

func commitKeySize(group, topic string) int { return 2 + 2 + len(group) + 2 + len(topic) + 4 }

func appendCommitKey(b []byte, group, topic string, partition int32) []byte {
	b = binary.BigEndian.AppendUint16(b, offsetKeyVersion)
	b = appendString(b, group)
	b = appendString(b, topic)
	return binary.BigEndian.AppendUint32(b, uint32(partition))
}

// appendCommitRecord gives the record of an offset. It appends its key and value to b, so that all records of a commit share one
// allocation.
func appendCommitRecord(b []byte, group, topic string, partition int32, c *commit) ([]byte, record) {
	start := len(b)
	b = appendCommitKey(b, group, topic, partition)
	value := len(b)
	be := binary.BigEndian
	if c.expiresMs != -1 {
		b = be.AppendUint16(b, expiringVersion)
		b = be.AppendUint64(b, uint64(c.offset))
		b = appendString(b, c.metadata)
		b = be.AppendUint64(b, uint64(c.timeMs))
		b = be.AppendUint64(b, uint64(c.expiresMs))
	} else {
		b = be.AppendUint16(b, offsetValueVersion)
		b = be.AppendUint64(b, uint64(c.offset))
		b = be.AppendUint32(b, uint32(c.leaderEpoch))
		b = appendString(b, c.metadata)
		b = be.AppendUint64(b, uint64(c.timeMs))
	}
	return b, record{key: b[start:value:value], value: b[value:]}
}

// commitRecordSize is the most bytes that the record of an offset takes.
func commitRecordSize(group, topic, metadata string) int {
	return commitKeySize(group, topic) + 2 + 8 + 2 + len(metadata) + 8 + 8
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// groupKey is the key of a group's own record.
func groupKey(group string) []byte {
	return appendString(binary.BigEndian.AppendUint16(nil, groupKeyVersion), group)
}

// record is the group's own record, with the present assignments.
func (g *group) record() record {
	given := make(map[string][]byte, len(g.members))
	for _, m := range g.members {
		given[m.id] = m.assignment
	}
	return g.recordWith(given)
}

// recordWith is the group's own record with these assignments, by member id.
func (g *group) recordWith(given map[string][]byte) record {
	v := kmsg.NewGroupMetadataValue()
	v.Version, v.Generation, v.Protocol, v.CurrentStateTimestamp = groupValueVersion, g.generation, g.protocol, g.sinceMs
	if g.kind != nil {
		v.ProtocolType = *g.kind
	}
	if g.leader != "" {
		v.Leader = &g.leader
	}
	for _, m := range g.members {
		vm := kmsg.NewGroupMetadataValueMember()
		vm.MemberID, vm.InstanceID, vm.ClientID, vm.ClientHost = m.id, m.instanceID, m.clientID, m.clientHost
		vm.RebalanceTimeoutMillis, vm.SessionTimeoutMillis = m.rebalanceTimeoutMs, m.sessionTimeoutMs
		vm.Subscription, vm.Assignment = m.metadata(*g.protocol), given[m.id]
		v.Members = append(v.Members, vm)
	}
	return record{key: groupKey(g.id), value: v.AppendTo(nil)}
}

// readKey reads the key of a record: of an offset, or of a group if topic is nil. The strings share the memory of b.
func readKey(b []byte) (group string, topic *string, partition int32, err error) {
	if len(b) < 2 {
		return "", nil, 0, errNoKey
	}
	switch version := int16(binary.BigEndian.Uint16(b)); version {
	case 0, offsetKeyVersion:
		var v kmsg.OffsetCommitKey
		if v.UnsafeReadFrom(b) != nil {
			return "", nil, 0, errors.New("the key of an offset ends too early")
		}
		return v.Group, &v.Topic, v.Partition, nil
	case groupKeyVersion:
		var v kmsg.GroupMetadataKey
		if v.UnsafeReadFrom(b) != nil {
			return "", nil, 0, errors.New("the key of a group ends too early")
		}
		return v.Group, nil, 0, nil
	default:
		if version < 0 {
			return "", nil, 0, fmt.Errorf("a key of version %d", version)
		}
		return "", nil, 0, errUnknownVersion
	}
}

// errUnknownVersion is the error of a record that only newer brokers can read: a value of a newer version, or another kind of record, as
// those of the consumer protocol and of share groups. Such a record stays in the log: this package writes nothing with its key.
var errUnknownVersion = errors.New("a record of a version that only newer brokers know")

var errNoKey = errors.New("a record without a key")

// readCommit reads the value of an offset. Its metadata shares the memory of b.
func readCommit(b []byte) (commit, error) {
	var v kmsg.OffsetCommitValue
	if err := checkVersion(b); err != nil {
		return commit{}, err
	}
	v.Default()
	if v.UnsafeReadFrom(b) != nil {
		return commit{}, errors.New("the value of an offset ends too early")
	}
	c := commit{offset: v.Offset, leaderEpoch: -1, metadata: v.Metadata, timeMs: v.CommitTimestamp, expiresMs: -1}
	if v.Version >= 3 {
		c.leaderEpoch = v.LeaderEpoch
	}
	if v.Version == expiringVersion {
		c.expiresMs = v.ExpireTimestamp
	}
	return c, nil
}

func checkVersion(b []byte) error {
	if len(b) < 2 {
		return errors.New("a value without a version")
	}
	switch v := int16(binary.BigEndian.Uint16(b)); {
	case v < 0:
		return fmt.Errorf("a value of version %d", v)
	case v > newestValueVersion:
		return errUnknownVersion
	}
	return nil
}

// readGroup makes a group from the value of its record.
func readGroup(config *Config, id string, b []byte) (*group, error) {
	var v kmsg.GroupMetadataValue
	if err := checkVersion(b); err != nil {
		return nil, err
	}
	v.Default()
	if v.ReadFrom(b) != nil {
		return nil, errors.New("the value of a group ends too early")
	}
	g := newGroup(config, id, -1)
	g.generation, g.protocol = v.Generation, v.Protocol
	if v.Version >= 2 {
		g.sinceMs = v.CurrentStateTimestamp
	}
	if v.ProtocolType != "" {
		g.kind = &v.ProtocolType
	}
	if len(v.Members) > 0 {
		g.state = Stable
		if v.Protocol == nil {
			return nil, errors.New("the value of a group has members and no protocol")
		}
	}
	for _, vm := range v.Members {
		if g.byID[vm.MemberID] != nil || vm.InstanceID != nil && g.static[*vm.InstanceID] != nil {
			return nil, fmt.Errorf("the value of a group has two members %s", vm.MemberID)
		}
		m := &member{
			id: vm.MemberID, instanceID: vm.InstanceID, clientID: vm.ClientID, clientHost: vm.ClientHost,
			rebalanceTimeoutMs: vm.RebalanceTimeoutMillis, sessionTimeoutMs: vm.SessionTimeoutMillis,
			protocols: keep([]Protocol{{*v.Protocol, vm.Subscription}}), assignment: bytes.Clone(vm.Assignment),
		}
		if v.Version == 0 {
			m.rebalanceTimeoutMs = m.sessionTimeoutMs
		}
		g.add(m)
	}
	if v.Leader != nil && g.byID[*v.Leader] != nil {
		g.leader = *v.Leader
	}
	g.subscribe()
	return g, nil
}
