package house

import (
	"fmt"
	"go/ast"
	"sort"
	"strings"
)

// Sizes that a reader takes in. One invariant may need more; then the file or
// function says so in a comment with the words "one invariant".
const (
	maxFileLines     = 800
	maxFunctionLines = 60
	longFunctions    = 5 // of a hundred
	excuse           = "one invariant"
)

// Sizes of a package that a reader takes in, its tests counted. One that is larger
// says why in its doc, in a sentence that begins with "It is large because".
const (
	maxPackageFiles = 40
	maxPackageLines = 6000
	largeBecause    = "It is large because"
)

// packageSizes finds packages with more than 40 files or 6,000 lines and no reason for
// it.
func packageSizes(files []*file) (found []string) {
	type size struct {
		files, lines int
		excused      bool
	}
	sizes := map[string]*size{}
	for _, f := range files {
		s := sizes[f.dir()]
		if s == nil {
			s = new(size)
			sizes[f.dir()] = s
		}
		doc := strings.Join(strings.Fields(f.ast.Doc.Text()), " ")
		s.excused = s.excused || strings.Contains(doc, largeBecause)
		if !f.generated() {
			s.files, s.lines = s.files+1, s.lines+f.lines
		}
	}
	for dir, s := range sizes {
		if (s.files > maxPackageFiles || s.lines > maxPackageLines) && !s.excused {
			found = append(found, fmt.Sprintf("%s: %d files with %d lines, want at most %d and %d; give a part of it a room of its own, or say in its doc why not: %q",
				dir, s.files, s.lines, maxPackageFiles, maxPackageLines, largeBecause+" ..."))
		}
	}
	sort.Strings(found)
	return found
}

// sizes finds files of more than 800 lines, and says when more than 5 of 100 functions
// have more than 60. Functions of tests do not count: their tables are long and plain.
func sizes(files []*file) (found []string) {
	var long []string
	functions := 0
	for _, f := range files {
		if f.generated() {
			continue
		}
		if f.lines > maxFileLines && !strings.Contains(f.text, excuse) {
			found = append(found, fmt.Sprintf("%s: %d lines, want at most %d; split it where the outside world has an index (APIs, file types, znodes), or say in a comment which %s needs it whole",
				f.path, f.lines, maxFileLines, excuse))
		}
		if f.test() {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			functions++
			lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			if lines > maxFunctionLines && (fn.Doc == nil || !strings.Contains(fn.Doc.Text(), excuse)) {
				long = append(long, fmt.Sprintf("%s: %s has %d lines", f.at(fn), fn.Name.Name, lines))
			}
		}
	}
	if len(long)*100 > functions*longFunctions {
		found = append(found, fmt.Sprintf("%d of %d functions have more than %d lines, want at most %d of 100; split some of:\n\t%s",
			len(long), functions, maxFunctionLines, longFunctions, strings.Join(long, "\n\t")))
	}
	return found
}
