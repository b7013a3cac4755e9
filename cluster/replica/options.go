package replica

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/cluster/throttle"
	"klamm/logstore"
	"klamm/observe"
)

// Options are what a Manager is made of.
type Options struct {
	// Store has the broker's log directories. Required.
	Store *logstore.Store
	// Resolve gives the configuration that a topic's own properties make together with the broker's defaults at the time of the
	// call. Required.
	Resolve func(overrides map[string]string) *Config
	// BrokerID is this broker's id.
	BrokerID int32
	// Alive says whether a broker is live, by what the controller told last. Nil: every broker is.
	Alive func(broker int32) bool
	// MayBeDeposed says whether other brokers may lead what this one led, and it has not been told. Nil: it is always told.
	MayBeDeposed func() bool
	// DialLeader connects to the broker that leads partitions which this broker follows. Nil for a broker alone, which follows nobody.
	DialLeader func(ctx context.Context, broker int32) (LeaderConn, error)
	// BrokerEpoch gives the epoch of this broker's registration, which goes with its fetches. Nil: none.
	BrokerEpoch func() int64
	// TellHighWatermark has followers' fetches that wait go on when the high watermark moves, and not only when there are records:
	// consumers read from those followers.
	TellHighWatermark bool
	// LeaderRate and FollowerRate are how fast this broker sends throttled partitions to followers, and copies them from leaders. Times are
	// those of Manager.NowMs. Nil: no bound.
	LeaderRate, FollowerRate *throttle.Rate
	// AlterPartition asks the controller for changes of ISRs, and gives a result for each. It blocks until the controller has answered: it
	// looks for the controller and repeats what was lost until ctx ends. Nil for a broker alone, whose ISRs never change.
	AlterPartition func(ctx context.Context, changes []order.AlterPartition) ([]order.AlterPartitionResult, error)
	// Settings gives the settings of replication, which may change at any time. Nil: Apache Kafka's defaults.
	Settings func() Settings
	// Clock defaults to time.Now.
	Clock func() time.Time
	// After has f called when some time has passed, and gives what prevents that. Default time.AfterFunc.
	After func(d time.Duration, f func()) (stop func() bool)
	// Observer counts what happens; nil: nobody observes.
	Observer *observe.Observer
	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

// Settings are the settings of replication. Times are in ms, sizes in bytes.
type Settings struct {
	LagTimeMaxMs          int64 // replica.lag.time.max.ms
	LagMessagesMax        int64 // replica.lag.max.messages; 0 for no bound
	Fetchers              int   // num.replica.fetchers
	FetchMinBytes         int32 // replica.fetch.min.bytes
	FetchMaxBytes         int32 // replica.fetch.max.bytes
	FetchResponseMaxBytes int32 // replica.fetch.response.max.bytes
	FetchWaitMaxMs        int32 // replica.fetch.wait.max.ms
	FetchBackoffMs        int32 // replica.fetch.backoff.ms
}

// DefaultSettings gives Apache Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		LagTimeMaxMs: 30_000, Fetchers: 1,
		FetchMinBytes: 1, FetchMaxBytes: 1 << 20, FetchResponseMaxBytes: 10 << 20, FetchWaitMaxMs: 500, FetchBackoffMs: 1000,
	}
}

// LeaderConn is one connection to a broker that leads partitions. It carries one request at a time.
type LeaderConn interface {
	// Fetch sends a Fetch request. The records in the response point into a buffer that belongs to the caller until it calls release.
	Fetch(ctx context.Context, req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, release func(), err error)
	// Request sends any other request.
	Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
	// Answering says whether some of the answer to the request that is under way has come.
	Answering() bool
	Close()
}

func (o *Options) setDefaults() {
	if o.MayBeDeposed == nil {
		o.MayBeDeposed = func() bool { return false }
	}
	if o.Alive == nil {
		o.Alive = func(int32) bool { return true }
	}
	if o.Settings == nil {
		o.Settings = DefaultSettings
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}
