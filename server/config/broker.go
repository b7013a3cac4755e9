package config

import "maps"

// Broker is the configuration that a broker starts with. It does not change and is safe for
// concurrent use; what changes while the broker runs is in Dynamic.
type Broker struct {
	given            map[string]string // by property: its value, the variables of config providers replaced
	sources          map[string]Source
	written          map[string]string // by property in which variables were replaced: its value before that
	values           *Values
	listeners        []Listener
	advertised       []Listener
	interBroker      string
	controlPlane     string
	zookeeper        *ZooKeeper // nil for a broker alone
	http             *HTTP      // nil where nothing is served by HTTP
	listenerWarnings []Warning
}

// Values gives the settings that the broker starts with. A property that nobody set has its default.
func (b *Broker) Values() *Values { return b.values }

// Given gives the value that was set for a property, with the variables of config providers replaced, and the
// place where it was set. ok is false if nobody set the property.
func (b *Broker) Given(name string) (value string, source Source, ok bool) {
	value, ok = b.given[name]
	return value, b.sources[name], ok
}

// ID gives broker.id. -1 means that the broker generates its id; see GenerateID.
func (b *Broker) ID() int32 { return int32(b.values.Int("broker.id")) }

// GenerateID says whether a broker without an id may generate one. A generated id is greater than above; the
// first is above+1.
func (b *Broker) GenerateID() (ok bool, above int32) {
	return b.values.Bool("broker.id.generation.enable"), int32(b.values.Int("reserved.broker.max.id"))
}

// LogDirs lists the log directories as they were written: those of log.dirs or, if that is not set, those of
// log.dir.
func (b *Broker) LogDirs() []string {
	dirs := b.values.String("log.dirs")
	if b.values.Null("log.dirs") {
		dirs = b.values.String("log.dir")
	}
	return splitCSV(dirs)
}

// Listeners lists the listeners that the broker opens, in the order of the property listeners. The caller must
// not change the slice.
func (b *Broker) Listeners() []Listener { return b.listeners }

// Advertised lists the addresses that clients are told: those of advertised.listeners or, if that is not set,
// those of listeners. A Host of "" stands for the local address of the client's own connection, a Port of 0 for
// the port that the listener got. The caller must not change the slice.
func (b *Broker) Advertised() []Listener { return b.advertised }

// InterBrokerListener gives the name of the listener that brokers use among themselves.
func (b *Broker) InterBrokerListener() string { return b.interBroker }

// ControlPlaneListener gives the name of the listener that the controller and the brokers use for what they ask of each other:
// control.plane.listener.name, or the one that brokers use for everything.
func (b *Broker) ControlPlaneListener() string { return b.controlPlane }

// originals gives a copy of all settings that were given, also of those with unknown names.
func (b *Broker) originals() map[string]string { return maps.Clone(b.given) }
