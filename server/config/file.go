package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/magiconair/properties"
	"github.com/spf13/viper"
)

// setting is one name with its value and where it was given.
type setting struct {
	name, value string
	source      Source
}

// viperDelimiter joins the keys of nested tables inside viper. It must not occur in names, and a dot
// would not do: log.dir and log.dir.failure.timeout.ms could not both be set.
const viperDelimiter = "\x00"

// readFile reads a configuration file. Its format goes by the ending: .yaml, .yml and .toml are
// what they say, everything else is Java properties.
func readFile(path string) ([]setting, []Warning, error) {
	source := Source{Origin: FromFile, Where: path}
	data, err := os.ReadFile(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, nil, &LoadError{Source: source, Reason: "cannot be read: " + err.Error()}
	}
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	codec := &javaProperties{}
	registry := viper.NewCodecRegistry()
	if err := registry.RegisterCodec("properties", codec); err != nil {
		return nil, nil, &LoadError{Source: source, Reason: err.Error()}
	}
	if format != "yaml" && format != "yml" && format != "toml" {
		format = "properties"
	}
	v := viper.NewWithOptions(viper.KeyDelimiter(viperDelimiter), viper.WithCodecRegistry(registry))
	v.SetConfigType(format)
	if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
		reason := strings.Join(strings.Fields(err.Error()), " ")
		return nil, nil, &LoadError{Source: source, Reason: "cannot be parsed as " + format + ": " + reason}
	}
	if format == "properties" {
		// viper folds names to lower case, Java's properties do not: take them from the codec.
		out, warnings := codec.located(path)
		return out, warnings, nil
	}
	out, err := flatten("", v.AllSettings())
	if err != nil {
		return nil, nil, &LoadError{Source: source, Reason: err.Error()}
	}
	for i := range out {
		out[i].name = unfold(out[i].name)
	}
	locate(out, path, data)
	return out, nil, nil
}

// unfold gives the table's spelling of a name that viper has folded to lower case.
func unfold(name string) string {
	if p, ok := byEnv[foldEnv(name)]; ok && strings.EqualFold(p, name) {
		return p
	}
	return name
}

// javaProperties is viper's codec for the format of java.util.Properties: ISO 8859-1, escapes,
// continued lines, no expansion of ${}. It remembers the line of each name.
type javaProperties struct {
	found []setting
}

// Encode is not needed: klamm writes no configuration files.
func (c *javaProperties) Encode(map[string]any) ([]byte, error) {
	return nil, errors.New("properties files are only read")
}

// Decode reads one logical line after the other, so that each name has its line.
func (c *javaProperties) Decode(b []byte, into map[string]any) error {
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	lines := strings.SplitAfter(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(b)), "\n")
	for i := 0; i < len(lines); i++ {
		first, logical := i+1, lines[i]
		if t := strings.TrimLeft(logical, " \t\f"); t == "" || t[0] == '#' || t[0] == '!' {
			continue
		}
		for continued(logical) {
			// Joined here: the library leaves the line's end in a name that goes on below, and
			// wants a line after the last backslash.
			logical = strings.TrimSuffix(strings.TrimSuffix(logical, "\n"), `\`)
			if i+1 < len(lines) {
				i++
				logical += strings.TrimLeft(lines[i], " \t\f")
			}
		}
		p, err := loader.LoadBytes([]byte(logical))
		if err != nil {
			return fmt.Errorf("line %d: %w", first, err)
		}
		for _, k := range p.Keys() {
			value, _ := p.Get(k)
			into[k] = value
			c.found = append(c.found, setting{k, value, Source{Line: first}})
		}
	}
	return nil
}

// continued reports whether the line goes on below: it ends in an odd number of backslashes.
func continued(line string) bool {
	line = strings.TrimSuffix(line, "\n")
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// located gives what was found, with the path put in. Of a name given twice the last one counts, as
// in Java, and the user hears of it.
func (c *javaProperties) located(path string) ([]setting, []Warning) {
	var warnings []Warning
	lines := map[string]int{}
	for i := range c.found {
		s := &c.found[i]
		s.source = Source{Origin: FromFile, Where: path, Line: s.source.Line}
		if before, ok := lines[s.name]; ok {
			warnings = append(warnings, Warning{Advice, s.source, s.name,
				fmt.Sprintf("given before in line %d; this one counts", before)})
		}
		lines[s.name] = s.source.Line
	}
	return c.found, warnings
}

// flatten turns nested tables into names with dots, sorted.
func flatten(prefix string, m map[string]any) ([]setting, error) {
	var out []setting
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		name := prefix + k
		if nested, ok := m[k].(map[string]any); ok {
			inner, err := flatten(name+".", nested)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
			continue
		}
		value, ok, err := scalar(m[k])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if ok {
			out = append(out, setting{name: name, value: value})
		}
	}
	for i := 1; i < len(out); i++ {
		for j := range i {
			if out[i].name == out[j].name {
				return nil, fmt.Errorf("%s is given twice, once nested and once with dots", out[i].name)
			}
		}
	}
	return out, nil
}

// scalar gives a value of YAML or TOML as the text that a properties file would have; ok is false
// for null, which is as if the name were not there.
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
		return "", false, fmt.Errorf("a %T is no value; write it as text in quotes", v)
	}
}

// locate finds the lines of the settings in a YAML or TOML file: the one line that begins with the
// name, or with its last parts. Where there is none or more than one the line stays unknown.
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
