package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// variable is one ${provider:[path:]key}.
type variable struct{ provider, path, key string }

var variableForm = regexp.MustCompile(`\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}`)

// replaceVariables replaces the variables of a value with what lookup gives. A variable for which ok is
// false stays as it is.
func replaceVariables(value string, lookup func(v variable, text string) (replacement string, ok bool)) string {
	var out strings.Builder
	at := 0
	for _, m := range variableForm.FindAllStringSubmatchIndex(value, -1) {
		v := variable{provider: value[m[2]:m[3]], key: value[m[8]:m[9]]}
		if m[6] >= 0 {
			v.path = value[m[6]:m[7]]
		}
		if replacement, ok := lookup(v, value[m[0]:m[1]]); ok {
			out.WriteString(value[at:m[0]])
			out.WriteString(replacement)
			at = m[1]
		}
	}
	out.WriteString(value[at:])
	return out.String()
}

// resolver replaces the variables of a whole configuration.
type resolver struct {
	b         *Broker
	providers map[string]provider
	wanted    map[string]map[string][]string // keys by provider and path
	answers   map[variable]answer            // by provider and path, key empty
	errs      []*LoadError
	warnings  []Warning
}

// answer is what a provider gave for one path; see provider.
type answer struct {
	data map[string]string
	note string
	err  error
}

// resolveVariables replaces the variables in all values given, and warns about those that stay as they are.
func (b *Broker) resolveVariables(env []string) ([]Warning, []*LoadError) {
	r := &resolver{b: b, providers: map[string]provider{}, wanted: map[string]map[string][]string{}, answers: map[variable]answer{}}
	r.createProviders(env)
	names := slices.Sorted(maps.Keys(b.given))
	for _, name := range names {
		r.collect(b.given[name])
	}
	for _, name := range names {
		r.replace(name)
	}
	return r.warnings, r.errs
}

// fail records an error about the property with this name.
func (r *resolver) fail(name, format string, args ...any) {
	r.errs = append(r.errs, &LoadError{Source: r.b.sources[name], Name: name, Reason: fmt.Sprintf(format, args...)})
}

func (r *resolver) warn(name, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{Kind: Advice, Source: r.b.sources[name], Name: name, Text: fmt.Sprintf(format, args...)})
}

// createProviders makes the providers that config.providers names.
func (r *resolver) createProviders(env []string) {
	names := providerNames(r.b.given[configProviders])
	for _, name := range names {
		property := configProviders + "." + name + ".class"
		class, ok := r.b.given[property]
		if !ok && name == "" {
			continue
		}
		if !ok {
			r.warn(configProviders, "%q has no class (%s); its variables stay as they are", name, property)
			continue
		}
		known, ok := providerClasses[class]
		if !ok {
			r.fail(property, "klamm has no config provider %q; it has %s", class, strings.Join(slices.Sorted(maps.Keys(providerClasses)), ", "))
			continue
		}
		prefix := configProviders + "." + name + ".param."
		params := map[string]string{}
		for given, value := range r.b.given {
			if param, ok := strings.CutPrefix(given, prefix); ok && param != "" {
				params[param] = value
			}
		}
		p, err := known.create(params, env)
		if err != nil {
			r.fail(prefix+known.params[0], "%s", err)
			continue
		}
		r.providers[name] = p
	}
	r.warnUnused(names)
}

// warnUnused says which properties of providers have no effect.
func (r *resolver) warnUnused(names []string) {
	used := map[string]bool{configProviders: true}
	for _, name := range names {
		class := configProviders + "." + name + ".class"
		used[class] = true
		for _, param := range providerClasses[r.b.given[class]].params {
			used[configProviders+"."+name+".param."+param] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.b.given)) {
		if isProviderProperty(name) && !used[name] {
			r.warn(name, "no config provider takes it; it has no effect")
		}
	}
}

// collect notes the keys of the variables in a value.
func (r *resolver) collect(value string) {
	replaceVariables(value, func(v variable, _ string) (string, bool) {
		paths := r.wanted[v.provider]
		if paths == nil {
			paths = map[string][]string{}
			r.wanted[v.provider] = paths
		}
		paths[v.path] = append(paths[v.path], v.key)
		return "", false
	})
}

// lookup asks the provider of a variable, once for all keys of a path.
func (r *resolver) lookup(v variable) answer {
	at := variable{provider: v.provider, path: v.path}
	a, ok := r.answers[at]
	if !ok {
		a.data, a.note, a.err = r.providers[v.provider].get(v.path, r.wanted[v.provider][v.path])
		r.answers[at] = a
	}
	return a
}

// replace replaces the variables in the value of one property.
func (r *resolver) replace(name string) {
	was := r.b.given[name]
	replaced := false
	value := replaceVariables(was, func(v variable, text string) (string, bool) {
		if r.providers[v.provider] == nil {
			if !isProviderProperty(name) && !r.configured(v.provider) {
				r.warn(name, "%s stays as it is: %s names no provider %q", text, configProviders, v.provider)
			}
			return "", false
		}
		a := r.lookup(v)
		if a.err != nil {
			r.fail(name, "%s: %s", text, a.err)
			return "", false
		}
		replacement, ok := a.data[v.key]
		if !ok {
			note := a.note
			if note == "" {
				note = fmt.Sprintf("the provider has no key %q", v.key)
			}
			r.warn(name, "%s stays as it is: %s", text, note)
			return "", false
		}
		replaced = true
		return replacement, true
	})
	if replaced {
		r.b.given[name] = value
		r.b.written[name] = was
	}
}

// configured reports whether config.providers names the provider.
func (r *resolver) configured(name string) bool {
	return slices.Contains(providerNames(r.b.given[configProviders]), name)
}
