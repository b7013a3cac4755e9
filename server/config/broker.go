package config

import "maps"

// Broker is the configuration that a broker starts with. It does not change and is safe for
// concurrent use; what changes while the broker runs is in Dynamic.
type Broker struct {
	given            map[string]string // with the variables of config providers replaced
	sources          map[string]Source
	written          map[string]string     // values as they were written, of those in which variables were replaced
	replaced         map[string][]replaced // those variables
	values           *Values
	listeners        []Listener
	advertised       []Listener
	interBroker      string
	listenerWarnings []Warning
}

// Values gives the settings as they were at start, defaults filled in.
func (b *Broker) Values() *Values { return b.values }

// Given gives what was set for a property, the variables of config providers replaced, and where. ok is
// false where the default stands.
func (b *Broker) Given(name string) (value string, source Source, ok bool) {
	value, ok = b.given[name]
	return value, b.sources[name], ok
}

// ID is broker.id; -1 asks for a generated one, see GenerateID.
func (b *Broker) ID() int32 { return int32(b.values.Int("broker.id")) }

// GenerateID says whether a broker without an id may generate one, and the highest number that
// generated ids stay above: the first is above+1.
func (b *Broker) GenerateID() (ok bool, above int32) {
	return b.values.Bool("broker.id.generation.enable"), int32(b.values.Int("reserved.broker.max.id"))
}

// LogDirs lists the data directories as they were written: log.dirs, or log.dir if that is not set.
func (b *Broker) LogDirs() []string {
	dirs := b.values.String("log.dirs")
	if b.values.Null("log.dirs") {
		dirs = b.values.String("log.dir")
	}
	return splitCSV(dirs)
}

// Listeners lists where to listen, in the order given. The slice must not be changed.
func (b *Broker) Listeners() []Listener { return b.listeners }

// Advertised lists what clients are told, by listener name: advertised.listeners, and where that is
// not set, what listeners says. A Host of "" stands for the local address of the client's own
// connection, a Port of 0 for the port that was bound. The slice must not be changed.
func (b *Broker) Advertised() []Listener { return b.advertised }

// InterBrokerListener is the name of the listener that brokers use among themselves.
func (b *Broker) InterBrokerListener() string { return b.interBroker }

// originals is a copy of everything given, unknown names included.
func (b *Broker) originals() map[string]string { return maps.Clone(b.given) }
