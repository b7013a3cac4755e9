package config

import (
	"fmt"
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

// String gives the source as an error message names it.
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
		return "klamm's own default"
	}
}

// LoadError is a setting that cannot be started with. Its text is one line: where, which
// property, what is wrong and what is allowed.
type LoadError struct {
	Source Source
	Name   string // "" when it is about the source as a whole
	Reason string
}

// Error gives the line.
func (e *LoadError) Error() string {
	if e.Name == "" || strings.Contains(e.Reason, e.Name) {
		return e.Source.String() + ": " + e.Reason
	}
	return e.Source.String() + ": " + e.Name + ": " + e.Reason
}

// WarningKind sorts warnings.
type WarningKind int8

const (
	// UnknownName is a name that Apache Kafka 3.9 does not have. The setting has no effect.
	UnknownName WarningKind = iota
	// NotServed is a property of Apache Kafka that klamm does not act on yet.
	NotServed
	// Advice is everything else.
	Advice
)

// Warning is a setting that is accepted and about which the user should hear.
type Warning struct {
	Kind   WarningKind
	Source Source
	Name   string
	Text   string
}

// String gives the warning as one line.
func (w Warning) String() string { return w.Source.String() + ": " + w.Name + ": " + w.Text }

// Lines gives warnings as lines for a person: those about properties that are not served yet are
// gathered into one line for each place.
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
