package config

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Options say what to load.
type Options struct {
	// File is the path of the configuration file: Java properties, or YAML or TOML by its
	// ending. "" for none, and then klamm's own defaults (see Load) take its place.
	File string
	// Sets are name=value arguments of the command line, the later ones stronger.
	Sets []string
	// Env is the environment as os.Environ gives it; variables that begin with KLAMM_ are settings.
	Env []string
}

// EnvPrefix begins the environment variables that are settings: KLAMM_LOG_DIRS is log.dirs.
const EnvPrefix = "KLAMM_"

// klammDefaults stand in for the file when none is given: a broker for one's own machine, reachable
// from there only, with its data where it was started.
var klammDefaults = []setting{
	{name: "listeners", value: "PLAINTEXT://127.0.0.1:9092"},
	{name: "log.dirs", value: "./klamm-data"},
	{name: "offsets.topic.replication.factor", value: "1"},
}

// Load reads the configuration of a broker. The command line is stronger than the environment, that
// is stronger than the file, and the file than Kafka's defaults. Without a file three defaults of
// klamm's own take its place: listeners=PLAINTEXT://127.0.0.1:9092, log.dirs=./klamm-data and
// offsets.topic.replication.factor=1. With a file, Kafka's defaults apply throughout, so that a server.properties means what it means there.
//
// Properties that mean the same thing (log.dir and log.dirs, broker.id and node.id, the units of
// log.retention.*) stand in for each other across places: log.retention.hours on the command line
// is stronger than log.retention.ms in the file.
//
// The error is a *LoadError: the file cannot be read, a value does not parse or is not allowed, or
// two of them contradict each other.
func Load(o Options) (*Broker, []Warning, error) {
	layers := [][]setting{klammDefaults}
	var warnings []Warning
	if o.File != "" {
		fromFile, ws, err := readFile(o.File)
		if err != nil {
			return nil, nil, err
		}
		layers[0], warnings = fromFile, ws
	}
	fromEnv, ws := readEnv(o.Env)
	warnings = append(warnings, ws...)
	fromSets, err := readSets(o.Sets)
	if err != nil {
		return nil, nil, err
	}
	layers = append(layers, fromEnv, fromSets)

	b := &Broker{given: map[string]string{}, sources: map[string]Source{}}
	for _, layer := range layers {
		b.overlay(layer)
	}
	warnings = append(warnings, b.warnings()...)
	if err := b.settle(); err != nil {
		return nil, nil, err
	}
	return b, append(warnings, b.listenerWarnings...), nil
}

// readEnv picks the settings out of an environment. Dots, dashes and underscores are one in the
// name of a variable, so names are found by folding those of the table.
func readEnv(env []string) ([]setting, []Warning) {
	var out []setting
	var warnings []Warning
	for _, kv := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(kv, "=")
		folded, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok {
			continue
		}
		source := Source{Origin: FromEnv, Where: name}
		property, ok := byEnv[folded]
		if !ok {
			warnings = append(warnings, Warning{UnknownName, source, name,
				"stands for no property of Apache Kafka 3.9; it has no effect"})
			continue
		}
		out = append(out, setting{property, value, source})
	}
	return out, warnings
}

var byEnv = func() map[string]string {
	m := map[string]string{}
	for _, p := range brokerSorted {
		m[foldEnv(p.Name)] = p.Name
	}
	return m
}()

func foldEnv(name string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

func readSets(sets []string) ([]setting, error) {
	var out []setting
	for _, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, &LoadError{Source: Source{Origin: FromSet, Where: s}, Reason: "must be of the form name=value"}
		}
		out = append(out, setting{name, value, Source{Origin: FromSet, Where: name}})
	}
	return out, nil
}

