package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options say what to load.
type Options struct {
	// File is the path of the configuration file. Its ending tells whether it is YAML, TOML or Java properties.
	// "" means no file: klamm's own defaults (see Load) take its place.
	File string
	// Layers take the place of File where they are not nil: settings that the caller gathered, the weakest layer first. klamm's own defaults do not apply.
	Layers [][]Setting
	// Sets are the name=value arguments of the command line. A later one overrides an earlier one.
	Sets []string
	// Env is the environment as os.Environ gives it. Variables that begin with KLAMM_ are settings.
	// EnvVarConfigProvider can read all variables.
	Env []string
}

// klammDefaults take the place of the file where none is given. The broker then listens to programs on the same
// machine only, and keeps its data in the directory in which it was started.
var klammDefaults = []setting{
	{"listeners", "PLAINTEXT://127.0.0.1:9092", Source{Where: "klamm's own default"}},
	{"log.dirs", "./klamm-data", Source{Where: "klamm's own default"}},
	{"offsets.topic.replication.factor", "1", Source{Where: "klamm's own default"}},
}

// Load reads the configuration of a broker. The command line overrides the environment, the environment overrides
// the file, and the file overrides Kafka's defaults. Without a file, three defaults of klamm's own take its
// place: listeners=PLAINTEXT://127.0.0.1:9092, log.dirs=./klamm-data and offsets.topic.replication.factor=1. With
// a file, only Kafka's defaults apply, so that a server.properties means the same as to Apache Kafka.
//
// Some properties mean the same thing: log.dir and log.dirs, broker.id and node.id, the units of log.retention.*.
// A stronger place that sets one of them overrides the others too: log.retention.hours on the command line
// overrides log.retention.ms in the file.
//
// Load then replaces the variables of config providers in all values.
//
// The error is a LoadErrors with everything that is wrong: the file cannot be read, a value does not parse or is
// not allowed, settings contradict each other, a config provider fails. Load gives the warnings with an error
// too.
func Load(o Options) (*Broker, []Warning, error) {
	b, warnings, errs := Read(o)
	if len(errs) > 0 {
		return nil, warnings, errs
	}
	return b, warnings, nil
}

// Read does the same as Load for who looks at a configuration and starts nothing: it gives what it could read with the errors as well. A
// setting with an error has its default.
func Read(o Options) (*Broker, []Warning, LoadErrors) {
	layers := [][]setting{klammDefaults}
	var warnings []Warning
	var errs, fileErrs LoadErrors
	if o.Layers != nil {
		layers = nil
		for _, l := range o.Layers {
			layers = append(layers, gathered(l))
		}
	} else if o.File != "" {
		layers[0], warnings, fileErrs = readFile(o.File)
	}
	sets, setErrs := readSets(o.Sets)
	fromEnv, ws := readEnv(o.Env, append(slices.Clone(layers), sets)...)
	warnings = append(warnings, ws...)
	errs = append(fileErrs, setErrs...)

	b := &Broker{given: map[string]string{}, sources: map[string]Source{}, written: map[string]string{}}
	for _, layer := range append(layers, fromEnv, sets) {
		b.overlay(layer)
	}
	ws, providerErrs := b.resolveVariables(o.Env)
	warnings = append(warnings, ws...)
	errs = append(errs, providerErrs...)
	errs = append(errs, b.settle(errs.names(), len(fileErrs) == 0)...)
	warnings = append(append(warnings, b.warnings()...), b.listenerWarnings...)
	sortWarnings(warnings)
	return b, warnings, errs.sorted()
}

// names gives the properties that the errors name.
func (es LoadErrors) names() map[string]bool {
	names := map[string]bool{}
	for _, e := range es {
		names[e.Name] = true
	}
	return names
}

// readSets reads the name=value arguments of the command line.
func readSets(sets []string) (out []setting, errs LoadErrors) {
	for _, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			errs = append(errs, &LoadError{Source: Source{Origin: FromSet, Where: s}, Reason: "must be of the form name=value"})
			continue
		}
		out = append(out, setting{name, value, Source{Origin: FromSet, Where: name}})
	}
	return out, errs
}

