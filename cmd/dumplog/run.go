package dumplog

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"klamm/cmd/scripts/javalib"
)

// The defaults of Options.
const (
	DefaultMaxMessageSize = 5 * 1024 * 1024
	NoMaxBytes            = math.MaxInt32
)

// Options say what to print.
type Options struct {
	Files []string
	// Print prints keys and values, and Deep, which Print implies, a line for each record.
	Print, Deep bool
	// SkipMetadata leaves out what a record has besides key and value.
	SkipMetadata bool
	// VerifyOnly compares indexes with the log and prints no entry. SanityOnly makes the check that a start makes.
	VerifyOnly, SanityOnly bool
	// MaxMessageSize bounds how far behind an index's position the batch may end. MaxBytes bounds how much of a log is read.
	MaxMessageSize, MaxBytes int32
	// Parse gives the texts of a record's key and value. See Decoders, Offsets and Transactions. Said is printed for each log before anything else,
	// as what Decoders says.
	Parse Parser
	Said  string
}

// Parser gives the texts of a record's key and value; nil prints none.
type Parser func(r *Record) (key, value *string, err error)

// dump is one run.
type dump struct {
	o    Options
	out  *bufio.Writer
	errs io.Writer

	indexMismatches []*pairs
	gaps            []*pairs
	timeErrors      timeErrors
}

// pairs are pairs of numbers that were found in a file.
type pairs struct {
	file string
	all  [][2]int64
}

// note adds a pair to those of a file. first puts it in front of the others, as a list of Scala's does.
func note(list []*pairs, file string, first bool, a, b int64) []*pairs {
	file = absolute(file)
	for _, p := range list {
		if p.file == file {
			if first {
				p.all = append([][2]int64{{a, b}}, p.all...)
			} else {
				p.all = append(p.all, [2]int64{a, b})
			}
			return list
		}
	}
	return append(list, &pairs{file, [][2]int64{{a, b}}})
}

// mapOrder gives what was found in the order of scala.collection.mutable.HashMap, whose keys are the files.
func mapOrder(list []*pairs) []*pairs {
	table := 16
	for n := range list {
		if (n+1)*4 >= table*3 {
			table *= 2
		}
	}
	hash := func(p *pairs) int32 {
		h := javalib.StringHash(p.file)
		return h ^ int32(uint32(h)>>16)
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *pairs) int {
		return cmp.Or(cmp.Compare(int(hash(a))&(table-1), int(hash(b))&(table-1)), cmp.Compare(hash(a), hash(b)))
	})
	return sorted
}

// Run prints what stands in files. What is wrong with them goes to errs. The error is a *javalib.Exception for what ends
// DumpLogSegments; out has what was printed until then.
func Run(o Options, out, errs io.Writer) error {
	d := &dump{o: o, out: bufio.NewWriter(out), errs: errs}
	for _, file := range o.Files {
		if err := d.file(javaPath(file)); err != nil {
			_ = d.out.Flush()
			return err
		}
	}
	if err := d.out.Flush(); err != nil {
		return err
	}
	d.report()
	return nil
}

// file prints one file.
func (d *dump) file(file string) error {
	d.printf("Dumping %s\n", file)
	name := filepath.Base(file)
	if file == "" {
		name = ""
	}
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return &javalib.Exception{Class: "java.lang.StringIndexOutOfBoundsException", Message: fmt.Sprintf("begin -1, end %d, length %[1]d", len(name))}
	}
	switch name[at:] {
	case ".log":
		d.printf("%s", d.o.Said)
		return d.log(file)
	case ".index":
		return d.index(file)
	case ".timeindex":
		return d.timeIndex(file)
	case ".snapshot":
		return d.producers(file)
	case ".txnindex":
		return d.aborted(file)
	}
	d.errorf("Ignoring unknown file %s\n", file)
	return nil
}

// report prints what was found wrong.
func (d *dump) report() {
	for _, p := range mapOrder(d.indexMismatches) {
		d.errorf("Mismatches in :%s\n", p.file)
		for _, pair := range p.all {
			d.errorf("  Index offset: %d, log offset: %d\n", pair[0], pair[1])
		}
	}
	d.timeErrors.report(d)
	for _, p := range mapOrder(d.gaps) {
		d.errorf("Non-consecutive offsets in %s\n", p.file)
		for _, pair := range p.all {
			d.errorf("  %d is followed by %d\n", pair[0], pair[1])
		}
	}
}

func (d *dump) printf(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// errorf writes to errs, behind what was printed before.
func (d *dump) errorf(format string, args ...any) {
	_ = d.out.Flush() // Run hears of it
	fmt.Fprintf(d.errs, format, args...)
}

// javaPath is how java.io.File shows a path: without slashes that separate nothing.
func javaPath(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// absolute is File.getAbsolutePath, which cleans nothing.
func absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	return dir + "/" + path
}

// startOffset reads the offset that a file is named after.
func startOffset(file string) (int64, error) {
	name, _, _ := strings.Cut(filepath.Base(file), ".")
	n, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return 0, &javalib.Exception{Class: "java.lang.NumberFormatException", Message: fmt.Sprintf("For input string: %q", name)}
	}
	return n, nil
}

// sibling is the file of the same segment with another ending.
func sibling(file, suffix string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".")
	return filepath.Join(filepath.Dir(absolute(file)), name+suffix)
}

// read reads a file whole. A missing one is an exception.
func read(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	switch {
	case os.IsNotExist(err):
		return nil, &javalib.Exception{Class: "java.nio.file.NoSuchFileException", Message: file}
	case err != nil:
		return nil, &javalib.Exception{Class: "java.nio.file.FileSystemException", Message: err.Error()}
	}
	return b, nil
}
