package scripts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// release is what --version says: the release whose scripts these are like.
const release = "3.9.2"

// Streams are what a script reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// call is one run of a script.
type call struct {
	script   *Script
	args     []string
	in       io.Reader
	out      *bufio.Writer
	errs     io.Writer
	terminal io.Writer // standard output itself
}

// Run runs a script to its end and gives its exit code.
func (s *Script) Run(ctx context.Context, args []string, std Streams) int {
	c := &call{script: s, args: args, in: std.In, out: bufio.NewWriter(std.Out), terminal: std.Out}
	c.errs = flushing{std.Err, c.out}
	err := s.run(ctx, c)
	code := 0
	if err != nil {
		code = c.fail(err)
	}
	if c.out.Flush() != nil && code == 0 {
		code = 1
	}
	return code
}

// flushing writes to standard error what a script says, behind what it wrote to standard output before.
type flushing struct {
	w   io.Writer
	out *bufio.Writer
}

func (f flushing) Write(b []byte) (int, error) {
	_ = f.out.Flush() // Run hears of it
	return f.w.Write(b)
}

// exit ends a script with a code. Its text goes to standard error.
type exit struct {
	code int
	text string
}

func (e *exit) Error() string { return e.text }

// usage ends a script whose command line makes no sense, and prints its options.
func usage(p *jopt.Parser, format string, args ...any) error {
	return &exit{1, fmt.Sprintf(format, args...) + "\n" + p.Usage()}
}

// fail says what ended a script. What a script of Kafka's does not catch, a JVM prints with its class.
func (c *call) fail(err error) int {
	var stop *exit
	if errors.As(err, &stop) {
		if stop.text != "" {
			fmt.Fprintln(c.errs, stop.text)
		}
		return stop.code
	}
	fmt.Fprintf(c.errs, "Exception in thread \"main\" %s\n", described(err))
	return 1
}

// described is an error with the class that it has in a JVM, if it has one.
func described(err error) string {
	var thrown *javalib.Exception
	var misread *jopt.Error
	switch {
	case errors.As(err, &thrown):
		return thrown.String()
	case errors.As(err, &misread):
		return misread.Class + ": " + misread.Message
	}
	return err.Error()
}

// parse reads the command line and answers --help, --version and no arguments at all.
func (c *call) parse(p *jopt.Parser, about string) (*jopt.Set, error) {
	opts, err := p.Parse(c.args)
	if refused := new(jopt.RefusedError); errors.As(err, &refused) {
		return nil, &exit{1, c.script.Name + ": " + refused.Error()}
	}
	if err != nil {
		return nil, err
	}
	return opts, c.helpOrVersion(p, opts, about)
}

// helpOrVersion answers --help, --version and no arguments at all.
func (c *call) helpOrVersion(p *jopt.Parser, opts *jopt.Set, about string) error {
	if len(c.args) == 0 || opts.Has(p.Help) {
		return usage(p, "%s", about)
	}
	if opts.Has(p.Version) {
		fmt.Fprintln(c.out, release)
		return &exit{0, ""}
	}
	return nil
}

// println writes a line to standard output.
func (c *call) println(args ...any) { fmt.Fprintln(c.out, args...) }

// printf writes to standard output.
func (c *call) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// requireOptions ends a script that lacks an option.
func requireOptions(p *jopt.Parser, opts *jopt.Set, needed ...*jopt.Option) error {
	for _, o := range needed {
		if !opts.Has(o) {
			return usage(p, "Missing required argument \"%s\"", o)
		}
	}
	return nil
}

// excludeOptions ends a script that has an option together with one that it excludes.
func excludeOptions(p *jopt.Parser, opts *jopt.Set, used *jopt.Option, excluded ...*jopt.Option) error {
	if !opts.Has(used) {
		return nil
	}
	for _, o := range excluded {
		if o != used && opts.Has(o) {
			return usage(p, "Option \"%s\" can't be used with option \"%s\"", used, o)
		}
	}
	return nil
}

// readFile reads a file that an option names, with the error of a JVM.
func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &javalib.Exception{Class: "java.io.IOException", Message: "Unable to read file " + path}
	}
	return string(text), nil
}
