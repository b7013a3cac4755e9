package javalib

import "unicode/utf16"

// StringHash is String.hashCode.
func StringHash(s string) (h int32) {
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + int32(unit)
	}
	return h
}

// IntHash is Integer.hashCode.
func IntHash(i int32) int32 { return i }

// TopicPartition is a partition as a key of maps.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Hash is TopicPartition.hashCode of Kafka's clients.
func (p TopicPartition) Hash() int32 { return 31*(31+p.Partition) + StringHash(p.Topic) }

// String is TopicPartition.toString.
func (p TopicPartition) String() string { return p.Topic + "-" + Itoa(p.Partition) }

// Compare orders partitions by their topic and then by their number.
func (p TopicPartition) Compare(q TopicPartition) int {
	if c := CompareStrings(p.Topic, q.Topic); c != 0 {
		return c
	}
	return int(p.Partition) - int(q.Partition)
}

// UUIDHash is Uuid.hashCode of Kafka's clients.
func UUIDHash(id [16]byte) int32 {
	var most, least uint64
	for i := range 8 {
		most, least = most<<8|uint64(id[i]), least<<8|uint64(id[8+i])
	}
	x := most ^ least
	return int32(uint32(x>>32) ^ uint32(x))
}
