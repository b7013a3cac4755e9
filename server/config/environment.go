package config

import (
	"slices"
	"strings"
)

// EnvPrefix begins the names of the environment variables that are settings: KLAMM_LOG_DIRS sets log.dirs.
const EnvPrefix = "KLAMM_"

// readEnv finds the settings in an environment. The name of a variable has an underscore for each dot, dash and
// underscore of the property's name, so readEnv folds the names of the table in the same way and compares. others
// are the settings of the other places: they may name config providers, whose properties are not in the table.
func readEnv(env []string, others ...[]setting) ([]setting, []Warning) {
	var out []setting
	var warnings []Warning
	names := envNames{providers: map[string]string{}}
	for _, settings := range others {
		names.addProviders(settings)
	}
	sorted := slices.Sorted(slices.Values(env))
	for _, kv := range sorted {
		if value, ok := strings.CutPrefix(kv, EnvPrefix+"CONFIG_PROVIDERS="); ok {
			names.addProviders([]setting{{name: configProviders, value: value}})
		}
	}
	for _, kv := range sorted {
		name, value, _ := strings.Cut(kv, "=")
		folded, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok {
			continue
		}
		source := Source{Origin: FromEnv, Where: name}
		property, ok := names.property(folded)
		if !ok {
			warnings = append(warnings, Warning{Kind: UnknownName, Source: source, Name: name, Text: "stands for no property of Apache Kafka 3.9; it has no effect"})
			continue
		}
		out = append(out, setting{property, value, source})
	}
	return out, warnings
}

// envNames finds the properties that variables of the environment stand for.
type envNames struct {
	providers map[string]string // names of config providers, by what they fold to
}

func (n envNames) addProviders(settings []setting) {
	for _, s := range settings {
		if s.name == configProviders {
			for _, provider := range providerNames(s.value) {
				n.providers[foldEnv(provider)] = provider
			}
		}
	}
}

// property finds a property of the table, of a config provider, or of a listener. A listener's name becomes small
// letters, and so does the name of a provider that config.providers does not list.
func (n envNames) property(folded string) (string, bool) {
	if name, ok := byEnv[folded]; ok {
		return name, true
	}
	if rest, ok := strings.CutPrefix(folded, "CONFIG_PROVIDERS"); ok {
		return n.providerProperty(rest)
	}
	rest, ok := strings.CutPrefix(folded, "LISTENER_NAME_")
	if !ok {
		return "", false
	}
	for at := range rest { // of several properties that fit, the longest is meant
		listener, property := rest[:at], strings.TrimPrefix(rest[at:], "_")
		if name, ok := byEnv[property]; ok && at > 0 && rest[at] == '_' {
			return listenerPrefix(listener) + name, true
		}
	}
	return "", false
}

// providerProperty finds a property of a config provider. rest is the part of the variable's name after
// CONFIG_PROVIDERS.
func (n envNames) providerProperty(rest string) (string, bool) {
	if rest == "" {
		return configProviders, true
	}
	for _, property := range []string{"class", "param.allowlist.pattern", "param.allowed.paths"} {
		folded, ok := strings.CutSuffix(rest, "_"+foldEnv(property))
		if !ok || len(folded) < 2 || folded[0] != '_' {
			continue
		}
		provider, ok := n.providers[folded[1:]]
		if !ok {
			provider = strings.ToLower(folded[1:])
		}
		return configProviders + "." + provider + "." + property, true
	}
	return "", false
}

// byEnv has the properties of the table by the names of their variables without EnvPrefix.
var byEnv = func() map[string]string {
	m := map[string]string{}
	for _, p := range brokerSorted {
		m[foldEnv(p.Name)] = p.Name
	}
	return m
}()

// foldEnv turns the name of a property, or a part of it, into that of a variable.
func foldEnv(name string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}
