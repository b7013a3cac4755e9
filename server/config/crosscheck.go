package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Each of these chains has the broker properties that give one duration in ms, the strongest first.
var (
	rollMs       = []Fallback{{Name: "log.roll.ms"}, {Name: "log.roll.hours", Factor: msPerHour}}
	rollJitterMs = []Fallback{{Name: "log.roll.jitter.ms"}, {Name: "log.roll.jitter.hours", Factor: msPerHour}}
	retentionMs  = []Fallback{{Name: "log.retention.ms"}, {Name: "log.retention.minutes", Factor: msPerMinute}, {Name: "log.retention.hours", Factor: msPerHour}}
)

// crossError is a setting that does not fit another one, or whose parts are wrong.
type crossError struct {
	name   string
	format string   // with args as for Sprintf; the text as it is if there are none
	args   []any    // what a setting has is quoted
	with   []string // the other properties that the check looks at
}

// quoted is a part of a property's value in the text of an error or warning.
type quoted struct{ property, part string }

// text gives the text, with what show gives in place of each quoted part.
func (e *crossError) text(show func(quoted) string) string {
	if len(e.args) == 0 {
		return e.format
	}
	args := slices.Clone(e.args)
	for i, arg := range args {
		if q, ok := arg.(quoted); ok {
			args[i] = show(q)
		}
	}
	return fmt.Sprintf(e.format, args...)
}

// Error gives the text, with the property before it unless the text names it.
func (e *crossError) Error() string {
	text := e.text(func(q quoted) string { return q.part })
	if strings.Contains(text, e.name) {
		return text
	}
	return e.name + ": " + text
}

func crossf(name, format string, args ...any) *crossError {
	return &crossError{name: name, format: format, args: args}
}

// requirement is one rule that several settings must meet together. Its text is that of Apache Kafka
// (KafkaConfig.validateValues): a client that alters the configuration gets it.
type requirement struct {
	name string   // the property to blame
	with []string // the other properties that ok reads
	text string
	ok   func(v *Values) bool
}

// rackAwareSelector is the only class of Apache Kafka 3.9 that chooses replicas for consumers (KIP-392).
const rackAwareSelector = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

var requirements = []requirement{
	{"broker.id", []string{"broker.id.generation.enable", "reserved.broker.max.id"}, "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id", func(v *Values) bool {
		return !v.Bool("broker.id.generation.enable") || v.Int("broker.id") >= -1 && v.Int("broker.id") <= v.Int("reserved.broker.max.id")
	}},
	{"broker.id", []string{"broker.id.generation.enable"}, "broker.id must be greater than or equal to 0", func(v *Values) bool {
		return v.Bool("broker.id.generation.enable") || v.Int("broker.id") >= 0
	}},
	{"log.roll.ms", []string{"log.roll.hours"}, "log.roll.ms must be greater than or equal to 1", func(v *Values) bool { return v.first(rollMs...) >= 1 }},
	{"log.roll.jitter.ms", []string{"log.roll.jitter.hours"}, "log.roll.jitter.ms must be greater than or equal to 0", func(v *Values) bool { return v.first(rollJitterMs...) >= 0 }},
	{"log.retention.ms", []string{"log.retention.minutes", "log.retention.hours"}, "log.retention.ms must be unlimited (-1) or, greater than or equal to 1", func(v *Values) bool {
		return v.first(retentionMs...) != 0
	}},
	{"log.dirs", []string{"log.dir"}, "At least one log directory must be defined via log.dirs or log.dir.", func(v *Values) bool {
		return len(splitCSV(v.String("log.dirs"))) > 0 || v.Null("log.dirs") && len(splitCSV(v.String("log.dir"))) > 0
	}},
	{"log.cleaner.dedupe.buffer.size", []string{"log.cleaner.threads"}, "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.", func(v *Values) bool {
		threads := v.Long("log.cleaner.threads")
		return threads == 0 || v.Long("log.cleaner.dedupe.buffer.size")/threads > 1024*1024
	}},
	{"replica.socket.timeout.ms", []string{"replica.fetch.wait.max.ms"}, "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts", func(v *Values) bool {
		return v.Int("replica.fetch.wait.max.ms") <= v.Int("replica.socket.timeout.ms")
	}},
	{"replica.fetch.wait.max.ms", []string{"replica.lag.time.max.ms"}, "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR", func(v *Values) bool {
		return v.Long("replica.fetch.wait.max.ms") <= v.Long("replica.lag.time.max.ms")
	}},
	{"replica.selector.class", nil, "replica.selector.class may be " + rackAwareSelector + ", or not be set: klamm runs no other class", func(v *Values) bool {
		return v.Null("replica.selector.class") || v.String("replica.selector.class") == rackAwareSelector
	}},
	{"queued.max.request.bytes", []string{"socket.request.max.bytes"}, "queued.max.request.bytes must be larger or equal to socket.request.max.bytes", func(v *Values) bool {
		n := v.Long("queued.max.request.bytes")
		return n <= 0 || n >= v.Long("socket.request.max.bytes")
	}},
	{"max.connections.per.ip", []string{"max.connections.per.ip.overrides"}, "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.", func(v *Values) bool {
		return v.Int("max.connections.per.ip") != 0 || v.String("max.connections.per.ip.overrides") != ""
	}},
	{"connection.failed.authentication.delay.ms", []string{"connections.max.idle.ms"}, "connection.failed.authentication.delay.ms must be less than connections.max.idle.ms", func(v *Values) bool {
		idle := v.Long("connections.max.idle.ms")
		return idle < 0 || v.Long("connection.failed.authentication.delay.ms") < idle
	}},
}

