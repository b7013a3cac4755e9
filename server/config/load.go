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
	// File is the path of the configuration file: Java properties, or YAML or TOML by its
	// ending. "" for none, and then klamm's own defaults (see Load) take its place.
	File string
	// Sets are name=value arguments of the command line, the later ones stronger.
	Sets []string
	// Env is the environment as os.Environ gives it. Variables that begin with KLAMM_ are settings, and
	// EnvVarConfigProvider gives all of them.
	Env []string
}

// klammDefaults stand in for the file when none is given: a broker for one's own machine, reachable
// from there only, with its data where it was started.
var klammDefaults = []setting{
	{"listeners", "PLAINTEXT://127.0.0.1:9092", Source{Where: "klamm's own default"}},
	{"log.dirs", "./klamm-data", Source{Where: "klamm's own default"}},
	{"offsets.topic.replication.factor", "1", Source{Where: "klamm's own default"}},
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
// Then the variables of config providers are replaced in all values.
//
// The error is a LoadErrors with everything that is wrong: the file cannot be read, a value does not parse
// or is not allowed, settings contradict each other, a config provider fails. The warnings come with an
// error, too.
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

// names gives the properties that the errors are about.
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
		if w, ok := b.warning(name); ok {
			w.Source, w.Name = source, name
			out = append(out, w)
		}
	}
	return out
}

// warning says why a property that was given does nothing; ok is false if it does something.
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

// consequences says what follows from not serving a property, where that changes what the broker is or who
// may do what.
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

// settle resolves what is given and checks it as a whole. Properties that are bad already have their
// default. whole says that all of the file was read; if not, settings are not checked against each other.
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
		// A default stands in for a bad value: what contradicts that may fit what the user meant.
		if !bad[e.name] && !slices.ContainsFunc(e.with, func(name string) bool { return bad[name] }) {
			errs = append(errs, b.crossed(e))
		}
	}
	return errs
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

// invalidValue says where a value was given, what is wrong with it and what is allowed. A value in which
// variables were replaced is shown as it was written, since what a provider gave may be a secret.
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

// crossed says where one of the properties of an error was given, that of its name if it was.
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

// synonymsOf lists the properties that stand in for one.
func synonymsOf(name string) []string {
	for _, same := range sameThing {
		if slices.Contains(same, name) {
			return same
		}
	}
	return nil
}

// hide puts the variables of a property back into a text that may quote its value.
func (b *Broker) hide(name, text string) string {
	for _, r := range b.replaced[name] {
		// What is shorter is no secret, and would be found in the middle of words.
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
