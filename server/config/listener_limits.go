package config

import (
	"maps"
	"slices"
	"strings"
)

// servedListener are the properties that a listener may have of its own, under its prefix, and that klamm serves.
// A listener that has none of its own takes the broker's.
var servedListener = set("max.connections", "max.connection.creation.rate")

// listenerPrefix gives the prefix of a listener's own properties. The listener's name is in small letters in it,
// as in Apache Kafka.
func listenerPrefix(listener string) string {
	return "listener.name." + strings.ToLower(listener) + "."
}

// ListenerInt gives a property of type INT for a listener: the value of listener.name.<listener>.<name> or, if
// that is not set, the broker's value.
func (v *Values) ListenerInt(listener, name string) int {
	if n, ok := v.byKey[listenerPrefix(listener)+name].(int64); ok {
		return int(n)
	}
	return v.Int(name)
}

// isServedListener reports whether a name is that of a listener's own property that klamm serves.
func isServedListener(name string) bool {
	base, ok := listenerBase(name)
	return ok && servedListener[base]
}

// listenerWarning says why a listener's own property has no effect. ok is false if it has one.
func (b *Broker) listenerWarning(name string) (w Warning, ok bool) {
	for _, l := range b.listeners {
		base, ok := strings.CutPrefix(name, listenerPrefix(l.Name))
		switch {
		case !ok:
		case servedListener[base]:
			return w, false
		case typeOf(name) != Unknown:
			return unserved(name, b.given[name])
		default:
			return Warning{Kind: UnknownName, Text: base + " is no property of Apache Kafka 3.9; it has no effect"}, true
		}
	}
	return Warning{Kind: Advice, Text: "klamm opens no listener whose name, in small letters, stands behind listener.name.; it has no effect"}, len(b.listeners) > 0
}

// resolveListeners parses the listeners' own properties that klamm serves.
func (v *Values) resolveListeners(given map[string]string) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !isServedListener(name) {
			continue
		}
		base, _ := listenerBase(name)
		p := *brokerByName[base]
		p.Name = name
		value := given[name]
		x, err := p.resolve(&value)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.byKey[name] = x
	}
	return errs
}

// checkListenerLimits refuses to change a limit to 0 or less: the listener would accept no connection. A broker
// may start with such a limit. The refusal is that of Apache Kafka (SocketServer.ListenerConnectionQuota).
func checkListenerLimits(old, next *Values) error {
	for _, name := range differing(old, next) {
		base := name
		if b, ok := listenerBase(name); ok {
			base = b
		}
		if n, ok := next.byKey[name].(int64); ok && servedListener[base] && n <= 0 {
			return invalidRequest("Invalid value org.apache.kafka.common.config.ConfigException: Invalid %s %d for configuration Invalid dynamic configuration", base, n)
		}
	}
	return nil
}
