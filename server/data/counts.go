package data

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/observe"
	"klamm/protocol/batch"
	"klamm/server/codes"
)

// stored counts a batch that a partition took. bytes is the size that the client sent.
func (p *produceCall) stored(part *replica.Partition, records int64, bytes int) {
	counts := part.TopicCounts()
	counts.Add(observe.ProduceRequests, 1)
	counts.Add(observe.MessagesIn, records)
	counts.Add(observe.BytesIn, int64(bytes))
	if p.call.Header.Version < firstBatchProduce {
		counts.Add(observe.ProduceConversions, 1)
	}
}

// notStored counts a batch that was refused. As in the reference, a request to a broker that does not lead, a batch that is too large and one that is
// corrupt count as requests and not as failed ones (ReplicaManager.appendToLocalLog).
func (p *produceCall) notStored(topic string, bytes int, err error) {
	o := p.server.observer
	if o == nil || codes.Of(err) == kerr.UnknownTopicOrPartition.Code || codes.Of(err) == kerr.UnknownTopicID.Code {
		return // the reference counts no request for what it does not have
	}
	counts := o.Known(topic)
	counts.Add(observe.ProduceRequests, 1)
	switch {
	case codes.Is[*replica.NotLeaderError](err), codes.Is[*logstore.DirError](err):
		return
	case codes.Is[*batch.TooLargeError](err), errors.Is(err, logstore.ErrBatchTooLarge):
		counts.Add(observe.BytesRejected, int64(bytes))
		return
	case codes.Is[*batch.CorruptError](err):
		counts.Add(observe.InvalidCRC, 1)
		return
	}
	counts.Add(observe.FailedProduceRequests, 1)
	if invalid, ok := errors.AsType[*batch.InvalidError](err); ok {
		for i := range invalid.Records {
			if invalid.Records[i].Message == batch.NoKey {
				o.Known("").Add(observe.NoKeyInCompacted, 1) // of all topics alone, as in the reference
			}
		}
	}
	if errors.Is(err, logstore.ErrOutOfOrderSequence) {
		counts.Add(observe.InvalidSequence, 1)
	}
}

// countCodes counts the error codes of an answer to Produce.
func (p *produceCall) countCodes() {
	stats, good := p.call.Stats, int64(0)
	if stats == nil {
		return
	}
	for i := range p.resp.Topics {
		for j := range p.resp.Topics[i].Partitions {
			if code := p.resp.Topics[i].Partitions[j].ErrorCode; code != 0 {
				stats.Error(code)
			} else {
				good++
			}
		}
	}
	stats.Errors(0, good)
}

// kind gives the counters of consumers' fetches, or of followers'.
func (f *fetchContext) kind() *observe.Request {
	if f.fromReplica() {
		return f.server.fetchKinds[1]
	}
	return f.server.fetchKinds[0]
}

// count counts the partitions of an answer to Fetch, and their error codes.
func (f *fetchContext) count() {
	stats, kind := f.call.Stats, f.kind()
	if stats == nil {
		return
	}
	f.call.Answer.Count(kind)
	good := int64(0)
	for i := range f.resp.Topics {
		for j := range f.resp.Topics[i].Partitions {
			if code := f.resp.Topics[i].Partitions[j].ErrorCode; code != 0 {
				stats.Error(code)
				kind.Error(code)
			} else {
				good++
			}
		}
	}
	if code := f.resp.ErrorCode; code != 0 || good == 0 {
		stats.Error(code)
		kind.Error(code)
	}
	stats.Errors(0, good)
	kind.Errors(0, good)
}

// countRead counts one partition of a fetch (ReplicaManager.readFromLog).
func (f *fetchContext) countRead(t *fetchTarget, r *fetchResult) {
	o := f.server.observer
	if o == nil || r.refused != refusedNot {
		return
	}
	if r.partition == nil {
		counts := o.Known(t.name)
		counts.Add(observe.FetchRequests, 1)
		switch r.code {
		case kerr.UnknownServerError.Code, kerr.CorruptMessage.Code, kerr.UnsupportedCompressionType.Code:
			counts.Add(observe.FailedFetchRequests, 1)
		}
		return
	}
	counts := r.partition.TopicCounts()
	counts.Add(observe.FetchRequests, 1)
	size := int64(r.size())
	switch {
	case size == 0:
	case !f.fromReplica():
		counts.Add(observe.BytesOut, size)
		if r.old.Size() > 0 {
			counts.Add(observe.FetchConversions, 1)
		}
	default:
		o.Add(observe.ReplicationBytesOut, size)
		if r.partition.State().Reassigning() {
			o.Add(observe.ReassignmentBytesOut, size)
		}
	}
}
