package config

import (
	"slices"
	"strings"
	"testing"
)

// TestEveryPropertyIsExplained: each name has a type, a doc and a time at which it changes, and one that klamm does not serve says what
// follows.
func TestEveryPropertyIsExplained(t *testing.T) {
	for _, name := range Names() {
		all, err := Explain(name)
		if err != nil {
			t.Error(err)
		}
		for _, e := range all {
			if e.Name != name || e.Doc == "" || e.Type == "" || e.Type == "unknown" || e.Changes == "" || e.Served != (e.Effect == "") {
				t.Errorf("%s of %s: %+v", name, e.Of, e)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name string
		want string // what has the property, separated by semicolons
		is   func(e Explanation) bool
	}{
		{"compression.type", "broker;topic", func(e Explanation) bool {
			return e.Of == "broker" || slices.Equal(e.Fallback, []string{"compression.type"})
		}},
		{"log.retention.ms", "broker", func(e Explanation) bool {
			return slices.Contains(e.Same, "log.retention.hours") && e.Variable == "KLAMM_LOG_RETENTION_MS" && e.Changes == "cluster-wide"
		}},
		{"follower.replication.throttled.rate", "broker, dynamic configuration only", func(e Explanation) bool { return e.Served && e.Variable == "" }},
		{"listener.name.x.max.connections", "listener X", func(e Explanation) bool { return e.Served && slices.Equal(e.Fallback, []string{"max.connections"}) }},
		{"listener.name.x.max.connections.per.ip", "listener X", func(e Explanation) bool { return !e.Served && strings.Contains(e.Effect, "for all listeners") }},
		{"listener.name.x.scram-sha-256.sasl.jaas.config", "listener X", func(e Explanation) bool { return !e.Served && e.Sensitive }},
	} {
		all, err := Explain(c.name)
		var of []string
		for _, e := range all {
			of = append(of, e.Of)
			if !c.is(e) {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		if err != nil || strings.Join(of, ";") != c.want {
			t.Errorf("%s: of %q, %v; want of %q", c.name, of, err, c.want)
		}
	}
	for name, want := range map[string]string{"log.retention.msx": "did you mean log.retention.ms?", "listener.name.x.nonsense": "no property", "": "no property"} {
		if all, err := Explain(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", name, all, err, want)
		}
	}
}
