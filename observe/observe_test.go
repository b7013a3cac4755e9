package observe

import (
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantilesAreNearTheTrueOnes compares a Histogram with sorted values: a quantile is an eighth away at most.
func TestQuantilesAreNearTheTrueOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, most := range []float64{10, 1e3, 1e6, 1e10} {
		var h Histogram
		var values []float64
		for range 20_000 {
			v := int64(math.Pow(most, random.Float64()))
			h.Observe(v)
			values = append(values, float64(v))
		}
		slices.Sort(values)
		d := h.Read(1)
		if d.Count != 20_000 {
			t.Errorf("count %d", d.Count)
		}
		for _, share := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
			want, got := values[int(share*float64(len(values)))], d.Quantile(share)
			if math.Abs(got-want) > want/8+1 {
				t.Errorf("up to %g: the quantile %g is %g, not %g", most, share, got, want)
			}
		}
		if want, got := values[len(values)-1], d.Max(); math.Abs(got-want) > want/8 {
			t.Errorf("up to %g: the largest value is %g, not %g", most, got, want)
		}
	}
}

// TestBucketsMeet goes over the borders of all buckets: each value is in one whose middle is near it, and buckets only grow.
func TestBucketsMeet(t *testing.T) {
	was := -1
	for v := int64(0); v < 1<<40; v = max(v+1, v+v/64) {
		b := bucketOf(v)
		if b < was || b >= histogramBuckets {
			t.Fatalf("%d is in bucket %d after bucket %d", v, b, was)
		}
		was = b
		if m := middleOf(b); v < 1<<histogramMaxBits && math.Abs(m-float64(v)) > float64(v)/8 {
			t.Fatalf("%d is in the bucket around %g", v, m)
		}
	}
	if bucketOf(-5) != 0 || bucketOf(math.MaxInt64) != histogramBuckets-1 {
		t.Error("values out of range")
	}
}

// TestAHistogramForgets lets minutes pass: values older than five minutes count in Count alone.
func TestAHistogramForgets(t *testing.T) {
	var h Histogram
	h.Observe(1000)
	for minute := range int64(20) {
		d := h.Read(1 + minute*histogramWindowMs)
		if d.Count != 1 {
			t.Fatalf("minute %d: count %d", minute, d.Count)
		}
		if minute < histogramWindows && d.Max() == 0 {
			t.Fatalf("minute %d: the value is forgotten", minute)
		}
		if minute > 2*histogramWindows && d.Max() != 0 {
			t.Fatalf("minute %d: the value is not forgotten", minute)
		}
	}
}

// TestTopicsComeAndGo counts in topics that go: the sum over all topics never falls.
func TestTopicsComeAndGo(t *testing.T) {
	o := New()
	o.Topic("a").Add(BytesIn, 5)
	o.Topic("b").Add(BytesIn, 7)
	if o.Topic("a") != o.Known("a") {
		t.Error("a topic that is here is not known")
	}
	o.Known("made-up").Add(BytesIn, 100)
	o.TopicGone("a")
	o.TopicGone("never")
	list, all := o.TopicCounts()
	if len(list) != 1 || list[0].Topic != "b" || list[0].TopicCounts[BytesIn] != 7 || all[BytesIn] != 112 {
		t.Errorf("topics %v, all %v", list, all)
	}
}

// TestNothingIsObserved calls everything on a nil Observer, as the rooms do where observation is switched off.
func TestNothingIsObserved(t *testing.T) {
	var o *Observer
	o.Topic("a").Add(BytesIn, 1)
	o.Known("a").Add(BytesIn, 1)
	o.TopicGone("a")
	o.Request("Fetch").Answered(&Times{}, 3, 10)
	o.Request("Fetch").Error(3)
	o.Add(ReplicationBytesIn, 1)
	o.Observe(FlushTime, 1)
	o.Tell(slog.New(slog.DiscardHandler), SessionChanged{To: SessionBegan})
	if o.Count(ReplicationBytesIn) != 0 || o.EventCounts() != nil || o.RequestCounts(1) != nil || o.Distribution(FlushTime, 1).Count != 0 {
		t.Error("something was observed")
	}
	if list, all := o.TopicCounts(); list != nil || all != (TopicCounts{}) {
		t.Error("topics were observed")
	}
}

// TestEventsAreCountedByReason tells events, and notes one.
func TestEventsAreCountedByReason(t *testing.T) {
	o := New()
	silent := slog.New(slog.DiscardHandler)
	for range 3 {
		o.Tell(silent, Rebalanced{Group: "g", Because: "a member joined"})
	}
	o.Tell(silent, Rebalanced{Group: "h", Because: "a member left", Said: "it was told to"})
	o.Note(LimitReached{Limit: "max.connections"})
	got := map[EventCount]bool{}
	for _, c := range o.EventCounts() {
		got[c] = true
	}
	for _, c := range []EventCount{
		{"group_rebalanced", "a member joined", 3}, {"group_rebalanced", "a member left", 1}, {"limit_reached", "max.connections", 1},
	} {
		if !got[c] {
			t.Errorf("%v is not among %v", c, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("counts %v", got)
	}
}

// TestProgressIsNearTheTruth appends for hours, and compares what is known of each offset's time with the truth: it is wrong by a twentieth
// of its age at most, and by no more than the distance of two points.
func TestProgressIsNearTheTruth(t *testing.T) {
	var p Progress
	random := rand.New(rand.NewPCG(1, 2))
	var truth []int64 // the time of each offset
	now := int64(1_000_000)
	for len(truth) < 100_000 {
		now += random.Int64N(1000)
		n := 1 + random.IntN(20)
		p.Add(int64(len(truth)), now)
		for range n {
			truth = append(truth, now)
		}
	}
	if len(p.points) > progressMost {
		t.Fatalf("%d points are kept", len(p.points))
	}
	for offset, ms := range truth {
		got, known := p.At(int64(offset))
		if off := math.Abs(float64(got - ms)); !known || off > float64(now-ms)/20+2000 {
			t.Fatalf("offset %d was appended %d ms ago, and %d ms are known (%t)", offset, now-ms, now-got, known)
		}
	}
	if _, known := p.At(-1); known {
		t.Error("an offset before the first is known")
	}
	if p.Forget(); len(p.points) > 0 {
		t.Error("points are left")
	}
	if _, known := p.At(5); known {
		t.Error("an offset is known after all was forgotten")
	}
}

// TestPhasesAddUp counts a request: its phases make up the whole time.
func TestPhasesAddUp(t *testing.T) {
	o := New()
	ms := int64(time.Millisecond)
	o.Request("Produce").Answered(&Times{Read: 10 * ms, Begun: 12 * ms, Waits: 20 * ms, Completed: 52 * ms, Writing: 54 * ms, Written: 58 * ms}, 9, 100)
	o.Request("Produce").Errors(0, 3)
	c := o.RequestCounts(1)[0]
	if c.Versions[9] != 1 || c.Errors[0] != 3 {
		t.Errorf("counts %+v", c)
	}
	want := map[Phase]float64{TotalTime: 48, RequestQueueTime: 2, LocalTime: 8, RemoteTime: 32, ThrottleTime: 0, ResponseQueueTime: 2, ResponseSendTime: 4}
	for p, ms := range want {
		if got := c.Phases[p].Max() / 1000; math.Abs(got-ms) > ms/8 {
			t.Errorf("phase %d took %g ms, not %g", p, got, ms)
		}
	}
}
