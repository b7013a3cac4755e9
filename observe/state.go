package observe

import "sync/atomic"

// BrokerState is how far a broker is in its life, with the numbers of org.apache.kafka.metadata.BrokerState.
type BrokerState int32

// The states of a broker.
const (
	NotRunning                BrokerState = 0
	Starting                  BrokerState = 1
	Recovery                  BrokerState = 2 // it looks through its log directories
	Running                   BrokerState = 3
	PendingControlledShutdown BrokerState = 6
	ShuttingDown              BrokerState = 7
)

// String names the state as Apache Kafka does.
func (s BrokerState) String() string {
	switch s {
	case NotRunning:
		return "NOT_RUNNING"
	case Starting:
		return "STARTING"
	case Recovery:
		return "RECOVERY"
	case Running:
		return "RUNNING"
	case PendingControlledShutdown:
		return "PENDING_CONTROLLED_SHUTDOWN"
	case ShuttingDown:
		return "SHUTTING_DOWN"
	}
	return "UNKNOWN"
}

// Life holds a broker's state for whoever wants to know it, also before the broker has started. Any goroutine may use it. A nil Life is that of a
// broker that nobody asks about.
type Life struct{ state atomic.Int32 }

// Set sets the state.
func (l *Life) Set(s BrokerState) {
	if l != nil {
		l.state.Store(int32(s))
	}
}

// State gives the state.
func (l *Life) State() BrokerState {
	if l == nil {
		return NotRunning
	}
	return BrokerState(l.state.Load())
}
