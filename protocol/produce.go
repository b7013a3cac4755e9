package protocol

import (
	"strconv"

	"klamm/protocol/batch"
)

// ProduceRequest is a Produce request of version 0 to 13, read in place.
//
// What the versions changed: 1 the throttle time in the answer; 2 messages of magic 1
// and the append time in the answer; 3 the transactional id, and batches of magic 2 only;
// 5 the log start offset in the answer; 7 zstd; 8 record errors and a message in
// the answer; 9 flexible; 10 the current leader in the answer; 11 and 12
// transactions, with the same bytes; 13 topic ids in place of names.
type ProduceRequest struct {
	Version         int16
	TransactionalID *string
	Acks            int16
	TimeoutMs       int32
	Topics          []ProduceTopic
}

// ProduceTopic has a name up to version 12 and an id from 13.
type ProduceTopic struct {
	Name       string
	ID         UUID
	Partitions []ProducePartition
}

// ProducePartition holds what one partition is sent. Records is a part of the
// request's frame, nil if it was null, and has not been looked at.
type ProducePartition struct {
	Index   int32
	Records []byte
}

// ParseProduce reads the body of a Produce request. See ProduceRequest.Parse.
func ParseProduce(body []byte, version int16) (*ProduceRequest, error) {
	r := new(ProduceRequest)
	return r, r.Parse(body, version)
}

// Parse reads the body of a Produce request into r. It reuses r's slices, and its
// strings where they are equal, so that a caller that keeps a part of r must copy it.
// Records point into body. Parse ignores bytes after the request, as Apache's broker
// does. Every failure is a *MalformedError.
func (r *ProduceRequest) Parse(body []byte, version int16) error {
	if version < 0 || version > 13 {
		return &MalformedError{What: "Produce request", Reason: "version " + strconv.Itoa(int(version)) + " is not read"}
	}
	d := reader{b: body, what: "Produce request", flex: version >= 9, most: MaxPartitions}
	r.Version = version
	r.TransactionalID = nil
	if version >= 3 {
		r.TransactionalID = d.nullableString()
	}
	r.Acks = d.int16()
	r.TimeoutMs = d.int32()
	r.Topics = r.Topics[:0]
	for n := d.array(2, maxTopics); n > 0 && !d.failed(); n-- {
		r.Topics = grow(r.Topics)
		t := &r.Topics[len(r.Topics)-1]
		if version >= 13 {
			t.Name, t.ID = "", d.uuid()
		} else {
			t.Name, t.ID = d.string(t.Name), UUID{}
		}
		t.Partitions = t.Partitions[:0]
		for n := d.partitions(5); n > 0 && !d.failed(); n-- {
			t.Partitions = append(t.Partitions, ProducePartition{Index: d.int32(), Records: d.bytes()})
			d.skipTags()
		}
		d.skipTags()
	}
	d.skipTags()
	if d.failed() {
		return d.error()
	}
	return nil
}

// ProduceResponse is the answer to a Produce request.
type ProduceResponse struct {
	Topics        []ProduceTopicResponse
	ThrottleMs    int32
	NodeEndpoints []NodeEndpoint // of the leaders named, from version 10
}

// ProduceTopicResponse has a name up to version 12 and an id from 13.
type ProduceTopicResponse struct {
	Name       string
	ID         UUID
	Partitions []ProducePartitionResponse
}

// ProducePartitionResponse is what became of one partition's records.
type ProducePartitionResponse struct {
	Index           int32
	ErrorCode       int16
	BaseOffset      int64 // -1 on errors
	LogAppendTimeMs int64 // -1 for topics with CreateTime
	LogStartOffset  int64 // -1 if not known
	RecordErrors    []batch.RecordError
	ErrorMessage    string  // a null if empty
	CurrentLeader   *Leader // with NOT_LEADER_OR_FOLLOWER, from version 10; nil otherwise
}

// AppendProduceResponse appends the body of an answer in a version from 0 to 13.
func AppendProduceResponse(dst []byte, version int16, resp *ProduceResponse) []byte {
	w := writer{b: dst, flex: version >= 9}
	w.length(len(resp.Topics))
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if version >= 13 {
			w.uuid(t.ID)
		} else {
			w.string(t.Name)
		}
		w.length(len(t.Partitions))
		for j := range t.Partitions {
			w.producePartition(&t.Partitions[j], version)
		}
		w.noTags()
	}
	if version >= 1 {
		w.int32(resp.ThrottleMs)
	}
	if version >= 10 {
		w.endpoints(resp.NodeEndpoints)
	} else {
		w.noTags()
	}
	return w.b
}

func (w *writer) producePartition(p *ProducePartitionResponse, version int16) {
	w.int32(p.Index)
	w.int16(p.ErrorCode)
	w.int64(p.BaseOffset)
	if version >= 2 {
		w.int64(p.LogAppendTimeMs)
	}
	if version >= 5 {
		w.int64(p.LogStartOffset)
	}
	if version >= 8 {
		w.length(len(p.RecordErrors))
		for i := range p.RecordErrors {
			w.int32(p.RecordErrors[i].Index)
			w.nullString(p.RecordErrors[i].Message)
			w.noTags()
		}
		w.nullString(p.ErrorMessage)
	}
	if version >= 10 && p.CurrentLeader != nil {
		w.uvarint(1)
		w.leader(0, p.CurrentLeader)
	} else {
		w.noTags()
	}
}
