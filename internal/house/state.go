package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// sharedBy is what the comment of a variable says that two brokers in one process may share.
const sharedBy = "Brokers of one process share it"

// stateful are the packages whose types are made to be changed.
var stateful = []string{"sync", "sync/atomic"}

// processState: limits and pools belong to a broker, since two may live in one process. A
// variable of a package is not changed after it was made, and is of no type that is made to
// be changed, unless its comment says that brokers may share it, and why.
func processState(files []*file) (found []string) {
	byDir := map[string][]*file{}
	for _, f := range files {
		switch outer(f.dir()) {
		case "cmd", "compat-tests", "bench", "internal":
			continue // a process of their own
		}
		if !f.test() {
			byDir[f.dir()] = append(byDir[f.dir()], f)
		}
	}
	for _, in := range byDir {
		changed := changedNames(in)
		for _, f := range in {
			f.variables(func(spec *ast.ValueSpec, doc string) {
				for _, name := range spec.Names {
					if name.Name == "_" {
						continue
					}
					if why := f.mutable(spec); (why != "" || changed[name.Name]) && !strings.Contains(doc, sharedBy) {
						if why == "" {
							why = "it is changed"
						}
						found = append(found, fmt.Sprintf("%s: %s is state of the process (%s); make it a field of what a broker is made of, or say in its comment: %q ...",
							f.at(name), name.Name, why, sharedBy))
					}
				}
			})
		}
	}
	slices.Sort(found)
	return found
}

// variables visits the variables of the package that a file declares, with their comments
// in one line.
func (f *file) variables(visit func(spec *ast.ValueSpec, doc string)) {
	for _, d := range f.ast.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.ValueSpec)
			text := decl.Doc.Text() + " " + spec.Doc.Text() + " " + spec.Comment.Text()
			visit(spec, strings.Join(strings.Fields(text), " "))
		}
	}
}

// mutable says what in a variable's type or value is made to be changed, "" for nothing.
func (f *file) mutable(spec *ast.ValueSpec) (why string) {
	names := f.imports()
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.FuncType:
			return false
		case *ast.ChanType:
			why = "a channel"
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok && slices.Contains(stateful, names[id.Name]) && !strings.HasPrefix(n.Sel.Name, "Once") {
				why = id.Name + "." + n.Sel.Name
			}
		}
		return true
	}
	if spec.Type != nil {
		ast.Inspect(spec.Type, look)
	}
	for _, v := range spec.Values {
		ast.Inspect(v, look)
	}
	return why
}

// changedNames are the variables of a package that its functions assign to, but for those
// that run when the package is made (init).
func changedNames(files []*file) map[string]bool {
	declared, specs := map[string]bool{}, map[any]bool{}
	for _, f := range files {
		f.variables(func(spec *ast.ValueSpec, _ string) {
			specs[spec] = true
			for _, name := range spec.Names {
				declared[name.Name] = true
			}
		})
	}
	changed := map[string]bool{}
	note := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
				continue
			case *ast.SelectorExpr:
				e = x.X
				continue
			case *ast.StarExpr:
				e = x.X
				continue
			case *ast.Ident:
				// A name without an object is declared in another file.
				if declared[x.Name] && (x.Obj == nil || specs[x.Obj.Decl]) {
					changed[x.Name] = true
				}
			}
			return
		}
	}
	for _, f := range files {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil || fn.Name.Name == "init" {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok != token.DEFINE {
						for _, e := range n.Lhs {
							note(e)
						}
					}
				case *ast.IncDecStmt:
					note(n.X)
				}
				return true
			})
		}
	}
	return changed
}
