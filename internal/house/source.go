package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// file is one Go source file of the module.
type file struct {
	path  string // from the module's root, with slashes
	text  string
	fset  *token.FileSet
	ast   *ast.File
	lines int
}

// dir is the package's directory from the module's root.
func (f *file) dir() string { return path.Dir(f.path) }

// test says whether the file is part of tests alone.
func (f *file) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// generated says whether a program wrote the file.
func (f *file) generated() bool { return ast.IsGenerated(f.ast) }

// at is the place of a node, for a message.
func (f *file) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(n.Pos()).Line)
}

// parse reads one source.
func parse(name, text string) (*file, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &file{path: name, text: text, fset: fset, ast: tree, lines: strings.Count(text, "\n")}, nil
}

// sources reads every Go file of the module; testdata and what is ignored by
// Go's own patterns is left out.
func sources(root fs.FS) ([]*file, error) {
	var files []*file
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (base == "testdata" || base == "build" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parse(name, string(text))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// calls visits every call through a package's name, as in os.Open(...): the
// import's path and the function's name. References without a call count as
// calls only where refs is set.
func (f *file) calls(refs bool, visit func(n ast.Node, pkg, name string)) {
	names := f.imports()
	selector := func(e ast.Expr) {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Obj == nil && names[id.Name] != "" {
			visit(sel, names[id.Name], sel.Sel.Name)
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if !refs {
				selector(n.Fun)
			}
		case *ast.SelectorExpr:
			if refs {
				selector(n)
			}
		}
		return true
	})
}

// imports are the import paths by the name that the file has for them.
func (f *file) imports() map[string]string {
	names := map[string]string{}
	for _, spec := range f.ast.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}