// checkBroker checks settings against each other. The error is that of the first check that fails, a
// *crossError.
func checkBroker(v *Values) error {
	if errs := checkEach(v); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// checkEach checks the same as checkBroker, and gives the errors of all checks.
func checkEach(v *Values) (errs []*crossError) {
	if v.Int("broker.id") != v.Int("node.id") {
		errs = append(errs, &crossError{name: "node.id", format: "You must set `node.id` to the same value as `broker.id`.", with: []string{"broker.id"}})
	}
	for _, r := range requirements {
		if !r.ok(v) {
			errs = append(errs, &crossError{name: r.name, format: r.text, with: r.with})
		}
	}
	_, bad := connectionOverrides(v)
	return append(errs, bad...)
}

// ConnectionOverrides gives max.connections.per.ip.overrides: the most connections by address or host name. The
// error is that of the first entry that is not of the form host:count. Load and a change of the dynamic
// configuration refuse such an entry.
func ConnectionOverrides(v *Values) (map[string]int, error) {
	out, errs := connectionOverrides(v)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return out, nil
}

func connectionOverrides(v *Values) (map[string]int, []*crossError) {
	const property = "max.connections.per.ip.overrides"
	out := map[string]int{}
	var errs []*crossError
	for _, pair := range splitCSV(v.String(property)) {
		at := strings.LastIndex(pair, ":")
		count := strings.TrimSpace(pair[at+1:])
		n, err := (&Property{Name: property, Type: Int}).parse(&count)
		if at < 0 || err != nil {
			errs = append(errs, crossf(property, "%q is not of the form host:count", quoted{property, pair}))
			continue
		}
		out[strings.Trim(strings.TrimSpace(pair[:at]), "[]")] = int(n.(int64))
	}
	return out, errs
}

// retention gives how long segments are kept, in ms. -1 means for ever, and every other negative number counts as
// -1.
func retention(v *Values) int64 { return max(v.first(retentionMs...), -1) }

// timestampBound gives the bound on timestamps that the property name sets. If name is not set, the property
// older counts, which bounds both directions.
func timestampBound(v *Values, name, older string) int64 {
	if n := v.Long(name); n != math.MaxInt64 {
		return n
	}
	return v.Long(older)
}
