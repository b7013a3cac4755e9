package protocol

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"strconv"
)

// UUID identifies a topic (or a log directory). The zero value stands for
// "none", as it does on the wire.
type UUID [16]byte

// LogValue gives String for a line of the log, also where lines are JSON.
func (u UUID) LogValue() slog.Value { return slog.StringValue(u.String()) }

// IsZero reports whether the id is the one that means "none".
func (u UUID) IsZero() bool { return u == UUID{} }

// String gives the form that Apache Kafka prints and stores: URL-safe base64
// of the 16 bytes without padding, 22 characters (org.apache.kafka.common.Uuid).
func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// ParseUUID reads the form that String gives.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(u) {
		return u, errors.New("not a 22 character base64 id: " + strconv.Quote(s))
	}
	copy(u[:], b)
	return u, nil
}

// TopicPartition names one partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// LogValue gives String for a line of the log, also where lines are JSON.
func (tp TopicPartition) LogValue() slog.Value { return slog.StringValue(tp.String()) }

// String gives "topic-partition", which is also the name of the partition's
// directory.
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}
