package replay

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// These are the versions of the requests: the highest of both APIs without flexible
// fields. Answers of these versions have the fields that are checked in places that are
// quick to find.
const (
	produceVersion = 7
	fetchVersion   = 11
)

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench"))

// Frames are requests that lie in memory one behind the other, length prefixes
// included, and are sent round and round. The correlation id of each is its index.
// They are read only: any number of connections send the same ones.
type Frames struct {
	data []byte
	ends []int // where frame i ends in data
	// check looks at the answer, without its length prefix, to the frame with this correlation id.
	check func(answer []byte, correlation int32) error
}

// append adds a request.
func (f *Frames) append(req kmsg.Request) {
	f.data = append(f.data, formatter.AppendRequest(nil, req, int32(len(f.ends)))...) // it fills in the length at the beginning
	f.ends = append(f.ends, len(f.data))
}

// ProduceFrames encodes requests that each carry the batch to one partition, at
// least atLeast of them and the same number for every partition.
func ProduceFrames(topic string, partitions []int32, atLeast int, acks int16, batch []byte) *Frames {
	f := &Frames{check: checkProduce}
	for len(f.ends) < atLeast || len(f.ends)%len(partitions) != 0 {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks, req.TimeoutMillis = produceVersion, acks, 30_000
		t := kmsg.NewProduceRequestTopic()
		t.Topic = topic
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partitions[len(f.ends)%len(partitions)], batch
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		f.append(req)
	}
	return f
}

// First is the list of a topic's first n partitions.
func First(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// Len is the number of frames.
func (f *Frames) Len() int { return len(f.ends) }

// span is the bytes of up to n frames from frame i on, and how many they are: a span ends
// at the last frame.
func (f *Frames) span(i, n int) ([]byte, int) {
	n = min(n, len(f.ends)-i)
	begin := 0
	if i > 0 {
		begin = f.ends[i-1]
	}
	return f.data[begin:f.ends[i+n-1]], n
}

var errShort = errors.New("replay: an answer that ends too early")

// checkProduce looks at the answer, without its length prefix, to the request with
// one partition that had this correlation id.
func checkProduce(answer []byte, correlation int32) error {
	if err := checkOrder(answer, correlation); err != nil {
		return err
	}
	if len(answer) < 10 {
		return errShort
	}
	at := 10 + int(binary.BigEndian.Uint16(answer[8:])) + 8 // behind the topic, the count and the partition
	if len(answer) < at+2 {
		return errShort
	}
	if code := int16(binary.BigEndian.Uint16(answer[at:])); code != 0 {
		return fmt.Errorf("replay: Produce: %w", kerr.ErrorForCode(code))
	}
	return nil
}

// checkOrder checks that an answer is to the request that is due.
func checkOrder(answer []byte, correlation int32) error {
	if len(answer) < 4 {
		return errShort
	}
	if got := int32(binary.BigEndian.Uint32(answer)); got != correlation {
		return fmt.Errorf("replay: the answer to request %d came where %d's was due", got, correlation)
	}
	return nil
}

// fetchFrame is a Fetch of one partition whose offset can be set without encoding
// it anew.
type fetchFrame struct {
	data     []byte
	offsetAt int
}

// newFetchFrame asks for up to maxBytes of a partition, outside of any session, and
// waits maxWaitMs for the first byte.
func newFetchFrame(topic string, partition, maxBytes, maxWaitMs int32) *fetchFrame {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = fetchVersion, maxWaitMs, 1, maxBytes, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.PartitionMaxBytes = partition, maxBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	f := &fetchFrame{data: formatter.AppendRequest(nil, req, 0)}
	// From the end: rack (2), forgotten topics (4), the limit (4), the log start (8) and the offset
	// (8).
	f.offsetAt = len(f.data) - 2 - 4 - 4 - 8 - 8
	return f
}

// at sets the offset and gives the frame.
func (f *fetchFrame) at(offset int64) []byte {
	binary.BigEndian.PutUint64(f.data[f.offsetAt:], uint64(offset))
	return f.data
}