// sameThing lists the properties that mean the same thing: a stronger place that sets one overrides the others.
var sameThing = [][]string{
	{"log.dirs", "log.dir"},
	{"broker.id", "node.id"},
	{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
	{"log.roll.ms", "log.roll.hours"},
	{"log.roll.jitter.ms", "log.roll.jitter.hours"},
	{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"},
	{"inter.broker.listener.name", "security.inter.broker.protocol"},
}

// overlay lays the settings of a stronger place over those that are there.
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

// warnings says which of the given properties have no effect.
func (b *Broker) warnings() []Warning {
	var out []Warning
	for name, source := range b.sources {
		if source.Origin == FromKlamm {
			continue // nobody asked for it
		}
		if w, ok := b.warning(name); ok {
			w.Source, w.Name = source, name
			out = append(out, w)
		}
	}
	return out
}

// warning says why a property that was given has no effect. ok is false if it has one.
func (b *Broker) warning(name string) (w Warning, ok bool) {
	switch {
	case name == "zookeeper.connect" && b.given["process.roles"] != "":
		return Warning{Kind: Advice, Text: "has no effect beside process.roles: this broker stands alone"}, true
	case name == protocolVersion && b.zookeeper == nil && !b.speaksOwnVersion():
		return Warning{Kind: Advice, Text: "has no effect: this broker stands alone"}, true
	case name == protocolVersion && !b.speaksOwnVersion() && !b.speaksTooOld(): // which is refused
		return Warning{Kind: Advice, Text: "klamm speaks " + ownVersion + " with the other brokers all the same: all of them have to run 3.9"}, true
	case strings.HasPrefix(name, "listener.name."):
		return b.listenerWarning(name)
	}
	return unserved(name, b.given[name])
}

// Unserved judges a setting that was made for a broker in the metadata tree. ok is false if klamm acts on it.
func Unserved(name, value string) (w Warning, ok bool) {
	w, ok = unserved(name, value)
	w.Name = name
	return w, ok
}

// UnservedTopic judges a setting of a topic. ok is false if klamm acts on it.
func UnservedTopic(name, value string) (w Warning, ok bool) {
	p, known := topicByName[name]
	switch {
	case known && p.Served():
		return w, false
	case name == "remote.storage.enable" && value == "true":
		return Warning{Kind: NotServed, Name: name, Text: notServedText + ": " + noRemoteTopic}, true
	case known:
		return Warning{Kind: NotServed, Name: name, Text: notServedText, Idle: cmp.Or(p.Without(), p.defaultReason(value))}, true
	}
	return Warning{Kind: UnknownName, Name: name, Text: "is no property of a topic in Apache Kafka 3.9; it has no effect"}, true
}

// unserved says why a property has no effect. ok is false if it has one.
func unserved(name, value string) (w Warning, ok bool) {
	base := name
	if b, ok := listenerBase(name); ok {
		base = b
	}
	p, known := dynamicKey(name)
	switch {
	case known && (p.Served() || quotaByName[name] != nil), isProviderProperty(name), isServedListener(name):
		return w, false
	case consequences[name] != "" && value != "":
		return Warning{Kind: NotServed, Text: notServedText + ": " + consequences[name]}, true
	case known:
		return Warning{Kind: NotServed, Text: notServedText, Idle: cmp.Or(p.idle(), p.defaultReason(value))}, true
	case typeOf(name) != Unknown:
		w = Warning{Kind: NotServed, Text: notServedText}
		if p := brokerByName[base]; p != nil {
			w.Idle = p.idle()
		}
		return w, true
	case name == "super.users", name == "allow.everyone.if.no.acl.found", strings.HasPrefix(name, "authorizer."):
		return Warning{Kind: Advice, Text: "is for the class in authorizer.class.name, and klamm has no authorizer yet; it has no effect"}, true
	case name == "":
		return Warning{Kind: UnknownName, Text: "the line has a separator and no name before it; it has no effect"}, true
	}
	text := "is no property of Apache Kafka 3.9; it has no effect"
	if near := nearest(name); near != "" {
		text += " (did you mean " + near + "?)"
	}
	return Warning{Kind: UnknownName, Text: text}, true
}

// consequences says for some properties what follows because klamm does not serve them. They are those that
// decide what the broker is or who may do what.
var consequences = map[string]string{
	"process.roles":                  "klamm has no KRaft quorum; this broker stands alone and keeps its metadata itself",
	"create.topic.policy.class.name": "klamm runs no Java class; every topic that is valid may be created",
	"alter.config.policy.class.name": "klamm runs no Java class; every configuration that is valid may be set",
	"client.quota.callback.class":    "klamm runs no Java class; no client has a quota",
	"metric.reporters":               "klamm runs no Java class; nothing is reported to these",
	"kafka.metrics.reporters":        "klamm runs no Java class; nothing is reported to these",
}

// noRemoteTopic says what follows for a topic in remote storage.
const noRemoteTopic = "klamm has no tiered storage; it does not find the records that are in remote storage alone"

// sortWarnings puts warnings in the order of their sources, lines and names.
func sortWarnings(ws []Warning) {
	slices.SortStableFunc(ws, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Source.Origin, b.Source.Origin), cmp.Compare(a.Source.Line, b.Source.Line), cmp.Compare(a.Name, b.Name))
	})
}

