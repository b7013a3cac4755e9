package data

// Produce: key 0, versions 0 to 13.
//
//	0  messages of magic 0, any number of them, or one message that wraps others
//	1  throttle time
//	2  messages of magic 1; the time of the append
//	3  one record batch of magic 2 instead of messages; transactional id
//	5  log start offset
//	7  zstd
//	8  record errors and a message
//	9  flexible
//	10 the current leader and its address beside NOT_LEADER_OR_FOLLOWER (KIP-951)
//	11 errors that end the transaction and not the producer
//	12 a produce request adds its partitions to the transaction (KIP-890)
//	13 topic ids instead of names
//
// Refused, in this order: the whole request, for a batch of a transaction in a
// request without a transactional id (TRANSACTIONAL_ID_AUTHORIZATION_FAILED); then
// partition by partition, an unknown topic id (UNKNOWN_TOPIC_ID), an unknown
// partition (UNKNOWN_TOPIC_OR_PARTITION), records that are not exactly one batch (see
// batch.CheckForm), acks that are not -1, 0 or 1 (INVALID_REQUIRED_ACKS), an internal
// topic (INVALID_TOPIC_EXCEPTION), a partition that another broker leads
// (NOT_LEADER_OR_FOLLOWER), a topic that was deleted and made again since the broker
// looked up its id (UNKNOWN_TOPIC_ID), a batch that breaks a rule of its topic (see
// batch.Validate), a batch of a transaction that is not open (INVALID_TXN_STATE), with
// acks=-1 fewer replicas in sync than min.insync.replicas (NOT_ENOUGH_REPLICAS), and
// a wrong epoch or sequence of the producer (INVALID_PRODUCER_EPOCH,
// OUT_OF_ORDER_SEQUENCE_NUMBER). With acks=0 any refusal closes the connection.
//
// A batch that is stored waits with acks=-1 for the replicas in sync, and also with acks=1
// for a flush that flush.messages asks for. Meanwhile it is refused if this broker ceases to
// lead (NOT_LEADER_OR_FOLLOWER), if the partition is deleted (UNKNOWN_TOPIC_OR_PARTITION), if
// the flush fails (KAFKA_STORAGE_ERROR), after the request's timeout (REQUEST_TIMED_OUT), and
// with acks=-1 if too few replicas are in sync at last (NOT_ENOUGH_REPLICAS_AFTER_APPEND).
//
// A compressed batch that expands far more than data normally does waits for its turn
// to be checked. If too many such batches wait, the batch is refused, and the client
// may send it again (REQUEST_TIMED_OUT).
//
// A refusal by the log or by its rules has the log start offset. A refusal of the
// request itself has -1 there.
//
// Missing on purpose: if a request names a partition twice, klamm stores both batches,
// where the reference drops the first without looking at it.

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/boundedlog"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/transport"
	"klamm/server/view"
)

// firstBatchProduce is the first version of Produce that has one batch of magic 2 in
// place of messages.
const firstBatchProduce = 3

// zstdVersion is the first version of Produce that may have zstd.
const zstdVersion = 7

// adminClientID is the client id with which a client may write to internal topics, as in
// the reference (AdminUtils.ADMIN_CLIENT_ID).
const adminClientID = "__admin_client"

// produceCall is one Produce request that is being served. The last partition whose
// records are committed completes it, and then another request uses it. So a goroutine
// must not touch the call after it has counted waiting down.
type produceCall struct {
	server  *Service
	call    *request.Call
	req     protocol.ProduceRequest
	resp    protocol.ProduceResponse
	waiting atomic.Int32 // the partitions that are not committed yet, and the handler itself
	failed  error        // with acks=0, why the connection is to be closed
	batch   [1]logstore.Append
}

// maxProduceTopics is the largest number of topics, and of partitions of one topic, with
// which a call is used again.
const maxProduceTopics = 100

// Produce serves Produce: see above.
func (s *Service) Produce(c *request.Call) error {
	p := s.produceCalls.Get().(*produceCall)
	p.server, p.call = s, c
	if err := p.req.Parse(c.Body, c.Header.Version); err != nil {
		return err
	}
	p.waiting.Store(1)
	p.store()
	if p.req.Acks == 0 {
		failed := p.failed
		p.free()
		c.NoReply()
		return failed
	}
	c.Later() // the last partition completes the call, perhaps after Produce has returned
	if p.waiting.Add(-1) == 0 {
		p.complete(transport.Own)
	}
	return nil
}

// store stores the batches of all topics. The answer leaves out topics without
// partitions.
func (p *produceCall) store() {
	s := p.server
	refused, meta := p.refuseAll(), s.broker.Metadata()
	p.resp.Topics = resized(p.resp.Topics, len(p.req.Topics))
	n := 0
	for i := range p.req.Topics {
		if t := &p.req.Topics[i]; len(t.Partitions) > 0 {
			p.topic(s, meta, t, &p.resp.Topics[n], refused)
			n++
		}
	}
	p.resp.Topics = p.resp.Topics[:n]
}

