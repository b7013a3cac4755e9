package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Op is one entry of an alter request.
type Op struct {
	Name  string
	Kind  OpKind
	Value *string // nil is legal for Delete only
}

// OpKind is what an entry of IncrementalAlterConfigs does. The numbers are the protocol's (KIP-339).
type OpKind int8

// The four operations.
const (
	// Set gives the property a value, and Delete removes the value that was set. Append adds elements to a list,
	// and Subtract removes elements from it.
	Set      OpKind = 0
	Delete   OpKind = 1
	Append   OpKind = 2
	Subtract OpKind = 3
)

// AlterError is the refusal of a change. The client gets its Text as it is.
type AlterError struct {
	Kind AlterErrorKind
	Text string
}

// Error gives Text.
func (e *AlterError) Error() string { return e.Text }

// AlterErrorKind says which error code of the protocol the client gets.
type AlterErrorKind int8

const (
	// InvalidConfig is INVALID_CONFIG.
	InvalidConfig AlterErrorKind = iota
	// InvalidRequest is INVALID_REQUEST.
	InvalidRequest
)

func invalidConfig(format string, args ...any) error {
	return &AlterError{InvalidConfig, fmt.Sprintf(format, args...)}
}

func invalidRequest(format string, args ...any) error {
	return &AlterError{InvalidRequest, fmt.Sprintf(format, args...)}
}

func unknownTopicName(name string) error { return invalidConfig("Unknown topic config name: %s", name) }

// CheckOps refuses operations that are wrong for every resource: a name that comes twice, a null value, an
// unknown kind of operation. The error is an *AlterError. AlterTopic and AlterBroker check the same. A handler
// calls CheckOps before it looks for the resource, since Apache Kafka refuses in this order.
func CheckOps(ops []Op) error {
	seen := map[string]bool{}
	var nulls []string
	for _, op := range ops {
		if seen[op.Name] {
			return invalidRequest("Error due to duplicate config keys")
		}
		seen[op.Name] = true
		if op.Kind != Delete && op.Value == nil {
			nulls = append(nulls, op.Name)
		}
	}
	if len(nulls) > 0 {
		return invalidRequest("Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	for _, op := range ops {
		if op.Kind < Set || op.Kind > Subtract {
			return invalidRequest("Unknown operations type %d", op.Kind)
		}
	}
	return nil
}

// apply applies the operations to the current settings and gives the new ones
// (ConfigAdminManager.prepareIncrementalConfigs). A list that is not set starts from its default.
func apply(current map[string]string, ops []Op, lookup func(string) (*Property, bool)) (map[string]string, error) {
	next := maps.Clone(current)
	if next == nil {
		next = map[string]string{}
	}
	for _, op := range ops {
		switch op.Kind {
		case Set:
			next[op.Name] = *op.Value
			continue
		case Delete:
			delete(next, op.Name)
			continue
		}
		word := map[OpKind]string{Append: "append", Subtract: "subtract"}[op.Kind]
		p, ok := lookup(op.Name)
		if !ok {
			return nil, invalidConfig("Unknown config name: %s", op.Name)
		}
		if p.Type != List {
			return nil, invalidConfig("Config value %s is not allowed for config key: %s", word, op.Name)
		}
		old, ok := next[op.Name]
		if !ok && p.Default != nil {
			old = *p.Default
		}
		next[op.Name] = mergeList(old, *op.Value, op.Kind)
	}
	return next, nil
}

// CheckTopicLists refuses Append and Subtract for properties of a topic that are not lists. The error is an
// *AlterError. AlterTopic checks the same. A handler calls CheckTopicLists before it looks for the topic, since
// Apache Kafka refuses in this order.
func CheckTopicLists(ops []Op) error {
	_, err := apply(nil, ops, LookupTopic)
	return err
}

// mergeList appends those elements of change that the list old lacks, or removes those that it has.
func mergeList(old, change string, kind OpKind) string {
	var list []string
	if old != "" {
		list = strings.Split(old, ",")
	}
	for _, e := range strings.Split(change, ",") {
		at := slices.Index(list, e)
		switch {
		case kind == Subtract && at >= 0:
			list = slices.Delete(list, at, at+1)
		case kind == Append && (at < 0 || !slices.Contains(strings.Split(old, ","), e)):
			list = append(list, e)
		}
	}
	return strings.Join(list, ",")
}

// AlterTopic gives the overrides that a topic has after IncrementalAlterConfigs; current are those that it has
// before. The error is an *AlterError. The caller checks that the topic exists.
func (d *Dynamic) AlterTopic(topic string, current map[string]string, ops []Op) (map[string]string, error) {
	if err := CheckOps(ops); err != nil {
		return nil, err
	}
	if topic == "" {
		return nil, invalidRequest("Default topic resources are not allowed.")
	}
	next, err := apply(current, ops, LookupTopic)
	if err != nil {
		return nil, err
	}
	if err := d.checkTopic(next, "Invalid config value for resource ConfigResource(type=TOPIC, name='"+topic+"'): "); err != nil {
		return nil, err
	}
	return next, nil
}

// ReplaceTopic gives the overrides that a topic has after AlterConfigs, which removes each override that it does
// not name. The error is an *AlterError.
func (d *Dynamic) ReplaceTopic(topic string, ops []Op) (map[string]string, error) {
	return d.AlterTopic(topic, nil, ops)
}

// CreateTopic checks the overrides that CreateTopics gives a new topic, and gives them without the pointers. The
// error is an *AlterError.
func (d *Dynamic) CreateTopic(overrides map[string]*string) (map[string]string, error) {
	next := map[string]string{}
	var nulls []string
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if overrides[name] == nil {
			nulls = append(nulls, name)
			continue
		}
		next[name] = *overrides[name]
	}
	if len(nulls) > 0 {
		return nil, invalidConfig("Null value not supported for topic configs: %s", strings.Join(nulls, ","))
	}
	if err := d.checkTopic(next, ""); err != nil {
		return nil, err
	}
	return next, nil
}

