package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Explanation is what the table says of one property, for a person. It has JSON names, since a command writes it.
type Explanation struct {
	Name string `json:"name"`
	// Of says what has the property: "broker", "topic", "listener LISTENER", or "broker, dynamic configuration only".
	Of         string  `json:"of"`
	Type       string  `json:"type"`
	Default    *string `json:"default"` // nil is null
	Allowed    string  `json:"allowed"`
	Importance string  `json:"importance"`
	// Changes says when a new value takes effect: "read-only" (at a start), "per-broker", "cluster-wide" or "any time".
	Changes string `json:"changes"`
	// Served says whether klamm acts on the property, and Effect, if it does not, what follows.
	Served bool   `json:"served"`
	Effect string `json:"effect,omitempty"`
	// Variable is the environment variable that sets the property, "" where none does.
	Variable string `json:"variable,omitempty"`
	// Fallback are the properties whose value counts if this one is not set, the first that is set.
	Fallback []string `json:"fallback,omitempty"`
	// Same are the properties that mean the same thing.
	Same      []string `json:"same,omitempty"`
	Sensitive bool     `json:"sensitive,omitempty"`
	Doc       string   `json:"doc"`
}

// Explain tells what the table says of a name: a property of the broker, one of topics, or both; a listener's own property
// (listener.name.LISTENER.PROPERTY); or a throttle. The error says that no property has the name, and which one may be meant.
func Explain(name string) ([]Explanation, error) {
	var all []Explanation
	if p, ok := brokerByName[name]; ok {
		all = append(all, explainBroker(p))
	} else if p, ok := quotaByName[name]; ok {
		e := explain(p, "broker, dynamic configuration only")
		e.Served, e.Changes = true, p.Mode.String()
		all = append(all, e)
	} else if e, ok := explainListener(name); ok {
		all = append(all, e)
	}
	if p, ok := topicByName[name]; ok {
		e := explain(p, "topic")
		e.Changes = "any time"
		if !e.Served {
			e.Effect = cmp.Or(p.Without(), notServedText)
		}
		for _, f := range p.Fallback {
			e.Fallback = append(e.Fallback, f.Name)
		}
		all = append(all, e)
	}
	if len(all) > 0 {
		return all, nil
	}
	if near := nearest(name); near != "" {
		return nil, fmt.Errorf("%s is no property of Apache Kafka 3.9 or klamm (did you mean %s?)", name, near)
	}
	return nil, fmt.Errorf("%s is no property of Apache Kafka 3.9 or klamm", name)
}

// explainBroker explains a property of the broker.
func explainBroker(p *Property) Explanation {
	e := explain(p, "broker")
	e.Variable, e.Changes = EnvPrefix+foldEnv(p.Name), p.Mode.String()
	if !e.Served {
		e.Effect = cmp.Or(consequences[p.Name], p.idle(), notServedText)
	}
	for _, same := range synonymsOf(p.Name) {
		if same != p.Name {
			e.Same = append(e.Same, same)
		}
	}
	return e
}

// explainListener explains a listener's own property: listener.name.LISTENER.PROPERTY, or listener.name.LISTENER.MECHANISM.PROPERTY for
// some properties of SASL.
func explainListener(name string) (Explanation, bool) {
	base, ok := listenerBase(name)
	if !ok {
		return Explanation{}, false
	}
	p := brokerByName[base]
	for _, m := range mechanismProperties {
		if p == nil && strings.HasSuffix(base, "."+m) {
			p = brokerByName[m]
		}
	}
	if p == nil {
		return Explanation{}, false
	}
	listener, _, _ := strings.Cut(strings.TrimPrefix(name, "listener.name."), ".")
	e := explain(p, "listener "+strings.ToUpper(listener))
	e.Name, e.Fallback, e.Default = name, []string{p.Name}, nil
	e.Variable, e.Changes = EnvPrefix+foldEnv(name), p.Mode.String()
	if e.Served = isServedListener(name); !e.Served {
		e.Effect = cmp.Or(p.idle(), notServedText)
		if p.Served() {
			e.Effect = "klamm acts on " + p.Name + " alone, for all listeners"
		}
	}
	return e, true
}

// explain tells what is the same for every kind of property.
func explain(p *Property, of string) Explanation {
	return Explanation{
		Name: p.Name, Of: of, Type: strings.ToLower(p.Type.String()), Default: p.Default, Allowed: p.allowed(), Importance: p.Importance.String(),
		Served: p.Served(), Sensitive: p.Sensitive(), Doc: p.Doc,
	}
}

// Names lists the names of all properties of the table, of brokers and topics, sorted, each once.
func Names() []string {
	var names []string
	for _, area := range Areas() {
		for _, p := range area.Properties {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
