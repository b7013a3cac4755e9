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
	file := klammDefaults
	var warnings []Warning
	var errs, fileErrs LoadErrors
	if o.File != "" {
		file, warnings, fileErrs = readFile(o.File)
	}
	sets, setErrs := readSets(o.Sets)
	fromEnv, ws := readEnv(o.Env, file, sets)
	warnings = append(warnings, ws...)
	errs = append(fileErrs, setErrs...)

	b := &Broker{given: map[string]string{}, sources: map[string]Source{}, written: map[string]string{}, replaced: map[string][]replaced{}}
	for _, layer := range [][]setting{file, fromEnv, sets} {
		b.overlay(layer)
	}
	ws, providerErrs := b.resolveVariables(o.Env)
	warnings = append(warnings, ws...)
	errs = append(errs, providerErrs...)
	errs = append(errs, b.settle(errs.names(), len(fileErrs) == 0)...)
	warnings = append(append(warnings, b.warnings()...), b.listenerWarnings...)
	sortWarnings(warnings)
	if len(errs) > 0 {
		return nil, warnings, errs.sorted()
	}
	return b, warnings, nil
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
		if w, ok := b.warning(name); ok {
			w.Source, w.Name = source, name
			out = append(out, w)
		}
	}
	return out
}

// warning says why a property that was given has no effect. ok is false if it has one.
func (b *Broker) warning(name string) (w Warning, ok bool) {
	p, known := brokerByName[name]
	switch {
	case known && p.Served(), isProviderProperty(name):
		return w, false
	case consequences[name] != "" && b.given[name] != "":
		return Warning{Kind: NotServed, Text: notServedText + ": " + consequences[name]}, true
	case known:
		return Warning{Kind: NotServed, Text: notServedText}, true
	case strings.HasPrefix(name, "listener.name."):
		return b.listenerWarning(name)
	case typeOf(name) != Unknown:
		return Warning{Kind: NotServed, Text: notServedText}, true
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
	"zookeeper.connect":              "this broker stands alone and keeps its metadata in its first log directory",
	"process.roles":                  "klamm has no KRaft quorum; this broker stands alone and keeps its metadata itself",
	"authorizer.class.name":          "klamm has no authorizer; every client may do everything",
	"create.topic.policy.class.name": "klamm runs no Java class; every topic that is valid may be created",
	"alter.config.policy.class.name": "klamm runs no Java class; every configuration that is valid may be set",
}

// sortWarnings puts warnings in the order of their sources, lines and names.
func sortWarnings(ws []Warning) {
	slices.SortStableFunc(ws, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Source.Origin, b.Source.Origin), cmp.Compare(a.Source.Line, b.Source.Line), cmp.Compare(a.Name, b.Name))
	})
}

// settle resolves what is given and checks it as a whole. bad are the properties that have an error already: they
// get their defaults. whole says that Load read all of the file; if not, settle does not check settings against
// each other.
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
	if !whole {
		return errs
	}
	for _, e := range append(b.settleListeners(), checkEach(values)...) {
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
	value := e.Value
	if written, ok := b.written[e.Name]; ok {
		value = written
	}
	reason := "Invalid value " + value + ": " + b.hide(e.Name, e.Reason)
	if p, ok := brokerByName[e.Name]; ok {
		reason += fmt.Sprintf(" (allowed: %s)", p.allowed())
	}
	return &LoadError{Source: b.sources[e.Name], Name: e.Name, Reason: reason}
}

// crossed adds to an error the place where its property was given. If nobody gave that property, crossed takes
// the place of one that the check also reads.
func (b *Broker) crossed(e *crossError) *LoadError {
	for _, name := range append([]string{e.name}, e.with...) {
		for _, same := range append([]string{name}, synonymsOf(name)...) {
			if source, ok := b.sources[same]; ok {
				return &LoadError{Source: source, Name: e.name, Reason: b.hide(same, e.text)}
			}
		}
	}
	return &LoadError{Name: e.name, Reason: e.text}
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

// hide puts the variables back into a text that may quote a property's value.
func (b *Broker) hide(name, text string) string {
	for _, r := range b.replaced[name] {
		// A shorter value is no secret, and it would match in the middle of words.
		if secret := javaTrim(r.value); len(secret) >= 4 {
			text = strings.NewReplacer(secret, r.variable, strings.ToUpper(secret), r.variable).Replace(text)
		}
	}
	return text
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
