package jopt

import (
	"slices"
	"testing"
)

func parser() (*Parser, map[string]*Option) {
	p := New()
	all := map[string]*Option{
		"list":   p.Accepts("list", ""),
		"topic":  p.Accepts("topic", "").Needs("topic"),
		"count":  p.Accepts("count", "").Needs("n").Of(Int).Or("7"),
		"delete": p.Accepts("delete", "").Needs("names").SplitBy(","),
		"zk":     p.Accepts("zookeeper", "").Needs("urls").Refused("there is none"),
	}
	all["state"] = p.Accepts("state", "").May("states").OnlyWith(all["list"])
	all["server"] = p.Accepts("server", "").Needs("s").RequiredUnless("broker")
	all["broker"] = p.Accepts("broker", "").Needs("b")
	return p, all
}

// The texts of the errors are those of joptsimple, which compat-tests/scripts compares with.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		args []string
		err  string
	}{
		{[]string{"--server", "a"}, ""},
		{[]string{"--broker=a"}, ""},
		{[]string{"--list"}, "Missing required option(s) [server]"},
		{[]string{"--help"}, ""},
		{[]string{"--server"}, "Option server requires an argument"},
		{[]string{"--server", "a", "--lis"}, "lis is not a recognized option"},
		{[]string{"--server", "a", "-lis"}, "l is not a recognized option"},
		{[]string{"--server", "a", "--state"}, "Option(s) [state] are unavailable given other options on the command line"},
		{[]string{"--server", "a", "--zookeeper=x"}, "klamm does not serve the option --zookeeper: there is none"},
		{[]string{"--server", "a", "--", "--nix"}, ""},
		{[]string{"--server", "a", "nix"}, ""},
	} {
		p, _ := parser()
		_, err := p.Parse(c.args)
		if err == nil && c.err != "" || err != nil && err.Error() != c.err {
			t.Errorf("%q: %v, want %q", c.args, err, c.err)
		}
	}
}

func TestValues(t *testing.T) {
	p, o := parser()
	s, err := p.Parse([]string{"-server=x=y", "--topic", "--list", "--delete", "a,,b", "--delete=c", "--list", "--state", "--topic=t"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Values(o["delete"]); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("delete is %q", got)
	}
	if got, err := s.Value(o["server"]); got != "x=y" || err != nil {
		t.Errorf("server is %q, %v", got, err)
	}
	if got := s.Values(o["topic"]); !slices.Equal(got, []string{"--list", "t"}) {
		t.Errorf("topic is %q", got)
	}
	if _, err := s.Value(o["topic"]); err == nil || err.Error() != "Found multiple arguments for option topic, but you asked for only one" {
		t.Errorf("topic, twice: %v", err)
	}
	if got, err := s.Number(o["count"]); got != 7 || err != nil || s.Has(o["count"]) {
		t.Errorf("count is %d, %v", got, err)
	}
	if !s.Has(o["state"]) || len(s.Values(o["state"])) != 0 {
		t.Error("state is not there, or has a value")
	}
	s, err = p.Parse([]string{"--server", "a", "--count", "3000000000"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Number(o["count"]); err == nil || err.Error() != "Cannot parse argument '3000000000' of option count" {
		t.Errorf("a count that is too large: %v", err)
	}
}
