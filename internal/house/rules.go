package house

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// module is the path that the rooms' import paths begin with.
const module = "klamm"

// rooms says which packages each room may import, besides itself: those that are named
// and all below them. The longest name that a package's directory begins with decides, so
// that a room inside another has rules of its own, and is not covered by the outer one's.
var rooms = map[string][]string{
	"observe": {},

	"protocol":       {"protocol"},
	"protocol/batch": {},
	"protocol/shape": {},

	"logstore":     {"logstore", "protocol"},
	"logstore/vfs": {"protocol"},

	"cluster":            {"cluster", "logstore", "protocol"},
	"cluster/order":      {"protocol"},
	"cluster/znode":      {"cluster/order", "protocol"},
	"cluster/liveness":   {"protocol"},
	"cluster/peer":       {"cluster/metadata", "cluster/order", "protocol"},
	"cluster/meta":       {"protocol"},
	"cluster/meta/local": {"cluster/meta", "protocol"},
	"cluster/meta/zk":    {"cluster/meta", "protocol"},
	"cluster/meta/mem":   {"cluster/meta", "protocol"},
	"cluster/metadata":   {"cluster/order", "protocol"},
	"cluster/controller": {"cluster/meta", "cluster/order", "cluster/znode", "protocol"},
	"cluster/replica":    {"cluster/order", "cluster/throttle", "logstore", "protocol"},
	"cluster/throttle":   {},

	"groupcoord": {"protocol"},
	"txncoord":   {"protocol"},

	"server":            {"server", "cluster", "logstore", "groupcoord", "txncoord", "protocol"},
	"server/transport":  {"protocol"},
	"server/boundedlog": {},
	"server/keystore":   {},
	"server/loggers":    {},
	"server/config":     {"server/loggers", "logstore", "protocol"},
	"server/codes":      {"server/config", "cluster", "logstore", "groupcoord", "txncoord", "protocol"},
	"server/request":    {"server/transport", "protocol"},
	"server/view":       {"server/request", "server/transport", "cluster", "protocol"},
	"server/data":       append([]string{"cluster", "logstore", "protocol"}, family...),
	"server/groups":     append([]string{"cluster", "groupcoord", "protocol"}, family...),
	"server/txn":        append([]string{"cluster", "txncoord", "protocol"}, family...),
	"server/admin":      append([]string{"server/loggers", "cluster", "logstore", "protocol"}, family...),
	"server/peer":       append([]string{"cluster", "logstore", "protocol"}, family...),

	"broker":                {"server", "cluster", "logstore", "groupcoord", "txncoord", "protocol"},
	"broker/migrate":        {"broker/migrate/size", "server/config", "cluster", "logstore", "protocol"},
	"broker/migrate/size":   {},
	"broker/migrate/verify": {"broker/migrate/size", "server/transport", "protocol"},
	"broker/brokertest":     {"broker", "server", "cluster", "logstore", "protocol", "internal"},
	"metrics":               {"broker", "server", "cluster", "logstore", "groupcoord", "protocol"},
	"web":                   {"metrics", "broker", "server/config", "server/keystore", "protocol"},
	"cmd":                   {"metrics", "web", "cmd", "broker", "server", "cluster", "logstore", "groupcoord", "txncoord", "protocol"},
	"cmd/container":         {"server/config"},
	"cmd/cli":               {"cmd/cli/printable", "cmd/cli/records", "cmd/connect", "broker/migrate/size"},
	"cmd/cli/printable":     {},
	"cmd/systemd":           {},
	"cmd/cli/records":       {},
	"cmd/connect":           {"server/config", "server/keystore"},
	"cmd/reassign":          {"cmd/connect", "cmd/reassign/plan"},
	"cmd/reassign/plan":     {},
	"cmd/doctor":            {"cmd/connect", "broker", "server/config", "cluster", "logstore"},
	"cmd/dumplog":           {"cmd/scripts/javalib", "protocol"},
	"cmd/scripts":           {"cmd/connect", "cmd/dumplog", "cmd/scripts/javalib", "cmd/scripts/jopt"},
	"cmd/scripts/javalib":   {},
	"cmd/scripts/jopt":      {"cmd/scripts/javalib"},
	"compat-tests":          {"compat-tests"},
	"bench":                 {"bench", "compat-tests"},
	"deploy":                {},
	"internal":              {"protocol"},
}

// everywhere are the packages that every room may import: what the rooms are handed to be seen through.
var everywhere = []string{"observe"}

// family is what the rooms of server that serve a family of APIs share. They do not
// import each other.
var family = []string{"server/boundedlog", "server/codes", "server/config", "server/request", "server/transport", "server/view"}

// room is the room that a directory belongs to, "" where there is none.
func room(dir string) (name string) {
	for r := range rooms {
		if within(dir, r) && len(r) > len(name) {
			name = r
		}
	}
	return name
}

// within says whether a directory is another, or below it.
func within(dir, other string) bool { return dir == other || strings.HasPrefix(dir, other+"/") }

// outer is the outermost room that a directory belongs to.
func outer(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// imports finds imports that the table rooms does not allow.
func imports(files []*file) (found []string) {
	for _, f := range files {
		if f.test() {
			continue // a test may look at its room from above
		}
		own := room(f.dir())
		if own == "" {
			found = append(found, fmt.Sprintf("%s: no room is called %q; add it to rooms in internal/house/rules.go with what it may import, or move the file",
				f.path, outer(f.dir())))
			continue
		}
		for _, spec := range f.ast.Imports {
			p, inside := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if !inside || room(p) == own || slices.Contains(everywhere, p) || slices.ContainsFunc(rooms[own], func(allowed string) bool { return within(p, allowed) }) {
				continue
			}
			found = append(found, fmt.Sprintf("%s: %s imports %s, which is not below it; declare a small interface in %s and have the caller pass an implementation",
				f.at(spec), own, p, f.dir()))
		}
	}
	return found
}

// panics finds calls of panic in protocol and server: a bad client may cost its
// connection, never the process.
func panics(files []*file) (found []string) {
	for _, f := range files {
		if r := outer(f.dir()); f.test() || r != "protocol" && r != "server" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" && id.Obj == nil {
					found = append(found, f.at(call)+": panic takes the whole broker down; return an error that says what is wrong")
				}
			}
			return true
		})
	}
	return found
}

