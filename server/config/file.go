package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"
)

// setting is one name with its value and the place where it was given.
type setting struct {
	name, value string
	source      Source
}

// readFile reads a configuration file. The file's ending names its format: .yaml and .yml are YAML, .toml is
// TOML, and every other ending means Java properties.
func readFile(path string) ([]setting, []Warning, LoadErrors) {
	source := Source{Origin: FromFile, Where: path}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, LoadErrors{{Source: source, Reason: "cannot be read: " + reasonOf(err).Error()}}
	}
	switch format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."); format {
	case "yaml", "yml", "toml":
		return readTree(source, data, format)
	default:
		return readProperties(source, data)
	}
}

// readProperties reads the file as kafka.Kafka does (Properties.load): in ISO 8859-1. If the file gives a name
// twice, the last value counts, and a warning says so.
func readProperties(source Source, data []byte) (out []setting, warnings []Warning, errs LoadErrors) {
	found, bad := parseProperties(latin1(data))
	for _, line := range bad {
		source.Line = line.line
		errs = append(errs, &LoadError{Source: source, Reason: line.err.Error()})
	}
	lines := map[string]int{}
	for _, p := range found {
		source.Line = p.line
		if before, ok := lines[p.name]; ok {
			warnings = append(warnings, Warning{Kind: Advice, Source: source, Name: p.name, Text: fmt.Sprintf("given before in line %d; this one counts", before)})
		}
		lines[p.name] = p.line
		out = append(out, setting{p.name, p.value, source})
	}
	return out, warnings, errs
}

// readTree reads YAML or TOML with the codecs of viper. It does not use viper itself, which folds names to small
// letters: the names of config providers may have capitals.
func readTree(source Source, data []byte, format string) ([]setting, []Warning, LoadErrors) {
	fail := func(reason string) ([]setting, []Warning, LoadErrors) {
		return nil, nil, LoadErrors{{Source: source, Reason: reason}}
	}
	decoder, err := viper.NewCodecRegistry().Decoder(format)
	if err != nil {
		return fail(err.Error())
	}
	tree := map[string]any{}
	if err := decoder.Decode(data, tree); err != nil {
		return fail("cannot be parsed as " + format + ": " + strings.Join(strings.Fields(err.Error()), " "))
	}
	if format != "toml" {
		if line := secondDocument(data); line > 0 {
			source.Line = line
			return fail("a second YAML document begins here; only one is read")
		}
	}
	out, errs := flatten("", tree)
	for i := 1; i < len(out); i++ {
		if slices.ContainsFunc(out[:i], func(s setting) bool { return s.name == out[i].name }) {
			errs = append(errs, &LoadError{Name: out[i].name, Reason: "is given twice, once nested and once with dots"})
		}
	}
	locate(out, source.Where, data)
	located := make([]setting, len(errs))
	for i, e := range errs {
		located[i].name = e.Name
	}
	locate(located, source.Where, data)
	for i, e := range errs {
		e.Source = located[i].source
	}
	return out, nil, errs
}

// secondDocument gives the line at which a second document of a YAML file begins, counted from 1. It gives 0 if
// there is no second one.
func secondDocument(data []byte) int {
	content := false
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == "---" || strings.HasPrefix(line, "--- "):
			if content {
				return i + 1
			}
			content = line != "---"
		case line != "" && line[0] != '#' && line[0] != '%':
			content = true
		}
	}
	return 0
}

// flatten turns nested tables into names with dots, sorted. The errors have no source yet.
func flatten(prefix string, m map[string]any) (out []setting, errs LoadErrors) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		name := prefix + k
		if nested, ok := m[k].(map[string]any); ok {
			inner, bad := flatten(name+".", nested)
			out, errs = append(out, inner...), append(errs, bad...)
			continue
		}
		value, ok, err := scalar(m[k])
		if err != nil {
			errs = append(errs, &LoadError{Name: name, Reason: err.Error()})
		} else if ok {
			out = append(out, setting{name: name, value: value})
		}
	}
	return out, errs
}

// scalar gives a value of YAML or TOML as the text that a properties file would have. ok is false for null: the
// name then counts as not given.
func scalar(v any) (s string, ok bool, err error) {
	switch v := v.(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	case float64:
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10), true, nil
		}
		return strconv.FormatFloat(v, 'g', -1, 64), true, nil
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			p, ok, err := scalar(e)
			if err != nil {
				return "", false, err
			}
			if ok {
				parts = append(parts, p)
			}
		}
		return strings.Join(parts, ","), true, nil
	case bool, int, int64, uint64:
		return fmt.Sprint(v), true, nil
	default:
		kind := "this"
		switch v.(type) {
		case time.Time:
			kind = "a date"
		case map[string]any, map[any]any:
			kind = "a table in a list"
		}
		return "", false, fmt.Errorf("%s cannot be a value; write it as text in quotes", kind)
	}
}

// locate finds the lines of the settings in a YAML or TOML file: the one line that begins with the name, or with
// its last parts. Line stays 0 if no line or more than one does.
func locate(settings []setting, path string, data []byte) {
	lines := strings.Split(string(data), "\n")
	for i := range settings {
		settings[i].source = Source{Origin: FromFile, Where: path}
		for tail := settings[i].name; tail != "" && settings[i].source.Line == 0; {
			at := 0
			for n, line := range lines {
				key := strings.TrimLeft(strings.TrimSpace(line), `"'`)
				rest, ok := strings.CutPrefix(strings.ToLower(key), strings.ToLower(tail))
				rest = strings.TrimLeft(rest, `"' `)
				if ok && rest != "" && (rest[0] == ':' || rest[0] == '=') {
					if at != 0 {
						at = -1
						break
					}
					at = n + 1
				}
			}
			settings[i].source.Line = max(at, 0)
			_, tail, _ = strings.Cut(tail, ".")
		}
	}
}
