package groupcoord

import (
	"errors"
	"flag"
	"runtime"
	"strconv"
	"testing"
)

var names = flag.Int("names", 300_000, "how many groups TestManyGroupNames makes up for each kind of request")

// discards is a Log that accepts all batches and stores none.
type discards struct{}

func (discards) Append([]byte, func(error)) (int64, bool, error) { return 0, true, nil }
func (discards) Offsets() (start, end int64)                     { return 0, 0 }
func (discards) Read(int64, int, []byte) ([]byte, error)         { return nil, nil }
func (discards) MaxBatchBytes() int                              { return 1 << 20 }
func (discards) Flush() error                                    { return nil }

// TestManyGroupNames: a client that invents group ids takes no more memory than groups may take, with each kind of request that makes a group.
// A group that was there before is served all the while.
func TestManyGroupNames(t *testing.T) {
	join := func(known bool) func(c *Coordinator, group string) error {
		return func(c *Coordinator, group string) (err error) {
			c.Join(&JoinRequest{
				Group: group, SessionTimeoutMs: 1_800_000, RebalanceTimeoutMs: 1_800_000, ProtocolType: consumerProtocol,
				Protocols: []Protocol{{"range", subscribes("t")}}, NeedsKnownID: known, Done: func(a JoinAnswer) { err = a.Err },
			})
			return err
		}
	}
	for name, ask := range map[string]func(c *Coordinator, group string) error{
		"members":     join(false),
		"pending ids": join(true),
		"commits":     commitOne,
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig()
			config.MaxBytes = 32 << 20
			id := 0
			c := New(testOptions(config, func(prefix string) string {
				id++
				return prefix + strconv.Itoa(id)
			}))
			defer c.Close()
			c.Elected(0, 1, discards{})
			c.Serve()
			for commitOne(c, "before") != nil {
				runtime.Gosched() // it is being read
			}
			before := heap()
			refused := 0
			for i := range *names {
				if errors.Is(ask(c, "group"+strconv.Itoa(i)), ErrNotAvailable) {
					refused++
				}
			}
			taken := heap() - before
			t.Logf("%d of %d taken, %d MB by count, %d MB of heap", *names-refused, *names, c.bytes.Load()>>20, taken>>20)
			if refused == 0 {
				t.Error("all were taken")
			}
			if taken > 2*config.MaxBytes {
				t.Errorf("%d bytes are taken of %d", taken, config.MaxBytes)
			}
			if err := commitOne(c, "before"); err != nil {
				t.Errorf("the group that was there before: %v", err)
			}
		})
	}
}

func commitOne(c *Coordinator, group string) (err error) {
	r := &CommitRequest{Group: group, Generation: -1, RetentionMs: -1, Offsets: []CommittedOffset{{Topic: "t", Offset: 1, TimestampMs: -1}}}
	r.Done = func(e error) {
		if err = e; err == nil {
			err = r.Offsets[0].Err
		}
	}
	c.Commit(r)
	return err
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
