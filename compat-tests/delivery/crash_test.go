package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

// partitions is how many partitions each test's topic has.
const partitions = 4

// outage is a time in which the broker was down, or clients had not found it again.
type outage struct{ from, to time.Time }

// widened lets an outage begin at the last record that the broker stored before it, and end at the first one that it stored
// after it. A broker on a busy machine is behind with the records that it need not answer, and takes a while to lead again: all of
// those are lost together. A record that is lost between two that were stored is not.
func (o outage) widened(p *producer, inLog map[int]int) outage {
	last, first := o.from, o.to
	for n := range p.sent() {
		switch {
		case inLog[n] == 0:
		case p.at[n].Before(o.from) && (last == o.from || p.at[n].After(last)):
			last = p.at[n]
		case p.at[n].After(o.to) && (first == o.to || p.at[n].Before(first)):
			first = p.at[n]
		}
	}
	// The partitions' last and first records are not sent at the same moment.
	return outage{last.Add(-time.Second), first.Add(time.Second)}
}

// storm has a producer send while its crew's consumers, and the broker, are killed and started again.
func storm(t *testing.T, b *harness.Broker, p *producer, c *crew, rnd *rand.Rand) (outages []outage) {
	t.Helper()
	ctx, cancel := context.WithCancel(harness.Context(t))
	defer cancel()
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { p.run(ctx, stop, 400) })
	for i := range c.consumers {
		c.start(i)
	}
	consumers, brokers := consumerCrashes(), brokerCrashes()
	every := consumers/(brokers+1) + 1
	for n := 1; n <= consumers; n++ {
		time.Sleep(time.Duration(100+rnd.IntN(700)) * time.Millisecond)
		c.check()
		i := rnd.IntN(len(c.consumers))
		c.consumers[i].Kill()
		time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
		c.start(i)
		if n%every == 0 {
			from := time.Now()
			b.Kill()
			if err := b.Run(); err != nil {
				t.Fatal(err)
			}
			outages = append(outages, outage{from, time.Now().Add(2 * time.Second)})
		}
	}
	close(stop)
	sending.Wait()
	c.catchUp()
	return outages
}

func crashesMade() string {
	return fmt.Sprintf("consumers killed %d times, the broker %d times", consumerCrashes(), brokerCrashes())
}

// TestAtMostOnce has producers that do not send again and consumers that commit before they process. No record is
// processed twice, and every lost record was lost in a crash.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name   string
		acks   bool
		static bool
	}{{"acks=0, static members", false, true}, {"acks=1, dynamic members", true, false}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			b := harness.Start(t, harness.Options{Properties: sessionProperties})
			topic := harness.Topic(t, b.Addr, partitions)
			opts := withoutAcks
			if kind.acks {
				opts = withoutRetries
			}
			p := newProducer(t, topic, append(opts, harness.Seeds(b.Addr))...)
			c := newCrew(t, b.Addr, topic, partitions, commitFirst, kind.static, 3)
			outages := storm(t, b, p, c, harness.Rand(t, *seed))
			atMostOnce(t, p, outages, readAll(t, b.Addr, topic, partitions), c.stop(), kind.acks)
		})
	}
}

func atMostOnce(t *testing.T, p *producer, outages []outage, log stored, journals [][]entry, acks bool) {
	t.Helper()
	inLog, processed := log.times(), did(journals)
	doubled := 0
	for n, times := range inLog {
		if times > 1 {
			doubled++
			t.Errorf("record %d is stored %d times", n, times)
		}
	}
	for n, times := range processed {
		if times > 1 {
			doubled++
			t.Errorf("record %d was processed %d times:\n%s", n, times, story(log, journals, n))
		}
	}
	for i, o := range outages {
		outages[i] = o.widened(p, inLog)
	}
	notStored, notProcessed := 0, 0
	for n := range p.sent() {
		switch {
		case inLog[n] == 0 && harness.Brokers() > 1:
			notStored++ // what the leader alone has is lost with it, and it may be another one's turn at any time
		case inLog[n] == 0:
			if notStored++; acks && p.acked[n] {
				t.Errorf("record %d was acknowledged, and is not stored", n)
			}
			if !slices.ContainsFunc(outages, func(o outage) bool { return p.at[n].After(o.from) && p.at[n].Before(o.to) }) {
				t.Errorf("record %d is not stored, and the broker was there when it was sent", n)
			}
		case processed[n] == 0:
			notProcessed++
		}
	}
	explained := explain(log, journals, processed)
	if explained != notProcessed {
		t.Errorf("%d records were not processed, and %d of them are explained by crashes", notProcessed, explained)
	}
	account{
		sent: p.sent(), processed: len(processed), lost: notStored + notProcessed, doubled: doubled, faults: crashesMade(),
		how: fmt.Sprintf("lost before they were stored: %d; committed by a consumer that was killed, or did not learn of the commit, before it processed them: %d", notStored, notProcessed),
	}.tell(t)
	if len(processed) < len(inLog)/2 || len(inLog) == 0 {
		t.Error("most records that were stored were lost")
	}
}

// story is what the journals say about a record.
func story(log stored, journals [][]entry, number int) string {
	var s strings.Builder
	for consumer, entries := range journals {
		for _, e := range entries {
			if e.what == "starts" || e.what == "did" && e.number != number || int64(len(log[e.partition])) < e.to {
				continue
			}
			if at := int64(slices.Index(log[e.partition], number)); at >= e.from && at < e.to {
				fmt.Fprintf(&s, "consumer %d: %+v\n", consumer, e)
			}
		}
	}
	return s.String()
}

