package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// Dynamic is the configuration of a running broker (KIP-226). What the metadata tree holds for this broker
// overrides what it holds for all brokers, and that overrides what the broker started with.
//
// All methods are safe for concurrent use. Current takes no lock.
type Dynamic struct {
	static   *Broker
	brokerID int32
	state    atomic.Pointer[dynamicState]

	// mu orders changes and the calls of listeners.
	mu        sync.Mutex
	listeners map[int]func(Change)
	nextID    int
}

// dynamicState is one consistent view. It is immutable.
type dynamicState struct {
	broker, all map[string]string // the valid entries that the tree holds for this broker and for all brokers
	given       map[string]string // for each property the strongest value given
	values      *Values
}

// Change is a change of the effective settings.
type Change struct {
	Old, New *Values
	Names    []string // the properties whose value changed, those with a listener's prefix included, sorted
}

// Has reports whether one of the names changed, for the broker or for a listener.
func (c Change) Has(names ...string) bool {
	return slices.ContainsFunc(c.Names, func(n string) bool {
		base, _ := listenerBase(n)
		return slices.Contains(names, n) || slices.Contains(names, base)
	})
}

// NewDynamic makes the configuration of a broker that started with b. brokerID is the id that the broker really
// has, generated or not.
func NewDynamic(b *Broker, brokerID int32) *Dynamic {
	d := &Dynamic{static: b, brokerID: brokerID, listeners: map[int]func(Change){}}
	values := &Values{byKey: maps.Clone(b.values.byKey)}
	_ = values.addThrottles(nil) // their defaults are valid
	d.state.Store(&dynamicState{given: b.originals(), values: values})
	return d
}

// addThrottles resolves the throttles, which only dynamic configuration can set. The levels come in order, the
// weakest first.
func (v *Values) addThrottles(levels ...map[string]string) error {
	given := map[string]string{}
	for _, level := range levels {
		maps.Copy(given, level)
	}
	throttles, err := resolveAll(pointers(brokerThrottles), given)
	if err == nil {
		maps.Copy(v.byKey, throttles.byKey)
	}
	return err
}

// Current gives the settings that are in effect now.
func (d *Dynamic) Current() *Values { return d.state.Load().values }

// Static gives the configuration that the broker started with.
func (d *Dynamic) Static() *Broker { return d.static }

// OnChange has Dynamic call f after each change of the effective settings, in order, one call at a time. f must
// not call SetBroker or SetDefault. cancel ends the calls.
func (d *Dynamic) OnChange(f func(Change)) (cancel func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.nextID
	d.nextID++
	d.listeners[id] = f
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.listeners, id)
	}
}

// SetBroker takes what the tree holds for this broker (/config/brokers/<id>). It ignores and reports entries
// that are not valid, as Apache Kafka does, and applies the others. If those contradict each other, nothing
// changes.
func (d *Dynamic) SetBroker(props map[string]string) []error { return d.update(props, true) }

// SetDefault takes what the tree holds for all brokers (/config/brokers/<default>). It treats entries that are
// not valid as SetBroker does.
func (d *Dynamic) SetDefault(props map[string]string) []error { return d.update(props, false) }

func (d *Dynamic) update(props map[string]string, perBroker bool) []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	valid, errs := withoutInvalid(props, perBroker)
	if perBroker {
		errs = append(errs, d.reportFixed(valid)...)
	}
	old := d.state.Load()
	next := &dynamicState{broker: old.broker, all: old.all}
	if perBroker {
		next.broker = valid
	} else {
		next.all = valid
	}
	next.given = d.combine(next.all, next.broker)
	values, err := resolveGiven(next.given)
	if err == nil {
		err = values.addThrottles(next.all, next.broker)
	}
	if err != nil {
		return append(errs, fmt.Errorf("dynamic configuration is not applied: %w", err))
	}
	next.values = values
	d.state.Store(next)
	change := Change{Old: old.values, New: values, Names: differing(old.values, values)}
	if len(change.Names) == 0 {
		return errs
	}
	for _, id := range slices.Sorted(maps.Keys(d.listeners)) {
		d.listeners[id](change)
	}
	return errs
}

// combine lays the two dynamic levels over what was given at start. If a level sets one unit of a duration,
// combine removes the other units that weaker levels set.
func (d *Dynamic) combine(all, broker map[string]string) map[string]string {
	given := d.static.originals()
	for _, level := range []map[string]string{all, broker} {
		for name := range level {
			for _, same := range brokerSynonyms(name, false) {
				delete(given, same)
			}
		}
		maps.Copy(given, level)
	}
	return given
}

// resolveGiven resolves and checks a whole configuration.
func resolveGiven(given map[string]string) (*Values, error) {
	values, err := resolveAll(brokerSorted, given)
	if err != nil {
		return nil, err
	}
	return values, checkBroker(values)
}

