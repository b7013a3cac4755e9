package jopt

import (
	"slices"
	"strings"

	"klamm/cmd/scripts/javalib"
)

// Kind says what values an option takes.
type Kind int

// The kinds of values.
const (
	Text Kind = iota
	Int       // java.lang.Integer
	Long      // java.lang.Long
)

// Option is one option of a script. Its methods change it, while the parser is built, and give it back.
type Option struct {
	Name     string
	Help     string
	ArgName  string // what the help calls the value
	Default  string
	takes    takes
	kind     Kind
	hasDef   bool
	split    string
	required bool // unless one of unless is there
	unless   []string
	only     []*Option // one of these has to be there
	refusal  string
	forHelp  bool
}

type takes int

const (
	nothing takes = iota
	maybe
	always
)

// String is how errors name an option.
func (o *Option) String() string { return "[" + o.Name + "]" }

// Hash is AbstractOptionSpec.hashCode, after which a JVM orders options.
func (o *Option) Hash() int32 { return 31 + javalib.StringHash(o.Name) }

// Needs says that the option has a value, and what the help calls it.
func (o *Option) Needs(name string) *Option { o.takes, o.ArgName = always, name; return o }

// May says that the option may have a value.
func (o *Option) May(name string) *Option { o.takes, o.ArgName = maybe, name; return o }

// Of says what the option's values are.
func (o *Option) Of(kind Kind) *Option { o.kind = kind; return o }

// Or gives the value of an option that is not there.
func (o *Option) Or(value string) *Option { o.Default, o.hasDef = value, true; return o }

// SplitBy says that one value holds several, and what stands between them.
func (o *Option) SplitBy(separator string) *Option { o.split = separator; return o }

// OnlyWith says that the option needs one of these.
func (o *Option) OnlyWith(one ...*Option) *Option { o.only = one; return o }

// Required says that the option has to be there.
func (o *Option) Required() *Option { o.required = true; return o }

// RequiredUnless says that the option has to be there, or one of these.
func (o *Option) RequiredUnless(names ...string) *Option {
	o.required, o.unless = true, names
	return o
}

// Refused says that klamm does not serve the option, and why.
func (o *Option) Refused(why string) *Option { o.refusal = why; return o }

// Refusal says why klamm does not serve the option; "" if it does.
func (o *Option) Refusal() string { return o.refusal }

// Usage is the option as a help shows it.
func (o *Option) Usage() string {
	name := o.ArgName
	if name == "" {
		name = "value"
	}
	switch o.takes {
	case always:
		return "--" + o.Name + " <" + name + ">"
	case maybe:
		return "--" + o.Name + " [" + name + "]"
	}
	return "--" + o.Name
}

// Parser knows the options of a script.
type Parser struct {
	Help, Version *Option
	options       []*Option
}

// New makes a parser with the two options that every script has.
func New() *Parser {
	p := new(Parser)
	p.Help = p.Accepts("help", "Print this text and end.")
	p.Version = p.Accepts("version", "Print the release of Apache Kafka whose scripts these are like, and end.")
	p.Help.forHelp, p.Version.forHelp = true, true
	return p
}

// Bare makes a parser without options.
func Bare() *Parser { return new(Parser) }

// Accepts adds an option.
func (p *Parser) Accepts(name, help string) *Option {
	o := &Option{Name: name, Help: help}
	p.options = append(p.options, o)
	return o
}

// Options gives the options in the order of their names.
func (p *Parser) Options() []*Option {
	return slices.SortedFunc(slices.Values(p.options), func(a, b *Option) int { return strings.Compare(a.Name, b.Name) })
}

func (p *Parser) find(name string) *Option {
	for _, o := range p.options {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Usage is the help of all options that klamm serves.
func (p *Parser) Usage() string {
	const wide = 42
	var text strings.Builder
	text.WriteString("Option" + strings.Repeat(" ", wide-len("Option")) + "Description\n")
	text.WriteString("------" + strings.Repeat(" ", wide-len("------")) + "-----------\n")
	for _, o := range p.Options() {
		if o.refusal != "" {
			continue
		}
		help := o.Help
		if o.hasDef {
			help += " (default: " + o.Default + ")"
		}
		usage := o.Usage()
		lines := wrap(help, 78)
		if len(usage) >= wide {
			text.WriteString(usage + "\n")
			usage = ""
		}
		for _, line := range lines {
			text.WriteString(usage + strings.Repeat(" ", wide-len(usage)) + line + "\n")
			usage = ""
		}
	}
	return text.String()
}

// wrap breaks a text into lines.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
