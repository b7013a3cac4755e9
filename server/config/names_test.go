package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestNamesInCode checks that each property named in a getter, anywhere in the project, is in the table. The
// getters give the zero value for any other name, so nobody would see a typing error.
func TestNamesInCode(t *testing.T) {
	getters := map[string][]Type{"Int": {Int, Short}, "Long": {Long, Int, Short}, "Bool": {Boolean}, "Double": {Double},
		"String": {String, Class, Password}, "List": {List}, "Null": nil}
	form := regexp.MustCompile(`^[a-z][a-zA-Z]*([._-][a-zA-Z0-9]+)+$`)
	seen := 0
	eachCall(t, func(file, method, name string) {
		types, ok := getters[method]
		if !ok || !form.MatchString(name) {
			return
		}
		seen++
		fits := false
		for _, p := range []*Property{brokerByName[name], topicByName[name], quotaByName[name]} {
			fits = fits || p != nil && (types == nil || slices.Contains(types, p.Type))
		}
		if !fits {
			t.Errorf("%s: %s(%q): no such property of that type in server/config; see docs/configuration.md", file, method, name)
		}
	})
	if seen < 40 {
		t.Errorf("only %d getters found: the test does not see the code", seen)
	}
}

// eachCall calls f for every method call with one string literal, in the files of this package and of those that
// import it.
func eachCall(t *testing.T, f func(file, method, name string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ours := file.Name.Name == "config"
		for _, i := range file.Imports {
			ours = ours || i.Path.Value == `"klamm/server/config"`
		}
		if !ours {
			return nil
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			literal, isLiteral := call.Args[0].(*ast.BasicLit)
			if !ok || !isLiteral || literal.Kind != token.STRING {
				return true
			}
			if name, err := strconv.Unquote(literal.Value); err == nil {
				f(path, selector.Sel.Name, name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestServedNamesExist(t *testing.T) {
	for name := range servedBroker {
		if _, ok := dynamicKey(name); !ok {
			t.Errorf("servedBroker has %s, which is no property", name)
		}
	}
	for name := range servedTopic {
		p, ok := LookupTopic(name)
		if !ok {
			t.Errorf("servedTopic has %s, which is no property", name)
			continue
		}
		for _, f := range p.Fallback {
			if !servedBroker[f.Name] {
				t.Errorf("%s is served, and %s behind it is not", name, f.Name)
			}
		}
	}
}

// TestOwnPropertiesHaveThePrefix: a name that Apache Kafka never had could become Kafka's with another meaning.
func TestOwnPropertiesHaveThePrefix(t *testing.T) {
	kafkasOnce := []string{"replica.lag.max.messages"}
	for _, p := range append(BrokerProperties(), TopicProperties()...) {
		prefixed := strings.HasPrefix(p.Name, OwnPrefix)
		if want := p.Own() && !slices.Contains(kafkasOnce, p.Name); prefixed != want {
			t.Errorf("%s begins with %s: %t, want %t; see broker_own.go", p.Name, OwnPrefix, prefixed, want)
		}
		if p.Own() && !p.Internal {
			t.Errorf("%s is not internal, so DescribeConfigs shows it", p.Name)
		}
	}
}

func TestEnvironmentNamesAreDistinct(t *testing.T) {
	if len(byEnv) != len(brokerSorted) {
		t.Errorf("%d names of variables for %d properties: two fold to one", len(byEnv), len(brokerSorted))
	}
}

// TestTopicPropertiesAreServedOrSayWhyNot checks that every topic property, and every broker property that one
// falls back to, has an effect or a reason why not.
func TestTopicPropertiesAreServedOrSayWhyNot(t *testing.T) {
	named := 0
	for _, p := range TopicProperties() {
		all := []*Property{p}
		for _, f := range p.Fallback {
			b, ok := LookupBroker(f.Name)
			if !ok {
				t.Fatalf("%s falls back to %s, which there is not", p.Name, f.Name)
			}
			all = append(all, b)
		}
		for _, p := range all {
			if p.Served() == (p.Without() != "") {
				t.Errorf("%s: served %t, reason %q", p.Name, p.Served(), p.Without())
			}
		}
		if p.Without() != "" {
			named++
		}
	}
	if named != 6 {
		t.Errorf("%d topic properties have no effect", named)
	}
}

func TestServedIsByTable(t *testing.T) {
	broker, _ := LookupBroker("min.insync.replicas")
	topic, _ := LookupTopic("min.insync.replicas")
	remote, _ := LookupTopic("remote.storage.enable")
	if !broker.Served() || !topic.Served() || remote.Served() {
		t.Errorf("served: %v %v %v", broker.Served(), topic.Served(), remote.Served())
	}
}