// pure are the directories and files whose code decides and never looks at a clock.
var pure = append([]string{"protocol", "cluster/controller", "cluster/throttle", "cluster/znode", "groupcoord", "txncoord"}, still...)

// still are those of the pure ones that do nothing aside: they start no goroutine, open no file and no socket.
var still = []string{"cluster/metadata", "cluster/order", "cmd/reassign/plan", "cluster/replica/fetch_answer.go", "cluster/replica/fetch_request.go",
	"cluster/replica/fetch_session.go", "cluster/replica/fetch_state.go", "cluster/replica/fetch_truncation.go"}

// in says whether a file is one of some places: a directory with all below it, or a file.
func (f *file) in(places []string) bool {
	return slices.ContainsFunc(places, func(p string) bool { return f.path == p || strings.HasPrefix(f.path, p+"/") })
}

// asides finds what still code does aside.
func asides(files []*file) (found []string) {
	for _, f := range files {
		if f.test() || !f.in(still) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				found = append(found, f.at(n)+": a goroutine in code that only decides; let the caller start it")
			}
			return true
		})
		f.calls(true, func(n ast.Node, pkg, name string) {
			if pkg == "os" || pkg == "net" && (strings.HasPrefix(name, "Dial") || strings.HasPrefix(name, "Listen") || strings.HasPrefix(name, "Lookup")) {
				found = append(found, fmt.Sprintf("%s: %s.%s in code that only decides; let the caller do it", f.at(n), pkg, name))
			}
		})
	}
	return found
}

// clocks are the functions of package time that look at the clock or wait.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

// times finds code that looks at the clock where the time has to be passed in. logstore
// has one seam for the clock, Options.Clock, whose default may name time.Now without
// calling it.
func times(files []*file) (found []string) {
	for _, f := range files {
		if f.test() {
			continue
		}
		isPure := f.in(pure)
		inStore := outer(f.dir()) == "logstore" && f.dir() != "logstore/vfs"
		if !isPure && !inStore {
			continue
		}
		f.calls(isPure, func(n ast.Node, pkg, name string) {
			if pkg != "time" || !slices.Contains(clocks, name) || inStore && name != "Now" && name != "Since" && name != "Until" {
				return
			}
			found = append(found, fmt.Sprintf("%s: time.%s in code that only decides; take the time as a parameter", f.at(n), name))
		})
	}
	return found
}

// osFiles are what package os does with files.
var osFiles = []string{"Open", "OpenFile", "OpenRoot", "Create", "CreateTemp", "ReadFile", "WriteFile", "ReadDir", "Rename", "Remove", "RemoveAll",
	"Mkdir", "MkdirAll", "MkdirTemp", "Stat", "Lstat", "Truncate", "Link", "Symlink", "Chmod", "Chtimes", "DirFS", "NewFile"}

// fileCalls finds file calls in logstore that go past logstore/vfs, whose doubles crash
// and fail in tests.
func fileCalls(files []*file) (found []string) {
	for _, f := range files {
		if f.test() || outer(f.dir()) != "logstore" || f.dir() == "logstore/vfs" {
			continue
		}
		f.calls(true, func(n ast.Node, pkg, name string) {
			if pkg == "os" && slices.Contains(osFiles, name) {
				found = append(found, fmt.Sprintf("%s: os.%s goes past the seam; use the vfs.FS that the store was given", f.at(n), name))
			}
			// Error numbers are what FS and File give; anything else of the system is not.
			if strings.HasPrefix(pkg, "golang.org/x/sys/") || pkg == "syscall" && !strings.HasPrefix(name, "E") {
				found = append(found, fmt.Sprintf("%s: %s.%s is for logstore/vfs alone; add what is needed to vfs.FS or vfs.File", f.at(n), pkg, name))
			}
		})
	}
	return found
}

var (
	todo      = regexp.MustCompile(`\bTODO\b|\bFIXME\b|\bXXX\b`)
	todoWaits = regexp.MustCompile(`\bTODO\([^)]+\): \S`)
)

// todos finds open ends that do not say what they wait for.
func todos(files []*file) (found []string) {
	for _, f := range files {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				for line := range strings.Lines(c.Text) {
					// This package has to name what it looks for.
					if todo.MatchString(line) && !todoWaits.MatchString(line) && f.dir() != "internal/house" {
						found = append(found, f.at(c)+": say what it waits for, TODO(what it waits for): what is to be done; or do it")
					}
				}
			}
		}
	}
	return found
}

// docs finds packages without a doc.
func docs(files []*file) (found []string) {
	has := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f.ast.Name.Name, "_test") {
			continue
		}
		doc := f.ast.Doc != nil && len(strings.Fields(f.ast.Doc.Text())) >= 5
		has[f.dir()] = has[f.dir()] || doc
	}
	for dir, ok := range has {
		if !ok {
			found = append(found, dir+": the package has no doc; write a doc.go that says what it is for, what it never does and where to begin reading")
		}
	}
	sort.Strings(found)
	return found
}
