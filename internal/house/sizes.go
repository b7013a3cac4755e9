package house

import (
	"fmt"
	"go/ast"
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

// sizes: files stay under 800 lines, and 95 of 100 functions under 60. Tests
// are held to the first alone: their tables are long and plain.
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
