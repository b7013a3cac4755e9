package znode

import (
	"fmt"
	"strconv"

	"klamm/protocol"
)

// ConsumerOffsetPath is the path of the node in which a consumer group before Kafka 0.9 keeps its offset of a
// partition.
func ConsumerOffsetPath(group string, tp protocol.TopicPartition) string {
	return Consumers + "/" + group + "/offsets/" + tp.Topic + "/" + strconv.Itoa(int(tp.Partition))
}

// EncodeConsumerOffset writes the body of a consumer's offset: decimal digits.
func EncodeConsumerOffset(offset int64) []byte { return strconv.AppendInt(nil, offset, 10) }

// DecodeConsumerOffset reads the body of a consumer's offset.
func DecodeConsumerOffset(data []byte) (int64, error) {
	offset, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("a consumer's offset: %w", err)
	}
	return offset, nil
}