// checkTopic checks a topic's overrides, alone and against each other (LogConfig.validate). prefix begins the
// sentence about a value that is wrong.
func (d *Dynamic) checkTopic(overrides map[string]string, prefix string) error {
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if _, ok := topicByName[name]; !ok {
			return unknownTopicName(name)
		}
	}
	given := topicDefaults(d.Current())
	maps.Copy(given, overrides)
	v, err := resolveAll(topicOrder, given)
	if err != nil {
		return invalidConfig("%s%s", prefix, err.Error())
	}
	if low, high := v.Long("min.compaction.lag.ms"), v.Long("max.compaction.lag.ms"); low > high {
		return invalidConfig("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)
	}
	if v.Bool("remote.log.copy.disable") || v.Bool("remote.log.delete.on.disable") {
		return invalidConfig("It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode.")
	}
	if v.Bool("remote.storage.enable") {
		return invalidConfig("%sTiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.", prefix)
	}
	return nil
}

// BrokerResource reads the name of a broker resource in an alter request. The name "" means all brokers, and
// perBroker is false. Every other name must be this broker's id. The error is an *AlterError.
func (d *Dynamic) BrokerResource(name string) (perBroker bool, err error) {
	if name == "" {
		return false, nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return false, invalidRequest("Node id must be an integer, but it is: %s", name)
	}
	if int32(id) != d.brokerID {
		return false, invalidRequest("Unexpected broker id, expected %d, but received %s", d.brokerID, name)
	}
	return true, nil
}

// DescribedBroker reads the name of a broker resource in a describe request. It takes and refuses the same names
// as BrokerResource. Its refusals have other texts, as Apache Kafka's have.
func (d *Dynamic) DescribedBroker(name string) (perBroker bool, err error) {
	if name == "" {
		return false, nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return false, invalidRequest("Broker id must be an integer, but it is: %s", name)
	}
	if int32(id) != d.brokerID {
		return false, invalidRequest("Unexpected broker id, expected %d or empty string, but received %s", d.brokerID, name)
	}
	return true, nil
}

