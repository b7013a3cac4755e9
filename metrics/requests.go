package metrics

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/observe"
)

// requestPhases are the histograms of kafka.network:type=RequestMetrics. Times are in ms.
var requestPhases = [...]struct {
	phase      observe.Phase
	name, help string
	unit       float64
}{
	{observe.TotalTime, "totaltimems", "Time of a request from its last byte in to its answer's last byte out, in ms", 1000},
	{observe.RequestQueueTime, "requestqueuetimems", "Time that a request waited for its handler, in ms", 1000},
	{observe.LocalTime, "localtimems", "Time that the handler of a request took, in ms", 1000},
	{observe.RemoteTime, "remotetimems", "Time that a request waited for other brokers, for records or for other members, in ms", 1000},
	{observe.ThrottleTime, "throttletimems", "Time that a request was held back for a quota, in ms", 1000},
	{observe.ResponseQueueTime, "responsequeuetimems", "Time that an answer waited for those before it, in ms", 1000},
	{observe.ResponseSendTime, "responsesendtimems", "Time that the sending of an answer took, in ms", 1000},
	{observe.RequestBytes, "requestbytes", "Size of a request, in bytes", 1},
}

// requests are the counts and times of requests by API.
func (s *scrape) requests() {
	requests := s.counter("kafka_network_requestmetrics_requests_total", "Requests that were answered")
	failures := s.counter("kafka_network_requestmetrics_errors_total", "Error codes in answers, also NONE")
	for _, c := range s.Observer().RequestCounts(s.nowMs) {
		for version, n := range c.Versions {
			requests.addInt(n, labels("request", c.Name, "version", strconv.Itoa(int(version))))
		}
		for code, n := range c.Errors {
			failures.addInt(n, labels("request", c.Name, "error", errorName(code)))
		}
		for _, p := range requestPhases {
			if c.Phases != nil {
				s.histogram("kafka_network_requestmetrics_"+p.name, p.help, c.Phases[p.phase], p.unit, "request", c.Name)
			}
		}
	}
}

// errorName gives the name of an error code as Apache Kafka's Errors has it.
func errorName(code int16) string {
	if code == 0 {
		return "NONE"
	}
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return strconv.Itoa(int(code))
}
