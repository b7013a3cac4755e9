package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/cli/printable"
	"klamm/cmd/cli/records"
)

// quietPause is how long a consume waits for records before it looks whether there are any more: what follows may be markers of transactions, and gaps that
// compaction left, of which the client does not tell. While it finds nothing out it waits twice as long each time,
// quietest times at most: then the broker is slow.
const (
	quietPause = 300 * time.Millisecond
	quietest   = 4
)

// lookBytes is how much it fetches to see what follows. A broker gives at least one batch.
const lookBytes = 64 << 10

// patience is how long a consume without end waits for records before it looks whether its brokers can be reached.
const patience = 3 * time.Second

// pollRecords is how many records are taken from the client at a time.
const pollRecords = 10_000

func partitionCount(topics kadm.TopicDetails) (n int) {
	topics.EachPartition(func(kadm.PartitionDetail) { n++ })
	return n
}

// run prints records until over says so, or as many are printed as were asked for.
func (c *consumption) run(ctx context.Context, over func() bool) error {
	out := bufio.NewWriterSize(c.admin.Out, 64<<10)
	bytes := int64(0)
	said := make(chan string, 1)
	said <- ""
	progress := c.admin.progress(!c.admin.OutTerminal, func() string { text := <-said; said <- text; return text })
	defer progress.end()
	for !over() && !c.enough() {
		fetches := c.poll(ctx)
		if c.f.follow {
			c.warn()
		}
		printed, n, err := c.print(out, fetches)
		if err == nil {
			err = out.Flush()
		}
		if err == nil && c.from.commit != nil && len(printed) > 0 {
			err = c.from.commit(context.WithoutCancel(ctx), printed)
		}
		c.from.client.AllowRebalance()
		if err != nil {
			return err
		}
		bytes += n
		<-said
		said <- fmt.Sprintf("%s read, %s", count(c.wrote, "record"), sizeOf(&bytes))
		if err := c.from.failure(fetches); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.quiet++
		if !fetches.Empty() {
			c.quiet = 0
		} else if !c.f.follow {
			if err := c.skip(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *consumption) enough() bool { return c.f.count > 0 && c.wrote >= c.f.count }

// poll waits for records, but not for long where the end may have come.
func (c *consumption) poll(ctx context.Context) kgo.Fetches {
	pause := quietPause << min(c.quiet, quietest)
	if c.f.follow {
		pause = patience
	}
	ctx, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	return c.from.client.PollRecords(ctx, pollRecords)
}

// warn says once that no broker can be reached, and when that is over: the client goes on trying.
func (c *consumption) warn() {
	reason := c.from.unreached()
	if (reason != nil) == c.warned {
		return
	}
	if c.warned = reason != nil; !c.warned {
		fmt.Fprintln(c.admin.Err, "klamm: connected again")
		return
	}
	for line := range strings.SplitSeq(reason.Error(), "\n") {
		fmt.Fprintln(c.admin.Err, "klamm: "+printable.Text(line))
	}
	fmt.Fprintln(c.admin.Err, "klamm: trying again; Ctrl-C ends it")
}

// failure gives the first error of fetches that does not mend itself.
func (r *connectedReader) failure(fetches kgo.Fetches) (err error) {
	fetches.EachError(func(topic string, partition int32, e error) {
		if errors.Is(e, context.Canceled) || errors.Is(e, context.DeadlineExceeded) || err != nil {
			return
		}
		if lost := new(kgo.ErrDataLoss); errors.As(e, &lost) || kerr.IsRetriable(e) {
			return // the client goes on
		}
		if topic == "" { // about the group, or the client
			err = r.explain(e)
			return
		}
		err = refused("reading "+tp{topic, partition}.String(), r.explain(e), "")
	})
	return err
}

// print writes records, and gives those that it wrote and their bytes.
func (c *consumption) print(out *bufio.Writer, fetches kgo.Fetches) (printed []*kgo.Record, bytes int64, err error) {
	var text []byte
	for each := fetches.RecordIter(); !each.Done() && err == nil; {
		r := each.Next()
		at := tp{r.Topic, r.Partition}
		if !c.unfinished(at) || c.enough() {
			continue
		}
		if c.until != nil && r.Offset >= c.until[at] {
			c.next[at] = c.until[at]
			continue
		}
		c.next[at] = r.Offset + 1
		printed = append(printed, r)
		if r.Attrs.IsControl() {
			continue
		}
		c.wrote++
		bytes += int64(len(r.Key) + len(r.Value))
		text = c.f.write(text[:0], r)
		if c.admin.OutTerminal && !c.f.raw {
			text = harmless(text, c.f.format)
		}
		_, err = out.Write(text)
	}
	return printed, bytes, err
}

// harmless makes text fit for a terminal.
func harmless(text []byte, format string) []byte {
	if format == records.JSON {
		return []byte(printable.JSON(string(text)))
	}
	return []byte(printable.Lines(string(text)))
}

// skip moves over what is no record, in partitions that are not at their end: when nothing comes, nothing else may be left.
func (c *consumption) skip(ctx context.Context) error {
	for at := range c.next {
		if !c.unfinished(at) || c.until == nil {
			continue
		}
		next, err := c.admin.invisible(ctx, at, c.next[at], c.f.committed)
		if err != nil {
			return err
		}
		if next > c.next[at] {
			c.next[at], c.quiet = next, 0
		}
	}
	return nil
}

// invisible fetches from an offset on. If there is something, but nothing that a consumer gets, it gives the offset behind it; otherwise the same offset.
func (s *session) invisible(ctx context.Context, at tp, from int64, committed bool) (int64, error) {
	meta, err := s.Admin.Metadata(ctx, at.topic)
	if err != nil {
		return from, fmt.Errorf("asking for the leader of %s: %w", at, err)
	}
	part, ok := meta.Topics[at.topic].Partitions[at.partition]
	if !ok || part.Leader < 0 {
		return from, nil // the client waits for one
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MaxWaitMillis, req.MinBytes = lookBytes, 0, 0
	isolation := kgo.ReadUncommitted()
	if committed {
		req.IsolationLevel, isolation = 1, kgo.ReadCommitted()
	}
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = at.partition, from, lookBytes
	t.Topic, t.TopicID, t.Partitions = at.topic, meta.Topics[at.topic].ID, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, s.Client.Broker(int(part.Leader)))
	if err != nil || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return from, nil // the client that reads tries again, and says what is wrong
	}
	rp := &resp.Topics[0].Partitions[0]
	if rp.ErrorCode != 0 {
		return from, nil // likewise
	}
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: from, IsolationLevel: isolation, Topic: at.topic, Partition: at.partition}, rp, kgo.DefaultDecompressor(), nil)
	if len(fetched.Records) > 0 || fetched.Err != nil {
		return from, nil
	}
	return next, nil
}