func differing(a, b *Values) []string {
	var names []string
	for name, v := range a.byKey {
		if !reflect.DeepEqual(v, b.byKey[name]) {
			names = append(names, name)
		}
	}
	for name := range b.byKey { // the properties that a listener has of its own
		if _, had := a.byKey[name]; !had {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// withoutInvalid drops the entries that may not be set dynamically or that do not parse.
func withoutInvalid(props map[string]string, perBroker bool) (map[string]string, []error) {
	out := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(props)) {
		one := map[string]string{name: props[name]}
		if err := checkDynamic(one, perBroker); err != nil {
			errs = append(errs, fmt.Errorf("dynamic configuration %s is ignored: %w", name, err))
			continue
		}
		out[name] = props[name]
	}
	return out, errs
}

// FixedAtStart says whether klamm takes a property from its configuration alone, which Apache Kafka, also when it starts, takes over that from what the
// tree holds for the broker: its listeners.
func FixedAtStart(name string) bool {
	p := brokerByName[name]
	return p != nil && p.Served() && p.Mode == PerBroker
}

// reportFixed reports the entries that are fixed at start and have another value there. They stay with the others: Apache's broker takes them when it comes back.
func (d *Dynamic) reportFixed(props map[string]string) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if FixedAtStart(name) && props[name] != d.static.values.String(name) {
			errs = append(errs, fmt.Errorf("dynamic configuration %s does not count: klamm takes it from its configuration file, environment and command line only", name))
		}
	}
	return errs
}

// checkDynamic checks that these entries may be set while a broker runs, for one broker or for all,
// and that each parses (DynamicBrokerConfig.validateConfigs).
func checkDynamic(props map[string]string, perBroker bool) error {
	names := slices.Sorted(maps.Keys(props))
	pick := func(f func(string) bool) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !f(n) })
	}
	if bad := pick(staticOnly); len(bad) > 0 {
		return refusal("Cannot update these configs dynamically: " + scalaSet("Set", bad))
	}
	if bad := pick(isProviderProperty); len(bad) > 0 {
		// Apache Kafka accepts these properties and then replaces variables with the providers that they
		// configure. Whoever may change the configuration could so read the broker's files and environment.
		return refusal("klamm takes " + strings.Join(bad, ", ") + " from its configuration file, environment and command line only")
	}
	if bad := pick(func(n string) bool { return reconfigurableTLS[n] }); len(bad) > 0 {
		return refusal("These security configs can be dynamically updated only per-listener using the listener prefix: " + scalaSet("HashSet", bad))
	}
	if err := checkTypes(props); err != nil {
		return err
	}
	if perBroker {
		return nil
	}
	if bad := pick(oneBrokerOnly); len(bad) > 0 {
		return refusal("Cannot update these configs at default cluster level, broker id must be specified: " + scalaSet("Set", bad))
	}
	return nil
}

// refusal is the reason for refusing a change, as the client reads it.
type refusal string

// Error gives the reason.
func (r refusal) Error() string { return string(r) }

// staticOnly reports whether a broker property can be set at start only.
func staticOnly(name string) bool {
	p, ok := brokerByName[name]
	return ok && p.Mode == ReadOnly
}

// oneBrokerOnly reports whether a property may be set for one broker but not for all brokers.
func oneBrokerOnly(name string) bool {
	if base, ok := listenerBase(name); ok {
		return base != "max.connections" && base != "max.connection.creation.rate" && base != "num.network.threads"
	}
	p, ok := brokerByName[name]
	return ok && p.Mode == PerBroker
}

// reconfigurableTLS are the TLS properties that a listener can take while it is open
// (SslConfigs.RECONFIGURABLE_CONFIGS). Apache Kafka refuses to change them without a listener's prefix.
var reconfigurableTLS = set(
	"ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.key.password",
	"ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.password",
	"ssl.keystore.certificate.chain", "ssl.keystore.key", "ssl.truststore.certificates",
)

// checkTypes parses the entries whose names are in the table, with or without a listener's prefix.
func checkTypes(props map[string]string) error {
	based := map[string]string{}
	for name, value := range props {
		if base, ok := listenerBase(name); ok {
			name = base
		}
		based[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(based)) {
		p, ok := dynamicKey(name)
		if !ok || p.Mode == ReadOnly {
			continue
		}
		value := based[name]
		if _, err := p.resolve(&value); err != nil {
			return err
		}
	}
	return nil
}

// scalaSet prints names as Apache Kafka prints a Scala set.
func scalaSet(kind string, names []string) string {
	if len(names) > 4 {
		kind = "HashSet"
	}
	return kind + "(" + strings.Join(names, ", ") + ")"
}
