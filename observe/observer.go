package observe

// Observer is what a broker's rooms are handed. A nil Observer observes nothing.
type Observer struct {
	topics     topics
	requests   requests
	events     events
	counts     [brokerCounters]Counter
	histograms [brokerHistograms]Histogram
}

// New makes an Observer.
func New() *Observer { return new(Observer) }

// BrokerCounter is one of the counters of a whole broker, which belong to no topic and no API.
type BrokerCounter int

// The counters of a broker.
const (
	ReplicationBytesIn BrokerCounter = iota
	ReplicationBytesOut
	ReassignmentBytesIn
	ReassignmentBytesOut
	FailedISRUpdates
	brokerCounters
)

// BrokerHistogram is one of the histograms of a whole broker. Times are in µs.
type BrokerHistogram int

// The histograms of a broker.
const (
	FlushTime BrokerHistogram = iota // of a log to the disk (kafka.log.LogFlushStats)
	brokerHistograms
)

// Add adds to one of the broker's counters.
func (o *Observer) Add(c BrokerCounter, n int64) {
	if o != nil {
		o.counts[c].Add(n)
	}
}

// Count gives one of the broker's counters.
func (o *Observer) Count(c BrokerCounter) int64 {
	if o == nil {
		return 0
	}
	return o.counts[c].Load()
}

// Observe counts a value in one of the broker's histograms.
func (o *Observer) Observe(h BrokerHistogram, v int64) {
	if o != nil {
		o.histograms[h].Observe(v)
	}
}

// Distribution gives the values of one of the broker's histograms. nowMs is what Histogram.Read takes.
func (o *Observer) Distribution(h BrokerHistogram, nowMs int64) *Distribution {
	if o == nil {
		return new(Distribution)
	}
	return o.histograms[h].Read(nowMs)
}
