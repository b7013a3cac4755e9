package house

import (
	"fmt"
	"go/ast"
	"slices"
)

// logCalls are the methods of a slog.Logger, and the functions of slog, that take attributes, with the place of the first one.
var logCalls = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0, "Log": 3,
	"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Any": 0}

// durations: no attribute of a log line is a time.Duration. slog prints it with a unit of its own choice, so that
// 30 ms, divided by time.Millisecond for an attribute called ms, read ms=30ns.
func durations(files []*file) (found []string) {
	declared := map[string]map[string]bool{} // by directory: what is a Duration by its declaration
	for _, f := range files {
		if declared[f.dir()] == nil {
			declared[f.dir()] = map[string]bool{}
		}
		f.declaredDurations(declared[f.dir()])
	}
	for _, f := range files {
		if f.test() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && sel.Sel.Name == "Duration" && f.imports()[id.Name] == "log/slog" {
				found = append(found, f.at(call)+": slog.Duration prints a unit of its own choice; log slog.Int64(\"..._ms\", d.Milliseconds())")
				return true
			}
			from, logs := logCalls[sel.Sel.Name]
			if !logs {
				return true
			}
			for _, arg := range call.Args[min(from, len(call.Args)):] {
				if f.isDuration(arg, declared[f.dir()]) {
					found = append(found, fmt.Sprintf("%s: a time.Duration as an attribute prints a unit of its own choice; log d.Milliseconds() under a name that ends in ms", f.at(arg)))
				}
			}
			return true
		})
	}
	return found
}

// declaredDurations collects the names of variables, constants, parameters and fields whose declared type is time.Duration.
func (f *file) declaredDurations(into map[string]bool) {
	add := func(names []*ast.Ident, typ ast.Expr) {
		if typ == nil || !f.isTime(typ, "Duration") {
			return
		}
		for _, n := range names {
			into[n.Name] = true
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			add(n.Names, n.Type)
		case *ast.ValueSpec:
			add(n.Names, n.Type)
		}
		return true
	})
}

// isDuration says whether an expression is a time.Duration, as far as its text and the declarations of its package tell.
func (f *file) isDuration(e ast.Expr, declared map[string]bool) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return f.isDuration(e.X, declared)
	case *ast.BinaryExpr: // also a division: Duration / Duration is a Duration in Go
		return f.isDuration(e.X, declared) || f.isDuration(e.Y, declared)
	case *ast.Ident:
		return declared[e.Name] || f.assignedDuration(e, declared)
	case *ast.SelectorExpr:
		return declared[e.Sel.Name] || slices.ContainsFunc([]string{"Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"},
			func(unit string) bool { return f.isTime(e, unit) })
	case *ast.CallExpr:
		if f.isTime(e.Fun, "Duration") || f.isTime(e.Fun, "Since") || f.isTime(e.Fun, "Until") {
			return true
		}
		sel, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		name := sel.Sel.Name
		return name == "Sub" || (name == "Round" || name == "Truncate" || name == "Abs") && f.isDuration(sel.X, declared)
	}
	return false
}

// assignedDuration says whether a name was made in this file by assigning a Duration to it.
func (f *file) assignedDuration(id *ast.Ident, declared map[string]bool) bool {
	if id.Obj == nil {
		return false
	}
	made, ok := id.Obj.Decl.(*ast.AssignStmt)
	if !ok || len(made.Lhs) != len(made.Rhs) {
		return false
	}
	for i, left := range made.Lhs {
		if l, ok := left.(*ast.Ident); ok && l.Obj == id.Obj && l.Pos() != id.Pos() {
			return f.isDuration(made.Rhs[i], declared)
		}
	}
	return false
}

// isTime says whether an expression names something of package time.
func (f *file) isTime(e ast.Expr, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Obj == nil && f.imports()[id.Name] == "time"
}