// sameThing lists properties that stand in for each other when one place overrides another.
var sameThing = [][]string{
	{"log.dirs", "log.dir"},
	{"broker.id", "node.id"},
	{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
	{"log.roll.ms", "log.roll.hours"},
	{"log.roll.jitter.ms", "log.roll.jitter.hours"},
	{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"},
	{"inter.broker.listener.name", "security.inter.broker.protocol"},
}

// overlay puts a stronger place over what is there.
func (b *Broker) overlay(layer []setting) {
	for i := range layer {
		for _, same := range sameThing {
			if slices.Contains(same, layer[i].name) {
				for _, n := range same {
					delete(b.given, n)
					delete(b.sources, n)
				}
			}
		}
	}
	for _, s := range layer {
		b.given[s.name] = s.value
		b.sources[s.name] = s.source
	}
}

// warnings says which of the given names do nothing.
func (b *Broker) warnings() []Warning {
	var out []Warning
	for name, source := range b.sources {
		p, known := brokerByName[name]
		switch {
		case known && p.Served(), isServedListener(name):
		case name == "zookeeper.connect":
			out = append(out, Warning{NotServed, source, name,
				notServedText + ": this broker stands alone and keeps its metadata in its first log directory"})
		case name == "process.roles":
			out = append(out, Warning{NotServed, source, name,
				"klamm has no KRaft quorum: this broker stands alone and keeps its metadata itself"})
		case known:
			out = append(out, Warning{NotServed, source, name, notServedText})
		case typeOf(name) != Unknown:
			out = append(out, Warning{NotServed, source, name, notServedText})
		default:
			text := "is no property of Apache Kafka 3.9; it has no effect"
			if near := nearest(name); near != "" {
				text += " (did you mean " + near + "?)"
			}
			out = append(out, Warning{UnknownName, source, name, text})
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Source.Origin != b.Source.Origin {
			return a.Source.Origin < b.Source.Origin
		}
		if a.Source.Line != b.Source.Line {
			return a.Source.Line < b.Source.Line
		}
		return a.Name < b.Name
	})
	return out
}

// settle resolves what is given and checks it as a whole.
func (b *Broker) settle() error {
	b.tieIDs()
	values, err := resolveAll(brokerSorted, b.given)
	if err != nil {
		return b.loadError(err)
	}
	b.values = values
	if err := b.settleListeners(); err != nil {
		return b.loadError(err)
	}
	if err := checkBroker(values); err != nil {
		return b.loadError(err)
	}
	return nil
}

// tieIDs lets broker.id and node.id stand in for each other (KafkaConfig.populateSynonyms).
func (b *Broker) tieIDs() {
	for _, pair := range [][2]string{{"broker.id", "node.id"}, {"node.id", "broker.id"}} {
		if v, ok := b.given[pair[0]]; ok {
			if _, other := b.given[pair[1]]; !other {
				b.given[pair[1]] = v
			}
		}
	}
}

// loadError says where the property of an error was given and what is allowed.
func (b *Broker) loadError(err error) error {
	name, reason := "", err.Error()
	var invalid *InvalidValueError
	var cross *crossError
	switch {
	case errors.As(err, &invalid):
		name = invalid.Name
		if p, ok := brokerByName[name]; ok {
			reason += fmt.Sprintf(" (allowed: %s)", p.allowed())
		}
	case errors.As(err, &cross):
		name = cross.name
	}
	source, ok := b.sources[name]
	if !ok {
		for _, same := range sameThing {
			if slices.Contains(same, name) {
				for _, n := range same {
					if s, given := b.sources[n]; given {
						source = s
					}
				}
			}
		}
	}
	return &LoadError{Source: source, Name: name, Reason: reason}
}

// allowed says in a few words what a value may be.
func (p *Property) allowed() string {
	words := map[Type]string{Boolean: "true or false", Int: "a 32-bit integer", Short: "a 16-bit integer", Long: "a 64-bit integer",
		Double: "a number", List: "a list separated by commas"}[p.Type]
	if words == "" {
		words = "text"
	}
	if p.Valid != nil {
		words += " in " + p.Valid.String()
	}
	return words
}
