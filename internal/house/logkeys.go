package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// keysPage is the page with the table of keys, and keysTable how the table begins.
const (
	keysPage  = "docs/operations.md"
	keysTable = "| key | what it is |\n| --- | --- |\n"
)

// logKeys reads the keys of log lines from the page that lists them.
func logKeys(page string) (keys []string) {
	_, table, _ := strings.Cut(page, keysTable)
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") {
			break
		}
		first, _, _ := strings.Cut(line[2:], " | ")
		for _, name := range strings.Split(first, ", ") {
			keys = append(keys, strings.Trim(name, "` "))
		}
	}
	return keys
}

// loggerName is what loggers are called.
var loggerName = regexp.MustCompile(`(?i)(log|logger|lines|requests|limits|own|all)$`)

// lineCalls are the methods that write a line, with the places of the message and of the first attribute.
var lineCalls = map[string][2]int{"Debug": {0, 1}, "Info": {0, 1}, "Warn": {0, 1}, "Error": {0, 1}, "Log": {2, 3}, "Hit": {1, 2}, "With": {-1, 0}, "logTopic": {0, 2}, "log": {1, 2}}

// lines: messages of the log are constants, and each attribute has a key of the list, so that one search finds all lines about a partition,
// a group or a client. used, if not nil, gets the keys that lines have.
func lines(files []*file, keys []string, used map[string]bool) (found []string) {
	for _, f := range files {
		if f.test() || !slices.Contains([]string{"broker", "cluster", "cmd", "groupcoord", "logstore", "metrics", "observe", "server", "txncoord", "web"}, outer(f.dir())) {
			continue
		}
		key := func(at ast.Node, name string) {
			if used != nil {
				used[name] = true
			}
			if !slices.Contains(keys, name) {
				found = append(found, fmt.Sprintf("%s: the key %q of a log line is not in the table of %s; take one that is there, or add what it is", f.at(at), name, keysPage))
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if event, ok := n.(*ast.FuncDecl); ok && event.Name.Name == "Line" && f.dir() == "observe" {
				if eventLine(event, key) {
					found = append(found, f.at(event)+": the message of an event's line is not a constant; put what differs under a key")
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			at, message := f.logCall(call)
			if at < 0 {
				return true
			}
			if message >= 0 && !constant(call.Args[message]) {
				found = append(found, f.at(call)+": the message of a log line is not a constant; put what differs under a key")
			}
			attributes(call.Args[min(at, len(call.Args)):], key)
			return true
		})
		f.attributeLists(key)
	}
	return found
}

// logCall says where the attributes of a call that writes a line begin, -1 for another call, and where its message is, -1 for none.
func (f *file) logCall(call *ast.CallExpr) (at, message int) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return -1, -1
	}
	places, ok := lineCalls[sel.Sel.Name]
	own := sel.Sel.Name == "logTopic" || sel.Sel.Name == "log" // methods that write a line, of the controller
	if lastName(sel.X) == "clientLog" {
		places = [2]int{3, len(call.Args)} // the client stands before the message
	}
	if !ok || len(call.Args) <= places[0] || own != strings.HasPrefix(f.path, "cluster/controller/") && own || !own && !loggerName.MatchString(lastName(sel.X)) {
		return -1, -1
	}
	if id, ok := sel.X.(*ast.Ident); ok && f.imports()[id.Name] != "" && f.imports()[id.Name] != "log/slog" {
		return -1, -1
	}
	return places[1], places[0]
}

// lastName is the last name of an expression: logger for s.o.logger, and for s.o.logger.With(...).
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "With" {
			return lastName(sel.X)
		}
	}
	return ""
}

// constant says whether a message is text, or a variable called msg or message, whose makers are looked at.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return constant(e.X) && constant(e.Y)
	case *ast.Ident:
		return e.Name == "msg" || e.Name == "message"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Message" // of a notice, whose literals are looked at
	}
	return false
}

// attributes visits the keys among the arguments of a call: text before each value, or slog.String("key", ...).
func attributes(args []ast.Expr, key func(ast.Node, string)) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i].(type) {
		case *ast.BasicLit:
			if arg.Kind == token.STRING {
				if name, err := strconv.Unquote(arg.Value); err == nil {
					key(arg, name)
				}
				i++
			}
		case *ast.SelectorExpr:
			if arg.Sel.Name == "Key" { // loggers.Key
				i++
			}
		case *ast.CallExpr:
			if name := lastCall(arg); name == "append" {
				attributes(arg.Args[1:], key)
			}
		}
	}
}

// eventLine visits the keys of what a method Line of package observe returns: a level, a message and attributes. It says whether a message is no constant.
func eventLine(line *ast.FuncDecl, key func(ast.Node, string)) (bad bool) {
	ast.Inspect(line.Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 3 {
			bad = bad || !constant(r.Results[1])
			if list, ok := r.Results[2].(*ast.CompositeLit); ok {
				attributes(list.Elts, key)
			}
		}
		return true
	})
	return bad
}

// lastCall is the name of a function that is called.
func lastCall(call *ast.CallExpr) string {
	if id, ok := call.Fun.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// attributeLists visits the keys in lists of attributes that are made aside: []any{"key", value}, append(attrs, "key", value) and
// slog.Any("key", value).
func (f *file) attributeLists(key func(ast.Node, string)) {
	list := regexp.MustCompile(`^(args|attrs|of)$`)
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok && id.Name == "Args" {
				if lit, ok := n.Value.(*ast.CompositeLit); ok {
					attributes(lit.Elts, key)
				}
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				id, ok := left.(*ast.Ident)
				if !ok || !list.MatchString(id.Name) || i >= len(n.Rhs) {
					continue
				}
				if lit, ok := n.Rhs[i].(*ast.CompositeLit); ok && isAnyList(lit.Type) {
					attributes(lit.Elts, key)
				}
				if call, ok := n.Rhs[i].(*ast.CallExpr); ok && lastCall(call) == "append" && len(call.Args) > 0 {
					attributes(call.Args[1:], key)
				}
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) != 2 {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && f.imports()[id.Name] == "log/slog" {
				attributes(n.Args, key)
			}
		}
		return true
	})
}

// isAnyList says whether a type is []any.
func isAnyList(e ast.Expr) bool {
	list, ok := e.(*ast.ArrayType)
	if !ok || list.Len != nil {
		return false
	}
	id, ok := list.Elt.(*ast.Ident)
	return ok && id.Name == "any"
}
