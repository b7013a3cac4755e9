package delivery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// TestMain makes this program a consumer where its environment says so, and prints what the tests found.
func TestMain(m *testing.M) {
	if mode := os.Getenv("DELIVERY_CONSUMER"); mode != "" {
		if err := consume(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := harness.Tests(m)
	printAccounts()
	os.Exit(code)
}

// These are the ways in which a consumer commits.
const (
	commitFirst  = "commit-first"  // and then processes: at most once
	processFirst = "process-first" // and then commits: at least once
	autoCommit   = "auto-commit"   // what was polled is committed by the client, processed or not
)

// sessionTimeout is short, so that the coordinator soon notices dead members; the broker
// has to allow it.
const sessionTimeout = 1500 * time.Millisecond

// sessionProperties have the broker allow sessionTimeout.
var sessionProperties = map[string]string{"group.min.session.timeout.ms": "1000"}

// startConsumer starts a consumer of its own process. instance may be empty.
func startConsumer(t *testing.T, addr, topic, group, mode, journal, instance string, more ...string) *harness.Self {
	t.Helper()
	return harness.StartSelf(t, append([]string{"DELIVERY_CONSUMER=" + mode, "DELIVERY_ADDR=" + addr, "DELIVERY_TOPIC=" + topic,
		"DELIVERY_GROUP=" + group, "DELIVERY_JOURNAL=" + journal, "DELIVERY_INSTANCE=" + instance}, more...)...)
}

// consume runs a consumer until SIGTERM.
func consume(mode string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	j, err := openJournal(os.Getenv("DELIVERY_JOURNAL"))
	if err != nil {
		return err
	}
	j.note("starts")
	session := sessionTimeout
	if of := os.Getenv("DELIVERY_SESSION"); of != "" {
		if session, err = time.ParseDuration(of); err != nil {
			return err
		}
	}
	opts := []kgo.Opt{
		harness.Seeds(os.Getenv("DELIVERY_ADDR")), kgo.ConsumeTopics(os.Getenv("DELIVERY_TOPIC")), kgo.ConsumerGroup(os.Getenv("DELIVERY_GROUP")),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(300 * time.Millisecond), kgo.RebalanceTimeout(10 * time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100 * time.Millisecond), kgo.DialTimeout(2 * time.Second),
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.BlockRebalanceOnPoll(), kgo.RequestRetries(1 << 20), kgo.RetryTimeout(time.Minute),
	}
	if instance := os.Getenv("DELIVERY_INSTANCE"); instance != "" {
		opts = append(opts, kgo.InstanceID(instance))
	}
	if balancer := os.Getenv("DELIVERY_BALANCER"); balancer != "" {
		opts = append(opts, kgo.Balancers(balancers[balancer]()))
	}
	if mode == autoCommit {
		opts = append(opts, kgo.GreedyAutoCommit(), kgo.AutoCommitInterval(100*time.Millisecond),
			kgo.AutoCommitCallback(func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
				noteAutoCommit(j, req, resp, err)
			}))
	} else {
		opts = append(opts, kgo.DisableAutoCommit())
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	defer cl.AllowRebalance()
	c := &consumer{cl: cl, journal: j}
	if pause := os.Getenv("DELIVERY_PAUSE"); pause != "" {
		if c.pause, err = time.ParseDuration(pause); err != nil {
			return err
		}
	}
	for {
		fetches := cl.PollRecords(ctx, 50)
		if ctx.Err() != nil {
			return nil
		}
		c.handle(ctx, mode, fetches)
		cl.AllowRebalance()
	}
}

var balancers = map[string]func() kgo.GroupBalancer{
	"range": kgo.RangeBalancer, "roundrobin": kgo.RoundRobinBalancer, "sticky": kgo.StickyBalancer, "cooperative-sticky": kgo.CooperativeStickyBalancer,
}

type consumer struct {
	cl      *kgo.Client
	journal *journal
	pause   time.Duration // before each record is processed, and between processing and commit
}

// handle processes and commits what was polled, partition by partition.
func (c *consumer) handle(ctx context.Context, mode string, fetches kgo.Fetches) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		first, last := p.Records[0], p.Records[len(p.Records)-1]
		switch mode {
		case commitFirst:
			c.journal.note("takes %d %d %d", p.Partition, first.Offset, last.Offset+1)
			if err := c.commit(ctx, last); err != nil {
				c.journal.note("drops %d %d %d %s", p.Partition, first.Offset, last.Offset+1, word(err))
				return
			}
			c.process(p.Records)
		case processFirst:
			c.process(p.Records)
			time.Sleep(c.pause)
			if err := c.commit(ctx, last); err != nil {
				c.journal.note("refused %d %s", p.Partition, word(err))
			}
		case autoCommit:
			time.Sleep(c.pause)
			c.process(p.Records)
		}
	})
}

func (c *consumer) process(records []*kgo.Record) {
	member, generation := c.cl.GroupMetadata()
	for _, r := range records {
		number, err := strconv.Atoi(string(r.Value))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		c.journal.note("did %d %d %d %s %d", number, r.Partition, r.Offset, word(errors.New(member)), generation)
	}
}

// commit commits the offset after a record, and tries once: without an answer the
// consumer does not know whether the commit counts.
func (c *consumer) commit(ctx context.Context, r *kgo.Record) (failed error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	offsets := map[string]map[int32]kgo.EpochOffset{r.Topic: {r.Partition: {Epoch: r.LeaderEpoch, Offset: r.Offset + 1}}}
	c.cl.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	return failed
}

// noteAutoCommit writes down what the client committed on its own.
func noteAutoCommit(j *journal, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
	if err != nil {
		return
	}
	for i, t := range resp.Topics {
		for k, p := range t.Partitions {
			if p.ErrorCode == 0 {
				j.note("committed %d %d", p.Partition, req.Topics[i].Partitions[k].Offset)
			}
		}
	}
}

// word makes an error's text one word.
func word(err error) string {
	var e *kerr.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return strings.Join(strings.Fields(err.Error()), "_")
}
