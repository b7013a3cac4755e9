package jopt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is what is wrong with a command line. Class is the exception that the parser of Kafka's scripts throws.
type Error struct{ Class, Message string }

// Error is the exception's message.
func (e *Error) Error() string { return e.Message }

func fail(class, format string, args ...any) *Error {
	return &Error{"joptsimple." + class, fmt.Sprintf(format, args...)}
}

// RefusedError is an option that klamm does not serve.
type RefusedError struct{ Option, Why string }

// Error names the option.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("klamm does not serve the option --%s: %s", e.Option, e.Why)
}

// Set is a command line that was read.
type Set struct {
	values map[*Option][]string
	order  []*Option // as they stand on the command line, each time that they do
}

// Parse reads a command line.
func (p *Parser) Parse(args []string) (*Set, error) {
	s := &Set{values: map[*Option][]string{}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			args = nil // what follows belongs to no option
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			o := p.find(name)
			if o == nil {
				return nil, fail("UnrecognizedOptionException", "%s is not a recognized option", name)
			}
			args, err = s.take(o, value, has, args)
		case strings.HasPrefix(arg, "-") && arg != "-":
			args, err = p.short(s, arg[1:], args)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, o := range s.order {
		if o.refusal != "" {
			return nil, &RefusedError{o.Name, o.refusal}
		}
	}
	return s, p.check(s)
}

// short reads an option behind one hyphen: a whole name, or several names of one letter.
func (p *Parser) short(s *Set, arg string, args []string) ([]string, error) {
	name, value, has := strings.Cut(arg, "=")
	if o := p.find(name); o != nil {
		return s.take(o, value, has, args)
	}
	for i, letter := range arg {
		o := p.find(string(letter))
		if o == nil {
			return nil, fail("UnrecognizedOptionException", "%c is not a recognized option", letter)
		}
		if o.takes != nothing {
			rest := arg[i+len(string(letter)):]
			return s.take(o, rest, rest != "", args)
		}
		s.add(o)
	}
	return args, nil
}

// take gives an option its value, which may be the next argument.
func (s *Set) take(o *Option, value string, has bool, args []string) ([]string, error) {
	switch {
	case o.takes == nothing:
		s.add(o)
		return args, nil
	case has && value != "":
		s.add(o, o.parts(value)...)
		return args, nil
	case o.takes == always:
		if len(args) == 0 {
			return nil, fail("OptionMissingRequiredArgumentException", "Option %s requires an argument", o.Name)
		}
		s.add(o, o.parts(args[0])...)
		return args[1:], nil
	case len(args) > 0 && (args[0] == "-" || !strings.HasPrefix(args[0], "-")):
		s.add(o, o.parts(args[0])...)
		return args[1:], nil
	}
	s.add(o)
	return args, nil
}

// parts are the values that stand in one argument.
func (o *Option) parts(value string) []string {
	if o.split == "" {
		return []string{value}
	}
	parts := slices.DeleteFunc(strings.Split(value, o.split), func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return []string{value}
	}
	return parts
}

func (s *Set) add(o *Option, values ...string) {
	s.order = append(s.order, o)
	s.values[o] = append(s.values[o], values...)
}

// check looks for options that are missing and options that may not be there.
func (p *Parser) check(s *Set) error {
	help := slices.ContainsFunc(s.order, func(o *Option) bool { return o.forHelp })
	var missing, forbidden []string
	for _, o := range p.options {
		if o.required && !s.Has(o) && !help && !slices.ContainsFunc(o.unless, func(name string) bool { return s.Has(p.find(name)) }) {
			missing = append(missing, o.Name)
		}
		if s.Has(o) && len(o.only) > 0 && !help && !slices.ContainsFunc(o.only, s.Has) {
			forbidden = append(forbidden, o.Name)
		}
	}
	if len(missing) > 0 {
		return fail("MissingRequiredOptionsException", "Missing required option(s) [%s]", strings.Join(missing, ", "))
	}
	if len(forbidden) > 0 {
		return fail("UnavailableOptionException", "Option(s) [%s] are unavailable given other options on the command line", strings.Join(forbidden, ", "))
	}
	return nil
}

// Has says whether an option is there.
func (s *Set) Has(o *Option) bool { _, has := s.values[o]; return has }

// Order gives the options as they stand on the command line.
func (s *Set) Order() []*Option { return s.order }

// Values gives all values of an option.
func (s *Set) Values(o *Option) []string {
	if values := s.values[o]; len(values) > 0 || !o.hasDef {
		return values
	}
	return []string{o.Default}
}

// Value gives the value of an option, "" if it has none.
func (s *Set) Value(o *Option) (string, error) {
	values := s.Values(o)
	if len(values) > 1 {
		return "", fail("MultipleArgumentsForOptionException", "Found multiple arguments for option %s, but you asked for only one", o.Name)
	}
	if len(values) == 0 {
		return "", nil
	}
	if _, err := o.number(values[0]); err != nil {
		return "", err
	}
	return values[0], nil
}

// Number gives the value of an option of a kind that is a number, 0 if it has none.
func (s *Set) Number(o *Option) (int64, error) {
	text, err := s.Value(o)
	if err != nil || text == "" {
		return 0, err
	}
	return o.number(text)
}

// number reads a value of an option of a kind that is a number.
func (o *Option) number(text string) (int64, error) {
	if o.kind == Text {
		return 0, nil
	}
	bits := 64
	if o.kind == Int {
		bits = 32
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0, fail("OptionArgumentConversionException", "Cannot parse argument '%s' of option %s", text, o.Name)
	}
	return n, nil
}
