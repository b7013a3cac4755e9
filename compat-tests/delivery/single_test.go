package delivery

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

func dialer(f *harness.Faults) kgo.Opt { return kgo.Dialer(f.Dial) }

// once makes a function for harness.NewFaults that makes one fault: it meets the first Produce after armed is set.
func once(kind harness.Fault, armed *atomic.Bool) func(int16) (harness.Fault, time.Duration) {
	return func(api int16) (harness.Fault, time.Duration) {
		if api == 0 && armed.CompareAndSwap(true, false) {
			return kind, 0
		}
		return harness.Pass, 0
	}
}

// sendThree sends three records one after the other; the second meets a fault. It reads the log when so many records are stored.
func sendThree(t *testing.T, b *harness.Broker, kind harness.Fault, opts []kgo.Opt, count int) (p *producer, log []int) {
	t.Helper()
	topic := harness.Topic(t, b.Addr, 1)
	var armed atomic.Bool
	faults := harness.NewFaults(t, b.Addr, once(kind, &armed))
	p = newProducer(t, topic, append(opts, harness.Seeds(faults.Addr), dialer(faults))...)
	ctx := harness.Context(t)
	for n := range 3 {
		armed.Store(n == 1)
		p.send(ctx)
		if err := p.cl.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if faults.Count(kind) != 1 {
		t.Fatalf("faults made: %s", faults.Made())
	}
	// In a cluster a record that its leader alone acknowledged is shown when the other replicas have it.
	harness.Await(t, fmt.Sprintf("%d records are stored", count), func() bool { return harness.EndOffset(t, b.Addr, topic, 0) >= int64(count) })
	return p, readAll(t, b.Addr, topic, 1)[0]
}

// TestLostRequestsAndAnswers looks at what a single lost request or answer does.
func TestLostRequestsAndAnswers(t *testing.T) {
	t.Parallel()
	b := harness.Start(t, harness.Options{})
	for name, c := range map[string]struct {
		fault harness.Fault
		opts  []kgo.Opt
		acked [3]bool
		log   []int
	}{
		"at most once, a request":        {harness.DropRequest, withoutRetries, [3]bool{true, false, true}, []int{0, 2}},
		"at most once, an answer":        {harness.DropAnswer, withoutRetries, [3]bool{true, false, true}, []int{0, 1, 2}},
		"at least once, a request":       {harness.DropRequest, withRetries, [3]bool{true, true, true}, []int{0, 1, 2}},
		"at least once, an answer":       {harness.DropAnswer, withRetries, [3]bool{true, true, true}, []int{0, 1, 1, 2}},
		"once in a partition, a request": {harness.DropRequest, idempotent, [3]bool{true, true, true}, []int{0, 1, 2}},
		"once in a partition, an answer": {harness.DropAnswer, idempotent, [3]bool{true, true, true}, []int{0, 1, 2}},
		"once in a partition, a half":    {harness.Cut, idempotent, [3]bool{true, true, true}, []int{0, 1, 2}},
		"at least once, a half":          {harness.Cut, withRetries, [3]bool{true, true, true}, []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			p, log := sendThree(t, b, c.fault, c.opts, len(c.log))
			if [3]bool(p.acked) != c.acked {
				t.Errorf("%v are acknowledged, want %v", p.acked, c.acked)
			}
			lost, doubled := 0, 0
			for n := range 3 {
				switch times := (stored{log}).times()[n]; times {
				case 0:
					lost++
				default:
					doubled += times - 1
				}
			}
			account{sent: 3, processed: 3 - lost, lost: lost, doubled: doubled, how: "read back from the log", faults: "one"}.tell(t)
			if !slices.Equal(log, c.log) {
				t.Errorf("%v are stored, want %v", log, c.log)
			}
		})
	}
}

// pause is how long a consumer waits between what it did and the next thing: time enough for the test to read of the first in the
// consumer's journal, and to stop or kill the consumer before the second.
const pause = 10 * time.Second

