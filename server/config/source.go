package config

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Origin is the kind of place that a setting comes from, the weakest first.
type Origin int8

const (
	// FromKlamm is what klamm itself sets when no file is given.
	FromKlamm Origin = iota
	// FromFile is the configuration file.
	FromFile
	// FromEnv is an environment variable.
	FromEnv
	// FromSet is name=value on the command line.
	FromSet
)

// Source says where a setting was given.
type Source struct {
	Origin Origin
	// Where is the file's path, the variable's name or the argument.
	Where string
	// Line counts from 1 in a file; 0 where it is not known.
	Line int
}

// String gives the source as an error message names it. It is "" for a setting that nobody gave.
func (s Source) String() string {
	switch s.Origin {
	case FromFile:
		if s.Line > 0 {
			return fmt.Sprintf("%s:%d", s.Where, s.Line)
		}
		return s.Where
	case FromEnv:
		return "environment variable " + s.Where
	case FromSet:
		return "--set " + s.Where
	default:
		return s.Where
	}
}

// message makes one line: where the setting was given, which property it is, and the text. It does not name the
// property twice if the source or the text names it.
func message(s Source, name, text string) string {
	if rest, ok := strings.CutPrefix(text, name+":"); ok && name != "" {
		text = strings.TrimSpace(rest)
	} else if rest, ok := strings.CutPrefix(text, name+" "); ok && name != "" {
		text = rest
	}
	line := text
	if name != "" && name != s.Where {
		line = name + ": " + line
	}
	if where := s.String(); where != "" {
		line = where + ": " + line
	}
	return line
}

// LoadError is a setting that the broker cannot start with.
type LoadError struct {
	Source Source
	Name   string // "" if the error is about the source as a whole
	Reason string
}

// Error gives one line: where, which property, what is wrong and what is allowed.
func (e *LoadError) Error() string { return message(e.Source, e.Name, e.Reason) }

// LoadErrors are all the settings that the broker cannot start with, the weakest source first.
type LoadErrors []*LoadError

// Error gives one line for each.
func (es LoadErrors) Error() string {
	var lines []string
	for _, e := range es {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// sorted gives the errors in the order of their sources, lines and names.
func (es LoadErrors) sorted() LoadErrors {
	slices.SortStableFunc(es, func(a, b *LoadError) int {
		return cmp.Or(cmp.Compare(a.Source.Origin, b.Source.Origin), cmp.Compare(a.Source.Line, b.Source.Line), cmp.Compare(a.Name, b.Name))
	})
	return es
}

// WarningKind says what a warning is about.
type WarningKind int8

const (
	// UnknownName is a name that Apache Kafka 3.9 does not have. The setting has no effect.
	UnknownName WarningKind = iota
	// NotServed is a property of Apache Kafka that klamm does not act on yet.
	NotServed
	// Advice is everything else.
	Advice
)

// Warning tells the user something about a setting that Load accepts.
type Warning struct {
	Kind   WarningKind
	Source Source
	Name   string
	Text   string
	// Idle says, of a property of Apache Kafka that klamm does not serve, why that changes nothing. It is "" where Apache Kafka does
	// something with this setting that klamm does not do.
	Idle string
}

// String gives the warning as one line.
func (w Warning) String() string { return message(w.Source, w.Name, w.Text) }

// Lines gives warnings as lines for a person. It puts all properties of one place that klamm does not serve yet
// into one line.
func Lines(ws []Warning) []string {
	var lines []string
	gathered := map[string][]string{}
	for _, w := range ws {
		if w.Kind != NotServed || w.Text != notServedText {
			lines = append(lines, w.String())
			continue
		}
		place := w.Source
		place.Line = 0
		if place.Origin != FromFile {
			place.Where = ""
		}
		key := strings.TrimSpace(place.String())
		gathered[key] = append(gathered[key], w.Name)
	}
	var places []string
	for p := range gathered {
		places = append(places, p)
	}
	sort.Strings(places)
	for _, p := range places {
		lines = append(lines, p+": "+notServedText+": "+strings.Join(gathered[p], ", "))
	}
	return lines
}

const notServedText = "known, not served yet"
