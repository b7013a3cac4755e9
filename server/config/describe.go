package config

import (
	"maps"
	"slices"
)

// ConfigSource says where a value in a DescribeConfigs answer comes from, with the numbers of
// the protocol.
type ConfigSource int8

// The sources that klamm's answers use.
const (
	TopicConfig          ConfigSource = 1
	DynamicBrokerConfig  ConfigSource = 2
	DynamicDefaultConfig ConfigSource = 3
	StaticBrokerConfig   ConfigSource = 4
	DefaultConfig        ConfigSource = 5
	LoggerConfig         ConfigSource = 6
)

// Entry is one property in a DescribeConfigs answer.
type Entry struct {
	Name          string
	Value         *string // nil for null and for what is sensitive
	Source        ConfigSource
	ReadOnly      bool
	IsDefault     bool // DescribeConfigs v0 has this in place of the source
	Sensitive     bool
	Synonyms      []Synonym // the strongest first; empty unless asked for
	Type          Type
	Documentation *string // nil unless asked for
}

// Synonym is one of the values that a property can take its value from: the name under which it was given, and
// the place.
type Synonym struct {
	Name   string
	Value  *string
	Source ConfigSource
}

// DescribeOptions say what an answer to DescribeConfigs holds.
type DescribeOptions struct {
	// Names are the properties asked for. None means all. The answer leaves out unknown names.
	Names                   []string
	Synonyms, Documentation bool
}

// Wants reports whether a property was asked for.
func (o DescribeOptions) Wants(name string) bool {
	return len(o.Names) == 0 || slices.Contains(o.Names, name)
}

// DescribeBroker describes this broker: every property that is not internal, and every other setting that was
// given. The entries are sorted by name, as those of DescribeDefault and DescribeTopic are.
func (d *Dynamic) DescribeBroker(o DescribeOptions) []Entry {
	s := d.state.Load()
	names := map[string]bool{}
	for name := range s.given {
		names[name] = true
	}
	for _, p := range brokerSorted {
		if !p.Internal {
			names[p.Name] = true
		}
	}
	var out []Entry
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !o.Wants(name) {
			continue
		}
		var value *string
		if p, ok := brokerByName[name]; ok && !p.Internal {
			value = s.values.text(name)
		} else if v, ok := s.given[name]; ok {
			value = &v
		}
		out = append(out, d.brokerEntry(s, name, value, true, o))
	}
	return out
}

// DescribeDefault describes what the metadata tree holds for all brokers, and nothing else.
func (d *Dynamic) DescribeDefault(o DescribeOptions) []Entry {
	s := d.state.Load()
	var out []Entry
	for _, name := range slices.Sorted(maps.Keys(s.all)) {
		if value := s.all[name]; o.Wants(name) {
			out = append(out, d.brokerEntry(s, name, &value, false, o))
		}
	}
	return out
}

func (d *Dynamic) brokerEntry(s *dynamicState, name string, value *string, perBroker bool, o DescribeOptions) Entry {
	e := Entry{Name: name, Value: value, Type: typeOf(name), ReadOnly: true}
	e.Sensitive = e.Type == Unknown || e.Type == Password
	p, known := brokerByName[name]
	if known {
		e.ReadOnly = p.Mode == ReadOnly
	}
	synonyms := d.synonyms(s, name, brokerSynonyms(name, true), e.Sensitive)
	if !perBroker {
		synonyms = slices.DeleteFunc(synonyms, func(y Synonym) bool { return y.Source != DynamicDefaultConfig })
	}
	e.finish(synonyms, p, o)
	return e
}

// DescribeTopic describes a topic that has these overrides.
func (d *Dynamic) DescribeTopic(overrides map[string]string, o DescribeOptions) []Entry {
	s := d.state.Load()
	topic, _ := d.Topic(overrides)
	var out []Entry
	for _, p := range TopicProperties() {
		if !o.Wants(p.Name) {
			continue
		}
		e := Entry{Name: p.Name, Value: topic.Values.text(p.Name), Type: p.Type, Sensitive: p.Sensitive()}
		var synonyms []Synonym
		if _, ok := overrides[p.Name]; ok {
			synonyms = append(synonyms, Synonym{p.Name, e.Value, TopicConfig})
		}
		if len(p.Fallback) > 0 {
			name := p.Fallback[0].Name
			synonyms = append(synonyms, d.synonyms(s, name, brokerSynonyms(name, true), e.Sensitive)...)
		}
		e.finish(synonyms, p, o)
		out = append(out, e)
	}
	return out
}

// finish sets the fields that follow from the synonyms, and those that o asks for.
func (e *Entry) finish(synonyms []Synonym, p *Property, o DescribeOptions) {
	if e.Sensitive {
		e.Value = nil
	}
	e.Source = DefaultConfig
	if len(synonyms) > 0 {
		e.Source = synonyms[0].Source
	}
	e.IsDefault = e.Source == DefaultConfig
	if o.Synonyms {
		e.Synonyms = synonyms
	}
	if o.Documentation && p != nil {
		e.Documentation = &p.Doc
	}
}

// synonyms lists the values that the value of name can come from, level by level, the strongest first. It leaves
// out every synonym before the first one that is called name itself (ConfigHelper.configSynonyms): if only
// log.retention.hours was given, log.retention.ms has no synonyms and counts as a default.
func (d *Dynamic) synonyms(s *dynamicState, name string, chain []string, sensitive bool) []Synonym {
	var out []Synonym
	add := func(source ConfigSource, get func(string) (string, bool)) {
		for _, n := range chain {
			value, ok := get(n)
			if !ok || len(out) == 0 && n != name {
				continue
			}
			y := Synonym{Name: n, Source: source}
			if !sensitive {
				y.Value = &value
			}
			out = append(out, y)
		}
	}
	from := func(m map[string]string) func(string) (string, bool) {
		return func(n string) (string, bool) { v, ok := m[n]; return v, ok }
	}
	add(DynamicBrokerConfig, from(s.broker))
	add(DynamicDefaultConfig, from(s.all))
	add(StaticBrokerConfig, from(d.static.given))
	add(DefaultConfig, func(n string) (string, bool) {
		p, ok := brokerByName[n]
		if !ok || p.Default == nil {
			return "", false
		}
		return *p.Default, true
	})
	return out
}