// workOn starts a consumer on ten records, and returns when the consumer's journal says that it has come to a point. The consumer that
// takes over has a long session: the group does not lose it before it has committed, so that it does nothing twice.
func workOn(t *testing.T, mode, point string) *crew {
	t.Helper()
	b := harness.Start(t, harness.Options{Properties: sessionProperties})
	topic := harness.Topic(t, b.Addr, 1)
	p := newProducer(t, topic, append(idempotent, harness.Seeds(b.Addr))...)
	ctx := harness.Context(t)
	for range 10 {
		p.send(ctx)
	}
	if err := p.cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	c := newCrew(t, b.Addr, topic, 1, mode, false, 2, "DELIVERY_PAUSE="+pause.String())
	c.start(0)
	c.more = []string{"DELIVERY_SESSION=1m"}
	c.await(0, "the consumer does not come to "+point, func(entries []entry) bool { return saysUpTo(entries, point) })
	return c
}

// await waits until a consumer's journal says something.
func (c *crew) await(i int, otherwise string, says func([]entry) bool) {
	c.t.Helper()
	for ctx := harness.Context(c.t); !says(readJournal(c.t, c.journals[i])); time.Sleep(time.Millisecond) {
		c.check()
		if ctx.Err() != nil {
			c.t.Fatal(otherwise)
		}
	}
}

// crashed kills a consumer at a point, and another goes on.
func crashed(t *testing.T, mode, point string) (journals [][]entry) {
	t.Helper()
	c := workOn(t, mode, point)
	c.consumers[0].Kill()
	c.consumers[0] = nil
	c.start(1)
	c.catchUp()
	time.Sleep(1500 * time.Millisecond) // time to process records that it must not process: the first consumer committed their offsets
	return c.stop()
}

// TestCommitAfterHanging: a consumer hangs between processing and commit for longer than its session, and another takes
// its place. The coordinator refuses the first consumer's late commit, and the group's offsets do not go back.
func TestCommitAfterHanging(t *testing.T) {
	t.Parallel()
	c := workOn(t, processFirst, "did")
	c.consumers[0].Signal(syscall.SIGSTOP)
	c.more = append(c.more, "DELIVERY_PAUSE="+pause.String()) // it commits when the first consumer's pause is over too
	c.start(1)
	c.await(1, "the other does not take over", func(entries []entry) bool { return saysUpTo(entries, "did") })
	c.catchUp()
	c.consumers[0].Signal(syscall.SIGCONT)
	c.await(0, "the first consumer's commit is not refused", func(entries []entry) bool {
		return len(entries) > 0 && entries[len(entries)-1].what == "refused"
	})
	c.catchUp()
	journals := c.stop()
	for n, times := range did(journals) {
		if times != 2 {
			t.Errorf("record %d was processed %d times", n, times)
		}
	}
	account{sent: 10, processed: 10, doubled: 10, how: "the first consumer's commit was refused", faults: "the consumer stopped for longer than its session"}.tell(t)
	for _, e := range journals[0] {
		if e.what == "refused" && e.why != "UNKNOWN_MEMBER_ID" {
			t.Errorf("the commit was refused with %s", e.why)
		}
	}
}

// saysUpTo says whether a journal has a line about the last of ten records.
func saysUpTo(entries []entry, what string) bool {
	for _, e := range entries {
		if e.what == what && e.to == 10 {
			return true
		}
	}
	return false
}

// TestCrashBetweenProcessingAndCommit processes everything twice.
func TestCrashBetweenProcessingAndCommit(t *testing.T) {
	t.Parallel()
	times := did(crashed(t, processFirst, "did"))
	for n := range 10 {
		if times[n] != 2 {
			t.Errorf("record %d was processed %d times", n, times[n])
		}
	}
	account{sent: 10, processed: len(times), doubled: 10, faults: "the consumer killed once"}.tell(t)
}

// TestCrashAfterAnAutomaticCommit loses everything: the client commits what was polled, and the consumer is killed before it
// has processed any.
func TestCrashAfterAnAutomaticCommit(t *testing.T) {
	t.Parallel()
	journals := crashed(t, autoCommit, "committed")
	if times := did(journals); len(times) != 0 {
		t.Errorf("%v were processed", times)
	}
	account{sent: 10, lost: 10, how: "the client had committed what the consumer had not processed", faults: "the consumer killed once"}.tell(t)
}