// AlterBroker gives the dynamic configuration that the metadata tree has to hold after IncrementalAlterConfigs:
// that of a broker, or that of all brokers if resource is "". current is what the tree holds before; AlterBroker
// drops the entries of it that are not valid. The error is an *AlterError.
func (d *Dynamic) AlterBroker(resource string, current map[string]string, ops []Op) (map[string]string, error) {
	if err := CheckOps(ops); err != nil {
		return nil, err
	}
	perBroker, err := d.BrokerResource(resource)
	if err != nil {
		return nil, err
	}
	current, _ = withoutInvalid(current, perBroker)
	next, err := apply(current, ops, dynamicKey)
	if err != nil {
		return nil, err
	}
	if err := d.checkBrokerChange(next, perBroker); err != nil {
		return nil, err
	}
	return next, nil
}

// ReplaceBroker gives the dynamic configuration that the metadata tree has to hold after AlterConfigs, which
// removes each setting that it does not name. The error is an *AlterError.
func (d *Dynamic) ReplaceBroker(resource string, ops []Op) (map[string]string, error) {
	return d.AlterBroker(resource, nil, ops)
}

// checkBrokerChange checks what the tree is to hold for this broker or for all: a running broker may change these
// properties, their values parse, and together with everything else that is set they are a configuration that the
// broker could start with.
func (d *Dynamic) checkBrokerChange(next map[string]string, perBroker bool) error {
	if err := checkDynamic(next, perBroker); err != nil {
		return invalidRequest("%s", err.Error())
	}
	s := d.state.Load()
	all, broker := s.all, next
	if !perBroker {
		all, broker = next, s.broker
	}
	given := d.combine(all, broker)
	values, err := resolveAll(brokerSorted, given)
	if err != nil {
		return invalidRequest("%s", err.Error())
	}
	if err := checkBroker(values); err != nil {
		var cross *crossError
		if errors.As(err, &cross) {
			return invalidRequest("requirement failed: %s", cross)
		}
		return invalidRequest("%s", err.Error())
	}
	if err := checkPools(s.values, values); err != nil {
		return err
	}
	if err := checkListenerLimits(s.values, values); err != nil {
		return err
	}
	if err := checkLocalRetention(s.values, values); err != nil {
		return err
	}
	return checkNotYet(s.given, given)
}

// checkPools lets a pool of threads at most double or halve at once (DynamicThreadPool, LogCleaner). Of these
// pools klamm has only the cleaner's. checkPools checks the others too, so that scripts meet the same limits as
// with Apache Kafka.
func checkPools(old, next *Values) error {
	for _, name := range []string{"num.io.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads", "num.network.threads", "log.cleaner.threads"} {
		was, is := old.Int(name), next.Int(name)
		why := ""
		switch {
		case was == is:
			continue
		case is <= 0:
			why = "value should be at least 1"
		case is < was/2:
			why = fmt.Sprintf("value should be at least half the current value %d", was)
		case is > was*2:
			why = fmt.Sprintf("value should not be greater than double the current value %d", was)
		}
		if why != "" {
			return invalidRequest("Dynamic thread count update validation failed for %s=%d, %s", name, is, why)
		}
	}
	return nil
}

// checkNotYet refuses changes of listeners, TLS and SASL, which a running broker of Apache Kafka can make and
// klamm cannot make yet.
func checkNotYet(old, next map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(next)) {
		base := name
		if b, ok := listenerBase(name); ok {
			base = b
		}
		p, ok := brokerByName[base]
		for _, m := range mechanismProperties {
			ok = ok || strings.HasSuffix(base, m)
		}
		if !ok || p != nil && p.Mode != PerBroker {
			continue
		}
		if was, given := old[name]; !given || was != next[name] {
			return invalidRequest("klamm cannot change %s while it runs yet; change it in the configuration file and start again", name)
		}
	}
	return nil
}
