package codes

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster"
	"klamm/cluster/meta/local"
	"klamm/cluster/order"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/protocol/batch"
	"klamm/server/config"
)

func TestErrorsBecomeCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want *kerr.Error
	}{
		{&replica.EpochError{Requested: 1, Current: 2}, kerr.FencedLeaderEpoch},
		{&replica.EpochError{Requested: 3, Current: 2}, kerr.UnknownLeaderEpoch},
		{&replica.UnknownPartitionError{}, kerr.UnknownTopicOrPartition},
		{&replica.NotLeaderError{}, kerr.NotLeaderForPartition},
		{&replica.UnknownReplicaError{}, kerr.UnknownLeaderEpoch},
		{&replica.NotEnoughReplicasError{}, kerr.NotEnoughReplicas},
		{&replica.NotEnoughReplicasAfterAppendError{}, kerr.NotEnoughReplicasAfterAppend},
		{&replica.CommitTimeoutError{}, kerr.RequestTimedOut},
		{&logstore.OffsetOutOfRangeError{}, kerr.OffsetOutOfRange},
		{&logstore.DirError{Err: errors.New("i/o error")}, kerr.KafkaStorageError},
		{&logstore.CorruptError{Err: errors.New("CRC")}, kerr.CorruptMessage},
		{&local.DiskError{Err: errors.New("i/o error")}, kerr.KafkaStorageError},
		{logstore.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
		{logstore.ErrInvalidProducerEpoch, kerr.InvalidProducerEpoch},
		{logstore.ErrInvalidTxnState, kerr.InvalidTxnState},
		{logstore.ErrBatchTooLarge, kerr.RecordListTooLarge},
		{logstore.ErrClosed, kerr.NotLeaderForPartition},
		{&batch.CorruptError{}, kerr.CorruptMessage},
		{&batch.InvalidError{}, kerr.InvalidRecord},
		{&batch.TimestampError{}, kerr.InvalidTimestamp},
		{&batch.CodecError{}, kerr.UnsupportedCompressionType},
		{&batch.TooLargeError{}, kerr.MessageTooLarge},
		{&cluster.Error{Kind: cluster.ErrTopicExists}, kerr.TopicAlreadyExists},
		{&cluster.Error{Kind: cluster.ErrInvalidReplicationFactor}, kerr.InvalidReplicationFactor},
		{&config.AlterError{Kind: config.InvalidConfig}, kerr.InvalidConfig},
		{&config.AlterError{Kind: config.InvalidRequest}, kerr.InvalidRequest},
		{Refuse(kerr.PolicyViolation, "no"), kerr.PolicyViolation},
		{context.DeadlineExceeded, kerr.RequestTimedOut},
		{kerr.NotCoordinator, kerr.NotCoordinator},
		{errors.New("a surprise"), kerr.UnknownServerError},
	} {
		for _, err := range []error{c.err, fmt.Errorf("while testing: %w", c.err)} {
			if got := Of(err); got != c.want.Code {
				t.Errorf("%T %v: code %d, want %s", c.err, err, got, c.want.Message)
			}
		}
	}
	if Of(nil) != 0 || Message(nil) != nil {
		t.Error("no error has a code or a message")
	}
}

// A code that another broker answers with is the code of the error that it becomes.
func TestCodesOfPeersComeBack(t *testing.T) {
	for code := range int16(140) {
		if known := kerr.ErrorForCode(code); code != 0 && errors.Is(known, kerr.UnknownServerError) {
			continue
		}
		if got := Of(order.ErrorOf(code)); got != code {
			t.Errorf("code %d becomes %v, and that %d", code, order.ErrorOf(code), got)
		}
	}
}

func TestWhatIsNotExpectedIsNotTold(t *testing.T) {
	if m := Message(errors.New("open /secret/path: permission denied")); m != nil {
		t.Errorf("a client is told %q", *m)
	}
	if m := Message(&order.Error{Kind: order.ErrTimedOut}); m != nil {
		t.Errorf("a refusal without a message says %q", *m)
	}
	if m := Message(Refuse(kerr.InvalidRequest, "why")); m == nil || *m != "why" {
		t.Errorf("a client is not told why: %v", m)
	}
}
