package profile

import (
	"os"
	"strings"
	"testing"
)

// TestProfiles makes, uses and deletes profiles.
func TestProfiles(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if names, err := s.List(); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	properties := map[string]string{"sasl.jaas.config": " a \\ = : # ! \"é\" \U0001F600\n", "a key:=#": "1"}
	if err := s.Create(Profile{"prod", properties}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.Path("prod")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read the password", info.Mode(), err)
	}
	if err := s.Create(Profile{"prod", nil}); err == nil || !strings.Contains(err.Error(), "klamm profile delete prod") {
		t.Errorf("%v", err)
	}
	p, err := s.Get("prod")
	if err != nil || len(p.Properties) != len(properties) {
		t.Fatalf("%v, %v", p, err)
	}
	for name, value := range properties {
		if p.Properties[name] != value {
			t.Errorf("%q is %q, want %q", name, p.Properties[name], value)
		}
	}
	if err := s.Use("test"); err == nil || !strings.Contains(err.Error(), "there are prod") {
		t.Errorf("%v", err)
	}
	if err := s.Use("prod"); err != nil {
		t.Fatal(err)
	}
	if current, err := s.Current(); err != nil || current != "prod" {
		t.Errorf("%q, %v", current, err)
	}
	if err := s.Delete("prod"); err != nil {
		t.Fatal(err)
	}
	if current, err := s.Current(); err != nil || current != "" {
		t.Errorf("%q, %v", current, err)
	}
	for _, name := range []string{"", "../x", "a/b", ".hidden", "a b", "\x1b[31m", strings.Repeat("a", 65)} {
		for what, err := range map[string]error{"create": s.Create(Profile{name, nil}), "use": s.Use(name), "delete": s.Delete(name)} {
			if err == nil || !strings.Contains(err.Error(), "cannot be the name") {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
}