// settle resolves what is given and checks it as a whole. bad are the properties that have an error already: they
// get their defaults. whole says that Load read all of the file; if not, settle does not say which settings
// contradict each other.
func (b *Broker) settle(bad map[string]bool, whole bool) (errs LoadErrors) {
	b.tieIDs()
	given := maps.Clone(b.given)
	maps.DeleteFunc(given, func(name, _ string) bool { return bad[name] })
	values, invalid := resolveEach(brokerSorted, given)
	b.values = values
	for _, err := range invalid {
		var e *InvalidValueError
		if errors.As(err, &e) && b.sources[e.Name] != (Source{}) {
			bad[e.Name] = true
			errs = append(errs, b.invalidValue(e))
		}
	}
	crossed := slices.Concat(b.settleListeners(), b.settleZooKeeper(), b.settleHTTP(), checkEach(values), b.refusals())
	if !whole {
		return errs
	}
	for _, e := range crossed {
		// A default stands in for a bad value. What contradicts the default may fit the value that the user meant.
		if !bad[e.name] && !slices.ContainsFunc(e.with, func(name string) bool { return bad[name] }) {
			errs = append(errs, b.crossed(e))
		}
	}
	return errs
}

// tieIDs gives node.id the value of broker.id, or the other way round, if only one is set
// (KafkaConfig.populateSynonyms).
func (b *Broker) tieIDs() {
	for _, pair := range [][2]string{{"broker.id", "node.id"}, {"node.id", "broker.id"}} {
		if v, ok := b.given[pair[0]]; ok {
			if _, other := b.given[pair[1]]; !other {
				b.given[pair[1]] = v
			}
		}
	}
}

// invalidValue says where a value was given, what is wrong with it and what is allowed. It shows a value in which
// variables were replaced as it was written, since what a provider gave may be a secret.
func (b *Broker) invalidValue(e *InvalidValueError) *LoadError {
	value := b.show(quoted{e.Name, e.Value})
	why := strings.ReplaceAll(e.Reason+" ", " "+e.Value+" ", " "+value+" ") // some reasons quote the value as a word
	reason := "Invalid value " + value + ": " + strings.TrimSuffix(why, " ")
	if p, ok := brokerByName[e.Name]; ok {
		reason += fmt.Sprintf(" (allowed: %s)", p.allowed())
	}
	return &LoadError{Source: b.sources[e.Name], Name: e.Name, Reason: reason}
}

// show gives a part of a property's value for a text that people read: the part, or the whole value as it was written
// if a provider gave any of it.
func (b *Broker) show(q quoted) string {
	if written, ok := b.written[q.property]; ok {
		return written
	}
	return q.part
}

// crossed adds to an error the place where its property was given. If nobody gave that property, crossed takes
// the place of one that the check also reads.
func (b *Broker) crossed(e *crossError) *LoadError {
	for _, name := range append([]string{e.name}, e.with...) {
		for _, same := range append([]string{name}, synonymsOf(name)...) {
			if source, ok := b.sources[same]; ok {
				return &LoadError{Source: source, Name: e.name, Reason: e.text(b.show)}
			}
		}
	}
	return &LoadError{Name: e.name, Reason: e.text(b.show)}
}

// synonymsOf lists the properties that mean the same thing as this one, itself included. It gives nil if none do.
func synonymsOf(name string) []string {
	for _, same := range sameThing {
		if slices.Contains(same, name) {
			return same
		}
	}
	return nil
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
