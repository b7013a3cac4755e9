package config

import (
	"slices"
	"sort"
	"strings"
)

// Type is the type of a property's value, as DescribeConfigs names it.
type Type int8

// The types, with the numbers that DescribeConfigs v3 and later answers carry (KIP-569).
const (
	Unknown  Type = 0
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3
	Short    Type = 4
	Long     Type = 5
	Double   Type = 6
	List     Type = 7
	Class    Type = 8
	Password Type = 9
)

// String gives the type's name in Kafka's documentation, in capitals.
func (t Type) String() string {
	names := [...]string{"UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}
	if int(t) < 0 || int(t) >= len(names) {
		return "UNKNOWN"
	}
	return names[t]
}

// Importance is the importance for an operator that Kafka's documentation gives a property.
type Importance int8

// The three degrees of importance.
const (
	High Importance = iota
	Medium
	Low
)

// String gives the importance in lower case.
func (i Importance) String() string {
	switch i {
	case High:
		return "high"
	case Medium:
		return "medium"
	default:
		return "low"
	}
}

// Mode says whether and where a broker property may be changed while brokers run (KIP-226).
type Mode int8

const (
	// ReadOnly takes effect at start only.
	ReadOnly Mode = iota
	// PerBroker may be changed for one broker by its id.
	PerBroker
	// ClusterWide may be changed for one broker or for all of them at once.
	ClusterWide
)

// String gives the mode as Kafka's documentation names it.
func (m Mode) String() string {
	switch m {
	case PerBroker:
		return "per-broker"
	case ClusterWide:
		return "cluster-wide"
	default:
		return "read-only"
	}
}

// Property is one row of the table.
type Property struct {
	// Name is the property's name as a configuration file has it.
	Name string
	Type Type
	// Default is the value when nothing else gives one; nil means null.
	Default    *string
	Valid      Validator // nil allows every value of the type
	Importance Importance
	Mode       Mode
	// Internal: klamm acts on the property, and DescribeConfigs shows it only if somebody set it.
	Internal bool
	// Fallback lists the broker properties that a topic property takes its value from if the topic does not set
	// it. The first that is not null counts.
	Fallback []Fallback
	// Doc is what the property does, in one or two sentences.
	Doc string
}

// Fallback names a broker property that a topic property takes its value from. Factor turns the broker property's
// unit into the topic property's (hours into ms); 0 means the same unit.
type Fallback struct {
	Name   string
	Factor int64
}

// Sensitive reports whether DescribeConfigs and errors hide the value.
func (p *Property) Sensitive() bool { return p.Type == Password }

// Own reports whether the property is klamm's own, which Apache Kafka 3.9 does not have.
func (p *Property) Own() bool {
	return slices.ContainsFunc(brokerOwn, func(own Property) bool { return own.Name == p.Name })
}

// Served reports whether klamm acts on the property today. klamm accepts, checks and describes the other
// properties, and Load warns about them.
func (p *Property) Served() bool {
	if p.isTopic() {
		return servedTopic[p.Name]
	}
	return servedBroker[p.Name]
}

// Without says why a broker alone cannot act on the property. It is "" for a property that klamm acts on, and for
// one that klamm does not act on yet.
func (p *Property) Without() string { return without[p.Name] }

func (p *Property) isTopic() bool { return topicByName[p.Name] == p }

// BrokerProperties lists every broker property, sorted by name. The caller may change the slice, but not the
// properties.
func BrokerProperties() []*Property { return slices.Clone(brokerSorted) }

// TopicProperties lists every topic property, sorted by name. The caller may change the slice, but not the
// properties.
func TopicProperties() []*Property {
	out := pointers(topicTable)
	sortByName(out)
	return out
}

// LookupBroker finds a broker property by its exact name.
func LookupBroker(name string) (*Property, bool) {
	p, ok := brokerByName[name]
	return p, ok
}

// LookupTopic finds a topic property by its exact name.
func LookupTopic(name string) (*Property, bool) {
	p, ok := topicByName[name]
	return p, ok
}

// These are the indexes over the tables. Nothing changes them after the program's start.
var (
	brokerByName = index(brokerTables[:]...)
	topicByName  = index(topicTable)
	brokerSorted = func() []*Property {
		var out []*Property
		for _, t := range brokerTables {
			out = append(out, pointers(t)...)
		}
		sortByName(out)
		return out
	}()
	// quotaByName are the throttles that exist only as dynamic broker configuration
	// (DynamicConfig.Broker in Apache Kafka); no file gives them.
	quotaByName = index(brokerThrottles)
)

// Area is a part of the table, in the order of the documentation.
type Area struct {
	Title      string
	Properties []*Property
}

// Areas gives the whole table by subject, topics first. The slices are the caller's.
func Areas() []Area {
	areas := []Area{{"Topics", pointers(topicTable)}}
	for i, title := range areaTitles {
		areas = append(areas, Area{title, pointers(brokerTables[i])})
	}
	return append(areas, Area{"Throttles, which only dynamic configuration sets", pointers(brokerThrottles)})
}

// areaTitles has the titles of brokerTables, in the same order.
var areaTitles = [...]string{
	"The broker", "Listeners", "Connections", "Logs", "Compaction", "Replication", "Groups and offsets",
	"Transactions and idempotent producers", "Quotas and metrics", "KRaft", "Tiered storage", "Authentication",
	"TLS and stored passwords", "ZooKeeper", "klamm's own, which Apache Kafka does not have",
}

var brokerTables = [len(areaTitles)][]Property{
	brokerGeneral, brokerListener, brokerSocket, brokerLog, brokerCleaner, brokerReplica, brokerGroup,
	brokerTxn, brokerQuota, brokerKRaft, brokerRemote, brokerSASL, brokerSSL, brokerZooKeeper, brokerOwn,
}

func index(tables ...[]Property) map[string]*Property {
	m := make(map[string]*Property)
	for _, t := range tables {
		for i := range t {
			m[t[i].Name] = &t[i]
		}
	}
	return m
}

func pointers(t []Property) []*Property {
	out := make([]*Property, len(t))
	for i := range t {
		out[i] = &t[i]
	}
	return out
}

func sortByName(ps []*Property) {
	sort.Slice(ps, func(i, j int) bool { return ps[i].Name < ps[j].Name })
}

// Factors of Fallback.
const (
	msPerMinute = 60 * 1000
	msPerHour   = 60 * msPerMinute
)

// def makes a default that is not null.
func def(s string) *string { return &s }

// typeOf finds the type that DescribeConfigs gives a property: that of a broker property, of a throttle, or of
// the property that a listener overrides. It gives Unknown for every other name.
func typeOf(name string) Type {
	if p, ok := dynamicKey(name); ok {
		return p.Type
	}
	for _, n := range brokerSynonyms(name, true)[1:] {
		if p, ok := brokerByName[n]; ok {
			return p.Type
		}
	}
	return Unknown
}

// dynamicKey finds a broker property or throttle.
func dynamicKey(name string) (*Property, bool) {
	if p, ok := brokerByName[name]; ok {
		return p, true
	}
	p, ok := quotaByName[name]
	return p, ok
}

// listenerBase splits listener.name.<listener>.<property> and gives the property. For some properties of SASL a
// mechanism stands before it. ok is false for every other name.
func listenerBase(name string) (base string, ok bool) {
	rest, ok := strings.CutPrefix(name, "listener.name.")
	if !ok {
		return "", false
	}
	_, base, ok = strings.Cut(rest, ".")
	return base, ok
}

// mechanismProperties are set for a listener and a SASL mechanism:
// listener.name.<listener>.<mechanism>.<property>.
var mechanismProperties = []string{
	"sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class",
	"sasl.server.callback.handler.class", "connections.max.reauth.ms",
}

// brokerSynonyms lists the names under which a broker property may be given, itself included, the strongest first
// (DynamicBrokerConfig.brokerConfigSynonyms). listeners says whether a listener's own property has the broker's
// as a synonym.
func brokerSynonyms(name string, listeners bool) []string {
	for _, chain := range synonymChains {
		if slices.Contains(chain.asked, name) {
			return chain.names
		}
	}
	if base, ok := listenerBase(name); ok && listeners {
		for _, m := range mechanismProperties {
			if strings.HasSuffix(base, m) {
				return []string{name, m}
			}
		}
		return []string{name, base}
	}
	return []string{name}
}

var synonymChains = []struct{ asked, names []string }{
	{[]string{"log.roll.ms", "log.roll.hours"}, []string{"log.roll.ms", "log.roll.hours"}},
	{[]string{"log.roll.jitter.ms", "log.roll.jitter.hours"}, []string{"log.roll.jitter.ms", "log.roll.jitter.hours"}},
	{[]string{"log.flush.interval.ms"}, []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}},
	{[]string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
		[]string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}},
}