// explain counts the records that were committed and not processed for one of two reasons: the consumer was killed after it
// began to commit them, or did not learn whether it had.
func explain(log stored, journals [][]entry, processed map[int]int) int {
	lost := map[int]bool{}
	for _, entries := range journals {
		for i, e := range entries {
			if e.what != "takes" || !endsIn(entries[i+1:]) {
				continue
			}
			for _, n := range log[e.partition][e.from:e.to] {
				if processed[n] == 0 {
					lost[n] = true
				}
			}
		}
	}
	return len(lost)
}

// endsIn says whether a consumer ends, or drops what it took, before it takes anything more.
func endsIn(entries []entry) bool {
	for _, e := range entries {
		if e.what == "takes" {
			return false
		}
		if e.what == "drops" || e.what == "starts" {
			return true
		}
	}
	return true
}

// TestAtLeastOnce has a producer that sends each record again until it is acknowledged, through a proxy that
// loses requests and answers, and consumers that commit by hand what they have processed. No record is lost.
func TestAtLeastOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name   string
		static bool
	}{{"static members", true}, {"dynamic members", false}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			b := harness.Start(t, harness.Options{Properties: sessionProperties})
			topic := harness.Topic(t, b.Addr, partitions)
			rnd := harness.Rand(t, *seed)
			faults := harness.NewFaults(t, b.Addr, faultsOf(rnd, 20, harness.DropRequest, harness.DropAnswer, harness.Delay, harness.Cut))
			p := newProducer(t, topic, append(withRetries, harness.Seeds(faults.Addr), dialer(faults))...)
			c := newCrew(t, b.Addr, topic, partitions, processFirst, kind.static, 3)
			storm(t, b, p, c, rnd)
			log, processed := readAll(t, b.Addr, topic, partitions), did(c.stop())
			inLog := log.times()
			lost, copies, again := 0, 0, 0
			for n := range p.sent() {
				switch {
				case !p.acked[n]:
					t.Errorf("record %d was never acknowledged: %v", n, p.failed)
				case inLog[n] == 0:
					t.Errorf("record %d was acknowledged, and is not stored", n)
				case processed[n] < inLog[n]:
					t.Errorf("record %d is stored %d times, and was processed %d times", n, inLog[n], processed[n])
				}
				if processed[n] == 0 {
					lost++
				}
				copies += max(0, inLog[n]-1)
				again += max(0, processed[n]-inLog[n])
			}
			account{
				sent: p.sent(), processed: len(processed), lost: lost, doubled: copies + again, faults: faults.Made() + "; " + crashesMade(),
				how: fmt.Sprintf("by the producer: %d; by a consumer after a crash: %d", copies, again),
			}.tell(t)
			if faults.Count(harness.DropAnswer) > 0 && copies == 0 {
				t.Error("answers were lost, and no record was stored twice")
			}
		})
	}
}

// TestOnceInAPartition does the same with the idempotent producer. No record is lost or stored twice, and each
// partition has its records in the order in which they were sent.
func TestOnceInAPartition(t *testing.T) {
	t.Parallel()
	b := harness.Start(t, harness.Options{})
	topic := harness.Topic(t, b.Addr, partitions)
	rnd := harness.Rand(t, *seed)
	faults := harness.NewFaults(t, b.Addr, faultsOf(rnd, 10, harness.DropRequest, harness.DropAnswer, harness.Delay, harness.Cut))
	p := newProducer(t, topic, append(idempotent, harness.Seeds(faults.Addr), dialer(faults))...)
	ctx, stop := harness.Context(t), make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { p.run(ctx, stop, 1000) })
	kills := max(1, brokerCrashes())
	if harness.Reference() {
		// After a kill Apache Kafka knows only the last batch of a producer in each partition, which is what its snapshot holds. A
		// batch before that which is sent again is out of order to it, and the client begins a new epoch with records that are stored.
		kills = 0
	}
	for range kills {
		time.Sleep(time.Duration(500+rnd.IntN(1500)) * time.Millisecond)
		b.Kill()
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
	}
	for faults.Count(harness.DropAnswer) < 5 || faults.Count(harness.DropRequest) < 5 {
		if time.Sleep(50 * time.Millisecond); ctx.Err() != nil {
			t.Fatalf("too few faults were made: %s", faults.Made())
		}
	}
	close(stop)
	sending.Wait()
	log := readAll(t, b.Addr, topic, partitions)
	inLog, lost, doubled := log.times(), 0, 0
	for n := range p.sent() {
		if inLog[n] == 0 {
			lost++
		}
		doubled += max(0, inLog[n]-1)
		if !p.acked[n] || inLog[n] != 1 {
			t.Errorf("record %d is stored %d times; acknowledged: %t", n, inLog[n], p.acked[n])
		}
	}
	for partition, numbers := range log {
		for i := 1; i < len(numbers); i++ {
			if numbers[i] <= numbers[i-1] {
				t.Errorf("partition %d: record %d stands after record %d", partition, numbers[i], numbers[i-1])
			}
		}
	}
	account{
		sent: p.sent(), processed: len(inLog), lost: lost, doubled: doubled, how: "read back from the log, in order",
		faults: fmt.Sprintf("%s; the broker killed %d times", faults.Made(), kills),
	}.tell(t)
}