// refuseAll returns the error that refuses every partition, nil for none.
func (p *produceCall) refuseAll() error {
	if p.req.TransactionalID != nil {
		return nil
	}
	for i := range p.req.Topics {
		for _, part := range p.req.Topics[i].Partitions {
			if h, err := batch.ParseHeader(part.Records); err == nil && h.Transactional() {
				return kerr.TransactionalIDAuthorizationFailed
			}
		}
	}
	return nil
}

// topic stores the batches of one topic.
func (p *produceCall) topic(s *Service, meta *cluster.Metadata, t *protocol.ProduceTopic, out *protocol.ProduceTopicResponse, refused error) {
	out.Name, out.ID = t.Name, t.ID
	out.Partitions = resized(out.Partitions, len(t.Partitions))
	name, err := t.Name, refused
	if err == nil && p.call.Header.Version >= topicIDVersion {
		if known := meta.TopicByID(t.ID); known != nil {
			name = known.Name
		} else {
			err = kerr.UnknownTopicID
		}
	}
	for i := range t.Partitions {
		in, res := &t.Partitions[i], &out.Partitions[i]
		*res = protocol.ProducePartitionResponse{Index: in.Index, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
		err := err
		if err == nil {
			err = p.partition(s, meta, t.ID, protocol.TopicPartition{Topic: name, Partition: in.Index}, in.Records, res)
		}
		if err != nil {
			p.noteLimit(name, err)
			p.notStored(name, len(in.Records), err)
			p.refuse(name, err, res)
		}
		in.Records = nil // the frame that holds them is used again after the handler
	}
}

// partition stores one batch. res is complete when the batch is committed, which may be after partition returns. id is
// zero if the request names topics by name.
func (p *produceCall) partition(s *Service, meta *cluster.Metadata, id protocol.UUID, tp protocol.TopicPartition, records []byte, res *protocol.ProducePartitionResponse) error {
	if meta.Partition(tp) == nil {
		return kerr.UnknownTopicOrPartition
	}
	var h batch.Header
	if p.call.Header.Version >= firstBatchProduce {
		var err error
		if h, err = batch.CheckForm(records, p.call.Header.Version < zstdVersion); err != nil {
			return err
		}
	}
	if a := p.req.Acks; a < -1 || a > 1 {
		return kerr.InvalidRequiredAcks
	}
	if cluster.IsInternalTopic(tp.Topic) && p.call.ClientID() != adminClientID {
		return fmt.Errorf("cannot append to internal topic %s: %w", tp.Topic, kerr.InvalidTopicException)
	}
	part, err := s.partition(tp)
	if err != nil {
		return err
	}
	if !view.IsOfTopic(part, id) {
		return kerr.UnknownTopicID // the topic was deleted and made again after meta was taken
	}
	if p.emptySet(records) {
		return nil
	}
	nowMs := s.nowMs()
	cfg := part.Config() // taken once, so that the append follows the rules by which the batch was validated
	if cfg.Compression.Recompress || h.Codec() != batch.None || p.call.Header.Version < firstBatchProduce {
		p.call.Conn.LeaveGate() // package batch bounds how many such batches are worked on at a time
	}
	records, info, err := p.validate(cfg, records, nowMs)
	if err != nil {
		if !codes.Is[*batch.CorruptError](err) && !codes.Is[*batch.TooLargeError](err) {
			res.LogStartOffset = part.Log().StartOffset()
		}
		return err
	}
	if info.Header.Transactional() {
		return &codes.NoTransactionError{Partition: tp}
	}
	return p.append(part, cfg, records, info, nowMs, res)
}

// emptySet reports whether a request of a version before 3 has no messages for a
// partition. The broker then stores nothing and answers with offset -1 and no error.
func (p *produceCall) emptySet(records []byte) bool {
	return p.call.Header.Version < firstBatchProduce && records != nil && len(records) == 0
}

// pauseExpanding takes a thread off its processor while it checks a batch that expands
// far more than data normally does. To yield to other goroutines is not enough: other
// processes would wait for the processor for some milliseconds.
func pauseExpanding() { time.Sleep(time.Millisecond) }

// validate checks a batch by its topic's rules. It makes a batch of the messages that
// versions before 3 send, and compresses a batch again if compression.type asks for that.
func (p *produceCall) validate(cfg *replica.Config, records []byte, nowMs int64) ([]byte, batch.Info, error) {
	rules := batch.Rules{
		MaxBatchBytes:        max(1, int64(cfg.MaxMessageBytes)), // max.message.bytes=0 allows no batch, and so does 1
		KeyRequired:          cfg.Log.Compact,
		LogAppendTime:        cfg.LogAppendTime,
		NowMs:                nowMs,
		TimestampBeforeMaxMs: cfg.TimestampBeforeMaxMs,
		TimestampAfterMaxMs:  cfg.TimestampAfterMaxMs,
		Compression:          cfg.Compression,
		Quit:                 p.call.Conn.Quit(),
		Pause:                pauseExpanding,
	}
	if p.call.Header.Version < firstBatchProduce {
		rules.NoZstd = true
		return batch.ValidateSet(records, rules)
	}
	return batch.ValidateBatch(records, rules)
}

// append writes the batch to the log. If the batch is not committed yet, append has the
// answer wait for that and returns.
func (p *produceCall) append(part *replica.Partition, cfg *replica.Config, records []byte, info batch.Info, nowMs int64, res *protocol.ProducePartitionResponse) error {
	bytes := len(records)
	p.batch[0] = logstore.Append{Data: records, Header: info.Header, LogAppendTime: cfg.LogAppendTime}
	epoch, err := part.Append(p.batch[:], p.req.Acks, nowMs)
	stored := p.batch[0].Result
	p.batch[0] = logstore.Append{}
	switch {
	case errors.Is(err, logstore.ErrBatchTooLarge), codes.Is[*replica.NotLeaderError](err), codes.Is[*replica.UnknownPartitionError](err):
		// These refuse the request and not the append.
	case codes.Is[*replica.NotEnoughReplicasError](err):
		res.LogStartOffset = part.Log().StartOffset()
	default:
		res.LogStartOffset = stored.LogStartOffset
	}
	if err != nil {
		return err
	}
	res.BaseOffset, res.LogAppendTimeMs = stored.BaseOffset, stored.LogAppendTimeMs
	p.stored(part, int64(info.Header.Count), bytes)
	if p.req.Acks != 0 {
		p.await(part, replica.Wait{
			Offset: stored.LastOffset + 1, LeaderEpoch: epoch, Acks: p.req.Acks, TimeoutMs: int64(p.req.TimeoutMs),
		}, res)
	}
	return nil
}

// await has the answer wait until the append counts as the producer wants it to.
func (p *produceCall) await(part *replica.Partition, w replica.Wait, res *protocol.ProducePartitionResponse) {
	if part.Counts(w) {
		return
	}
	p.waiting.Add(1)
	committed := part.AwaitCommit(w, func(err error) {
		if err != nil {
			p.refuse(part.TopicPartition().Topic, err, res)
		}
		if p.waiting.Add(-1) == 0 {
			p.complete(transport.Aside)
		}
	})
	if committed {
		p.waiting.Add(-1)
	}
}

// refuse answers one partition with an error. With acks=0, which has no answer, it notes
// the error by which the connection is closed.
func (p *produceCall) refuse(topic string, err error, res *protocol.ProducePartitionResponse) {
	if p.req.Acks == 0 {
		p.failed = fmt.Errorf("%s-%d with acks=0: %w", topic, res.Index, err)
		return
	}
	start := res.LogStartOffset
	*res = protocol.ProducePartitionResponse{
		Index: res.Index, ErrorCode: codes.Of(err),
		BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: start,
	}
	res.ErrorMessage, res.RecordErrors = produceMessage(err)
}

// noteLimit tells the operator about a batch that a limit refused.
func (p *produceCall) noteLimit(topic string, err error) {
	limit, msg := "max.message.bytes", "a batch that is too large was refused"
	if large, ok := errors.AsType[*batch.TooLargeError](err); ok && large.Expanded {
		limit, msg = "expanded bytes", "a batch that expands to too much was refused"
	} else if codes.Is[*batch.BusyError](err) {
		limit, msg = "batches that take long", "a batch was refused for now: too many batches wait to be expanded"
	} else if !ok {
		return
	}
	p.server.limits.Hit(limit, msg, "topic", boundedlog.Printable(topic), "client", p.call.Conn.RemoteAddr().String())
}

// produceMessage returns the message and the record errors that the client gets beside
// the code. Only an error about records says more than its code.
func produceMessage(err error) (string, []batch.RecordError) {
	var invalid *batch.InvalidError
	var timestamp *batch.TimestampError
	var corrupt *batch.CorruptError
	switch {
	case errors.As(err, &invalid):
		return invalid.Message, invalid.Records
	case errors.As(err, &timestamp):
		return timestamp.Message, timestamp.Records
	case errors.As(err, &corrupt):
		return corrupt.Reason, nil
	}
	return "", nil
}

// complete sends the answer and lets the call be used again.
func (p *produceCall) complete(by transport.Completer) {
	c := p.call
	p.countCodes()
	c.Fill(protocol.AppendProduceResponse(c.Begin(), c.Header.Version, &p.resp))
	p.free()
	c.Complete(by)
}

// free lets the call be used again.
func (p *produceCall) free() {
	pool := &p.server.produceCalls
	p.server, p.call, p.failed, p.req.TransactionalID = nil, nil, nil, nil
	if cap(p.resp.Topics) > maxProduceTopics {
		return
	}
	for i := range p.resp.Topics {
		t := &p.resp.Topics[i]
		if cap(t.Partitions) > maxProduceTopics {
			return
		}
		clear(t.Partitions)
	}
	pool.Put(p)
}

// resized returns a slice of n elements. It uses the memory of s if that has room, and then
// the elements keep the memory of their own slices.
func resized[T any](s []T, n int) []T {
	if n > cap(s) {
		return make([]T, n)
	}
	return s[:n]
}
