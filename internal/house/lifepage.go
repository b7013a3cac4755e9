package house

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	goFile   = regexp.MustCompile(`^[a-z][a-z0-9_/-]*\.go$`)
	function = regexp.MustCompile(`^\(?\*?(?:([A-Za-z_]\w*)\)?\.)?([A-Za-z_]\w*)\(?\)?$`)
)

// names finds Go files that a page quotes and that do not exist, and names quoted after a
// file on the same line that this file does not declare.
func names(page, text string, files []*file) (found []string) {
	byPath := map[string]*file{}
	for _, f := range files {
		byPath[f.path] = f
	}
	line := 0
	for l := range strings.Lines(text) {
		line++
		var in *file
		for _, m := range quoted.FindAllStringSubmatch(l, -1) {
			name := m[1]
			if goFile.MatchString(name) {
				if in = byPath[name]; in == nil {
					found = append(found, fmt.Sprintf("%s:%d: there is no %s; name the file that does it now", page, line, name))
				}
				continue
			}
			if in == nil || !function.MatchString(name) {
				continue
			}
			parts := function.FindStringSubmatch(name)
			if !declares(in, parts[1], parts[2]) {
				found = append(found, fmt.Sprintf("%s:%d: %s declares no %s; name what does it now", page, line, in.path, name))
			}
		}
	}
	return found
}

// declares says whether a file declares a name. before is the receiver or the package
// that the page writes before the name, "" for none.
func declares(f *file, before, name string) bool {
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == name && (before == "" || before == f.ast.Name.Name || receiver(d) == before) {
				return true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.Name == name {
						return true
					}
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						if n.Name == name {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// receiver is the type that a method belongs to, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if generic, ok := t.(*ast.IndexExpr); ok {
		t = generic.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
