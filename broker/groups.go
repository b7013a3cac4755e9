package broker

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/groupcoord"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/codes"
	"klamm/server/config"
)

// maxGroupBytes is how much memory all groups together may take. Kafka has no property for it: its heap is the limit.
const maxGroupBytes = 1 << 30

// newGroups makes the coordinator of the groups whose partition of __consumer_offsets this broker leads. topic finds
// __consumer_offsets, nil while there is none.
func newGroups(o Options, dynamic *config.Dynamic, topic func() *cluster.Topic, logger *slog.Logger) *groupcoord.Coordinator {
	v := dynamic.Current()
	return groupcoord.New(groupcoord.Options{
		Observer: o.Observer,
		Config: groupcoord.Config{
			MinSessionTimeoutMs:     int32(v.Int("group.min.session.timeout.ms")),
			MaxSessionTimeoutMs:     int32(v.Int("group.max.session.timeout.ms")),
			InitialRebalanceDelayMs: int32(v.Int("group.initial.rebalance.delay.ms")),
			MaxSize:                 v.Int("group.max.size"),
			MaxMetadataSize:         v.Int("offset.metadata.max.bytes"),
			OffsetsRetentionMs:      int64(v.Int("offsets.retention.minutes")) * 60_000,
			CommitTimeoutMs:         int64(v.Int("offsets.commit.timeout.ms")),
			LoadBufferBytes:         v.Int("offsets.load.buffer.size"),
			Codec:                   batch.Codec(v.Int("offsets.topic.compression.codec")),
			MaxBytes:                maxGroupBytes,
			Partitions:              offsetsPartitions(v.Int("offsets.topic.num.partitions"), topic),
		},
		Now:         o.Clock,
		After:       o.After,
		NewMemberID: func(prefix string) string { return newMemberID(o.Rand, prefix) },
		Logger:      logger,
	})
}

// coordinateGroups tells the coordinator of each partition of __consumer_offsets that this broker begins or ceases to lead. The log says once
// that partitions of __transaction_state have come since the start, which nobody coordinates: a start refuses those that are there.
func coordinateGroups(groups *groupcoord.Coordinator, replicas *replica.Manager, dynamic *config.Dynamic, now func() time.Time, logger *slog.Logger) {
	var warn sync.Once
	acks := dynamic.Current().Int("offsets.commit.required.acks")
	replicas.OnLead(func(p *replica.Partition) {
		switch tp := p.TopicPartition(); tp.Topic {
		case cluster.OffsetsTopic:
			groups.Elected(tp.Partition, p.LeaderEpoch(), &offsetsLog{p, acks, now})
		case cluster.TransactionsTopic:
			warn.Do(func() {
				logger.Error("this broker leads a partition of __transaction_state, and klamm does not coordinate transactions yet: clients wait for theirs in "+
					"vain; move the replicas to brokers of Apache Kafka with kafka-reassign-partitions.sh", "partition", tp.String())
			})
		}
	})
	replicas.OnStop(func(tp protocol.TopicPartition) {
		if tp.Topic == cluster.OffsetsTopic {
			groups.Resigned(tp.Partition)
		}
	})
}

// offsetsPartitions gives the number of partitions of __consumer_offsets, or the one that it will be created with. A group's partition
// depends on the number. So the first one that is seen stays until the next start, also when the topic gets more partitions.
func offsetsPartitions(configured int, topic func() *cluster.Topic) func() int32 {
	var known atomic.Int32
	return func() int32 {
		if n := known.Load(); n > 0 {
			return n
		}
		if t := topic(); t != nil && t.Partitions.Len() > 0 {
			known.CompareAndSwap(0, int32(t.Partitions.Len()))
			return known.Load()
		}
		return int32(configured)
	}
}

