package scale

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"klamm/cluster/controller"
	"klamm/cluster/znode"
	"klamm/protocol"
)

var (
	partitions = flag.Int("partitions", 1600, "the largest number of partitions; a quarter and a sixteenth are measured too")
	brokers    = flag.Int("brokers", 10, "brokers of the cluster; each leads as many partitions")
	clients    = flag.Int("clients", 20, "clients that ask for Metadata of all topics at the same time")
	roundTrip  = flag.Duration("round-trip", time.Millisecond, "of a request to the metadata tree")
	inFlight   = flag.Int("in-flight", 10, "zookeeper.max.in.flight.requests")
	only       = flag.String("only", "", "what to measure, names with commas between; empty: all")
	times      = flag.Int("times", 1, "how often each size is measured; the median of each figure counts")
	profiles   = flag.String("profiles", "", "a directory for a CPU profile of each, empty for none")
)

// scenarios are what is measured. Each makes something of a size, and has the figures taken of what it then does.
var scenarios = []struct {
	name, about string
	run         func(t *testing.T, n int, m *meter)
}{
	{"failover", "the controller dies, which leads a tenth: until the tree is read, until the new leaders know, until all brokers know all", failover},
	{"death", "a broker dies that leads a tenth: until the new leaders know, until all brokers know all", death},
	{"reassignment", "a quarter of the partitions get another replica: until the tree and all brokers have it", reassignment},
	{"metadata", "all clients ask for all topics at the same time: until all have them, and again after a change of one partition", metadataOfAll},
}

// TestScale measures each scenario with a sixteenth, a quarter and all of the partitions, and prints a table.
func TestScale(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			if *only != "" && !slices.Contains(strings.Split(*only, ","), s.name) {
				return
			}
			fmt.Printf("\n%s: %s\n\n", s.name, s.about)
			var before []sample
			for _, n := range []int{*partitions / 16, *partitions / 4, *partitions} {
				var rounds [][]sample
				for range *times {
					m := &meter{name: fmt.Sprintf("%s-%d", s.name, n)}
					if !t.Run(fmt.Sprint(n), func(t *testing.T) { s.run(t, n, m) }) { // what it made is gone after it
						return
					}
					rounds = append(rounds, m.samples)
				}
				all := medians(rounds)
				printRow(n, all, before)
				before = all
			}
		})
	}
}

// sample is one figure.
type sample struct {
	name  string
	value float64
	unit  string
}

// meter takes the figures of one round.
type meter struct {
	name    string
	samples []sample
	begun   time.Time
}

func (m *meter) add(name string, value float64, unit string) {
	m.samples = append(m.samples, sample{name, value, unit})
}

// since adds how long after the beginning something was.
func (m *meter) since(name string, at time.Time) { m.add(name, at.Sub(m.begun).Seconds()*1000, "ms") }

// measure times do, with the CPU and the memory that it takes beyond what there was before.
func (m *meter) measure(t *testing.T, name string, do func()) {
	debug.FreeOSMemory()
	before := resident(t, "VmRSS")
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	if *profiles != "" {
		f, err := os.Create(filepath.Join(*profiles, m.name+"-"+strings.ReplaceAll(name, " ", "-")+".cpu"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			t.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	cpu := used(t)
	m.begun = time.Now()
	do()
	m.since(name, time.Now())
	m.add("CPU", float64((used(t) - cpu).Milliseconds()), "ms")
	m.add("memory before", before, "MB")
	m.add("and at most", resident(t, "VmHWM")-before, "MB more")
}

func used(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident reads a figure of this process's memory, in MB.
func resident(t *testing.T, what string) (mb float64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), what+":")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return float64(kb) / 1000
}

// medians are those of each figure over the rounds.
func medians(rounds [][]sample) []sample {
	all := slices.Clone(rounds[0])
	for i := range all {
		var values []float64
		for _, r := range rounds {
			values = append(values, r[i].value)
		}
		slices.Sort(values)
		all[i].value = values[len(values)/2]
	}
	return all
}

// printRow prints the figures of a size, each with how many times that of a quarter of the size it is.
func printRow(n int, all, before []sample) {
	fmt.Printf("%9d partitions\n", n)
	for i, s := range all {
		growth := ""
		if before != nil && before[i].value > 0 {
			growth = fmt.Sprintf("%6.1fx", s.value/before[i].value)
		}
		fmt.Printf("          %-34s %10.0f %-8s%s\n", s.name, s.value, s.unit, growth)
	}
}

// until waits, for ten minutes at most.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never: ", what)
		}
	}
}

