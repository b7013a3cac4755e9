package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/transport"
)

// The versions of requests. Apache Kafka 3.9 and klamm serve them all. Fetch has topic ids from 13 on, so that no topic is taken for another that had its name.
const (
	metadataVersion      = 12
	fetchVersion         = 13
	listOffsetsVersion   = 7
	configsVersion       = 4
	logDirsVersion       = 4
	reassignmentsVersion = 0
)

// debuggingReplica is the replica id of a tool that looks into the log of any replica (ListOffsetsRequest.DEBUGGING_REPLICA_ID).
const debuggingReplica = -2

// clientID goes with each request, so that an operator can give it a quota.
const clientID = "klamm-migrate-verify"

// chunkBytes is how much one fetch asks for.
const chunkBytes = 1 << 20

// silence has the brokers that did not answer in time. A broker that hangs would be waited for at each of its partitions otherwise. Any goroutine may use it.
type silence struct {
	mu    sync.Mutex
	until map[int32]time.Time // guarded by mu; when a broker is asked again; nil as long as all answer
}

// silentFor is how long a broker that did not answer is not asked.
const silentFor = 5 * time.Minute

// of gives an error if a broker is not to be asked.
func (s *silence) of(broker int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := time.Until(s.until[broker]); left > 0 {
		return fmt.Errorf("the broker did not answer in time, and is asked again in %v", left.Round(time.Second))
	}
	return nil
}

// isLate says whether a connection or an answer did not come in time.
func isLate(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// note takes what came of a request to a broker.
func (s *silence) note(ctx context.Context, broker int32, err error) {
	if !isLate(err) || ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[int32]time.Time{}
	}
	s.until[broker] = time.Now().Add(silentFor)
}

// connections are one goroutine's connections to the brokers.
type connections struct {
	addrs   map[int32]string
	silent  *silence
	timeout time.Duration // of a request; 0 is that of transport.ClientOptions
	open    map[int32]*transport.Client
}

func newConnections(addrs map[int32]string, silent *silence) *connections {
	return &connections{addrs: addrs, silent: silent, open: map[int32]*transport.Client{}}
}

func (c *connections) close() {
	for _, cl := range c.open {
		cl.Close()
	}
}

// with does something over the connection to a broker. One that was used before may have been closed by the broker since: then it is made anew, once.
func (c *connections) with(ctx context.Context, broker int32, do func(*transport.Client) error) (err error) {
	if err := c.silent.of(broker); err != nil {
		return err
	}
	defer func() { c.silent.note(ctx, broker, err) }()
	cl, used := c.open[broker]
	if used {
		err := do(cl)
		if peer := new(transport.PeerError); !errors.As(err, &peer) || ctx.Err() != nil || isLate(err) {
			return err
		}
		cl.Close()
		delete(c.open, broker)
	}
	addr, known := c.addrs[broker]
	if !known {
		return errors.New("the broker is not there")
	}
	cl, err = transport.Dial(ctx, addr, transport.ClientOptions{ClientID: clientID, Timeout: c.timeout})
	if err != nil {
		return err
	}
	c.open[broker] = cl
	return do(cl)
}

// ask sends a request to a broker.
func ask[T kmsg.Response](ctx context.Context, c *connections, broker int32, req kmsg.Request) (resp T, err error) {
	err = c.with(ctx, broker, func(cl *transport.Client) error {
		r, err := cl.Request(ctx, req)
		if err == nil {
			resp = r.(T)
		}
		return err
	})
	return resp, err
}

// remoteLog is a replica on its broker.
type remoteLog struct {
	conns     *connections
	broker    int32
	topic     string
	id        protocol.UUID
	partition int32
	throttle  *throttle
	bytes     *atomic.Int64
}

func (l *remoteLog) bounds(ctx context.Context) (start, end int64, err error) {
	const earliest, latest = -2, -1
	if start, err = l.listOffset(ctx, earliest); err == nil {
		end, err = l.listOffset(ctx, latest)
	}
	return start, end, err
}

func (l *remoteLog) listOffset(ctx context.Context, timestamp int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(listOffsetsVersion)
	req.ReplicaID = debuggingReplica
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = l.partition, timestamp
	req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: l.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
	resp, err := ask[*kmsg.ListOffsetsResponse](ctx, l.conns, l.broker, req)
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("the answer to ListOffsets lacks the partition")
	}
	out := resp.Topics[0].Partitions[0]
	return out.Offset, kerr.ErrorForCode(out.ErrorCode)
}

func (l *remoteLog) fetch(ctx context.Context, offset int64) (fetched, error) {
	size := chunkBytes
	if l.throttle.rate > 0 {
		size = int(min(chunkBytes, l.throttle.rate))
	}
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(fetchVersion)
	req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, int32(size), -1
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = l.partition, offset, int32(size)
	req.Topics = []kmsg.FetchRequestTopic{{Topic: l.topic, TopicID: l.id, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	for {
		if err := l.throttle.take(ctx, size); err != nil {
			return fetched{}, err
		}
		f, wait, err := l.fetchOnce(ctx, req)
		l.throttle.correct(len(f.records) - size)
		if wait <= 0 || err != nil {
			l.bytes.Add(int64(len(f.records)))
			return f, err
		}
		if err := pause(ctx, wait); err != nil { // a quota of the broker is used up: the answer has no partition
			return fetched{}, err
		}
	}
}

// fetchOnce sends a fetch. It gives how long to wait where the broker sends nothing because of a quota.
func (l *remoteLog) fetchOnce(ctx context.Context, req *kmsg.FetchRequest) (f fetched, wait time.Duration, err error) {
	err = l.conns.with(ctx, l.broker, func(cl *transport.Client) error {
		resp, release, err := cl.Fetch(ctx, req)
		if err != nil {
			return err
		}
		if len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 1 {
			p := &resp.Topics[0].Partitions[0]
			err = kerr.ErrorForCode(p.ErrorCode)
			switch {
			case errors.Is(err, kerr.OffsetOutOfRange):
				err = errOutOfRange
			case errors.Is(err, kerr.CorruptMessage):
				err = &unreadableError{l.broker, req.Topics[0].Partitions[0].FetchOffset, "the broker refuses to send it, as " + kerr.CorruptMessage.Message}
			case err == nil && p.PreferredReadReplica >= 0:
				err = fmt.Errorf("the broker sends consumers to broker %d (replica.selector.class)", p.PreferredReadReplica)
			}
			f = fetched{records: p.RecordBatches, highWatermark: p.HighWatermark, logStart: p.LogStartOffset, release: release}
		} else if err = kerr.ErrorForCode(resp.ErrorCode); err == nil {
			if wait = time.Duration(resp.ThrottleMillis) * time.Millisecond; wait <= 0 {
				err = errors.New("the answer to Fetch lacks the partition")
			}
		}
		if f.release == nil || err != nil {
			release()
			f = fetched{}
		}
		return err
	})
	return f, wait, err
}