// newMemberID makes a member id as Apache Kafka does: the prefix and a random UUID.
func newMemberID(random io.Reader, prefix string) string {
	var b [16]byte
	_, _ = io.ReadFull(random, b[:]) // Options.Rand does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%s-%x-%x-%x-%x-%x", prefix, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// offsetsLog is a partition of __consumer_offsets as a groupcoord.Log.
type offsetsLog struct {
	partition *replica.Partition
	acks      int // offsets.commit.required.acks
	now       func() time.Time
}

// Append implements groupcoord.Log.
func (l *offsetsLog) Append(records []byte, done func(error)) (base int64, committed bool, err error) {
	h, err := batch.ParseHeader(records)
	if err != nil {
		return 0, false, err
	}
	cfg := l.partition.Config()
	if len(records) > int(cfg.MaxMessageBytes) {
		return 0, false, fmt.Errorf("%w: %d bytes, when max.message.bytes is %d", groupcoord.ErrRecordsTooLarge, len(records), cfg.MaxMessageBytes)
	}
	a := [1]logstore.Append{{Data: records, Header: h, LogAppendTime: cfg.LogAppendTime, Origin: logstore.FromCoordinator}}
	epoch, err := l.partition.Append(a[:], int16(l.acks), l.now().UnixMilli())
	if err != nil {
		return 0, false, offsetsError(err)
	}
	stored := &a[0].Result
	// The coordinator has a timeout of its own.
	w := replica.Wait{Offset: stored.LastOffset + 1, LeaderEpoch: epoch, Acks: -1, TimeoutMs: replica.NoTimeout}
	if l.acks != -1 || l.partition.Counts(w) {
		return stored.BaseOffset, true, nil
	}
	return stored.BaseOffset, l.partition.AwaitCommit(w, func(err error) { done(offsetsError(err)) }), nil
}

// MaxBatchBytes implements groupcoord.Log: what is larger than max.message.bytes or than a segment is refused.
func (l *offsetsLog) MaxBatchBytes() int {
	cfg := l.partition.Config()
	return min(int(cfg.MaxMessageBytes), int(cfg.Log.SegmentBytes))
}

// Flush implements groupcoord.Log.
func (l *offsetsLog) Flush() error {
	log := l.partition.Log()
	return log.Flush(log.EndOffset())
}

// Offsets implements groupcoord.Log.
func (l *offsetsLog) Offsets() (start, end int64) { return l.partition.Log().Offsets() }

// Read implements groupcoord.Log.
func (l *offsetsLog) Read(offset int64, most int, buf []byte) ([]byte, error) {
	log := l.partition.Log()
	r, err := log.Read(offset, most, log.EndOffset(), true)
	if err != nil {
		l.partition.ReadFailed(err)
		if codes.Is[*logstore.CorruptError](err) {
			err = fmt.Errorf("%w: %w", groupcoord.ErrCorrupt, err)
		}
		return nil, err
	}
	defer r.Release()
	buf = slices.Grow(buf[:0], r.Size())[:r.Size()]
	if _, err := r.ReadAt(buf, 0); err != nil {
		return nil, r.ReadFailed(err)
	}
	return buf, nil
}

// offsetsError turns an error of an append into one of groupcoord's (GroupMetadataManager.storeGroup, maybeConvertOffsetCommitError).
func offsetsError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, logstore.ErrBatchTooLarge), codes.Is[*batch.TooLargeError](err):
		return fmt.Errorf("%w: %w", groupcoord.ErrRecordsTooLarge, err)
	case codes.Is[*replica.UnknownPartitionError](err), codes.Is[*replica.NotEnoughReplicasError](err),
		codes.Is[*replica.NotEnoughReplicasAfterAppendError](err):
		return fmt.Errorf("%w: %w", groupcoord.ErrNotAvailable, err)
	case codes.Is[*replica.NotLeaderError](err), codes.Is[*logstore.DirError](err), errors.Is(err, logstore.ErrClosed):
		return fmt.Errorf("%w: %w", groupcoord.ErrNotCoordinator, err)
	}
	return err
}

// partitionsDeleted returns a function that drops the offsets of deleted partitions.
func partitionsDeleted(groups *groupcoord.Coordinator) func([]cluster.DeletedPartitions) {
	return func(deleted []cluster.DeletedPartitions) {
		list := make([]groupcoord.Partitions, len(deleted))
		for i, d := range deleted {
			list[i] = groupcoord.Partitions(d)
		}
		groups.DeletedPartitions(list)
	}
}