// settled is when the brokers that are left know what became of a dead one's replicas, of which there were affected: each of the other
// replicas was told, besides those of others, and each broker was shown the change after others.
func (f *fleet) settled(affected, others int64) func() bool {
	return func() bool {
		return f.sum((*member).toldTo) >= (factor-1)*affected+factor*others &&
			f.all(func(m *member) bool { return m.shown.Load() >= affected })
	}
}

func (f *fleet) isWithout(dead int32) func(znode.Replicas, znode.PartitionState) bool {
	return func(p znode.Replicas, s znode.PartitionState) bool {
		want := len(p.Replicas)
		if slices.Contains(p.Replicas, dead) {
			want--
		}
		return s.Leader >= 0 && s.Leader != dead && !slices.Contains(s.ISR, dead) && len(s.ISR) == want
	}
}

func failover(t *testing.T, n int, m *meter) {
	f := newFleet(t, n)
	affected := f.held(1)
	f.forget()
	m.measure(t, "all know all", func() {
		f.kill(1)
		settled := f.settled(affected, int64(n)-affected)
		until(t, "the failover ends", func() bool {
			return settled() && f.all(func(m *member) bool { return m.shown.Load() >= int64(n)+affected })
		})
	})
	m.since("the tree is read", time.Unix(0, f.read.Load()))
	m.since("the new leaders know", time.Unix(0, f.leadNs.Load()))
	m.add("orders", float64(f.sum((*member).sent))/1e6, "MB")
	f.check(f.isWithout(1))
}

func death(t *testing.T, n int, m *meter) {
	f := newFleet(t, n)
	dead := int32(*brokers)
	affected := f.held(dead)
	f.forget()
	m.measure(t, "all know all", func() {
		f.kill(dead)
		until(t, "all know of the death", f.settled(affected, 0))
	})
	m.since("the new leaders know", time.Unix(0, f.leadNs.Load()))
	m.add("orders", float64(f.sum((*member).sent))/1e6, "MB")
	f.check(f.isWithout(dead))
}

// reassignment gives every fourth partition one replica on another broker, in turn in place of the first, the second and the third.
func reassignment(t *testing.T, n int, m *meter) {
	f := newFleet(t, n)
	e := &controller.AlterReassignments{}
	want := map[protocol.TopicPartition][]int32{}
	for name, topic := range f.assignment() {
		for _, p := range topic.Partitions {
			if p.Partition%4 != 0 {
				continue
			}
			to := slices.Clone(p.Replicas)
			next := p.Replicas[0]
			for slices.Contains(p.Replicas, next) {
				next = next%int32(*brokers) + 1
			}
			to[len(want)%factor] = next
			tp := protocol.TopicPartition{Topic: name, Partition: p.Partition}
			want[tp] = to
			e.Partitions = append(e.Partitions, controller.Reassignment{TopicPartition: tp, Replicas: to})
		}
	}
	slices.SortFunc(e.Partitions, func(a, b controller.Reassignment) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	f.forget()
	m.measure(t, "all is moved", func() {
		f.do(e)
		m.since("the request is answered", time.Now())
		until(t, "every replica that left is deleted", func() bool {
			return f.sum(func(m *member) int64 { return m.stopped.Load() }) >= int64(len(want))
		})
		list := &controller.ListReassignments{}
		for f.do(list); len(list.Results) > 0; f.do(list) {
			list.Results = nil
		}
	})
	m.add("orders", float64(f.sum((*member).sent))/1e6, "MB")
	for _, err := range e.Results {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, topic := range f.assignment() {
		for _, p := range topic.Partitions {
			to := want[protocol.TopicPartition{Topic: name, Partition: p.Partition}]
			if to != nil && !slices.Equal(to, p.Replicas) || len(p.Adding)+len(p.Removing) > 0 {
				t.Fatalf("%s: %+v, want %v", name, p, to)
			}
		}
	}
}
