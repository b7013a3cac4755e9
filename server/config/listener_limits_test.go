package config

import (
	"slices"
	"testing"
)

// TestListenersLimits checks that a listener's own limits override the broker's, and that OnChange reports a
// change of either.
func TestListenersLimits(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{"max.connections=10", "listener.name.own.max.connections=3", "listener.name.OWN.max.connection.creation.rate=4"}})
	d := NewDynamic(b, 0)
	v := d.Current()
	if own, other := v.ListenerInt("OWN", "max.connections"), v.ListenerInt("OTHER", "max.connections"); own != 3 || other != 10 {
		t.Errorf("%d and %d connections", own, other)
	}
	if rate := v.ListenerInt("OWN", "max.connection.creation.rate"); rate != 1<<31-1 {
		t.Errorf("a prefix in capitals counts: %d", rate)
	}
	var told []string
	d.OnChange(func(c Change) {
		if c.Has("max.connections") {
			told = append(told, c.Names...)
		}
	})
	d.SetBroker(map[string]string{"listener.name.other.max.connections": "7"})
	if n := d.Current().ListenerInt("OTHER", "max.connections"); n != 7 {
		t.Errorf("%d connections", n)
	}
	d.SetBroker(nil)
	if n := d.Current().ListenerInt("OTHER", "max.connections"); n != 10 {
		t.Errorf("%d connections", n)
	}
	if want := []string{"listener.name.other.max.connections", "listener.name.other.max.connections"}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	if _, _, err := Load(Options{Sets: []string{"listener.name.own.max.connections=many"}}); err == nil {
		t.Error("a limit that is no number starts")
	}
}

// TestListenersLimitsWhileRunning holds the answers of Apache Kafka 3.9.2 to limits that are set while it runs.
func TestListenersLimitsWhileRunning(t *testing.T) {
	b, _ := mustLoad(t, Options{})
	d := NewDynamic(b, 0)
	for _, base := range []string{"max.connections", "max.connection.creation.rate"} {
		for _, name := range []string{base, "listener.name.plaintext." + base} {
			for value, want := range map[string]string{
				"5000": "",
				"0":    "Invalid value org.apache.kafka.common.config.ConfigException: Invalid " + base + " 0 for configuration Invalid dynamic configuration",
				"-1":   "Invalid value -1 for configuration " + base + ": Value must be at least 0",
				"x":    "Invalid value x for configuration " + base + ": Not a number of type INT",
			} {
				for _, resource := range []string{"", "0"} {
					_, err := d.AlterBroker(resource, nil, []Op{{name, Set, &value}})
					if err != nil {
						got := err.Error()
						if got != want {
							t.Errorf("%s=%s: %s", name, value, got)
						}
					} else if want != "" {
						t.Errorf("%s=%s is taken", name, value)
					}
				}
			}
		}
	}
}
