package command

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// README says that `make build` makes one static binary that needs nothing else: it names no interpreter and no shared
// library, nor the directory that it was built in.
func TestTheBinaryIsStatic(t *testing.T) {
	build := exec.Command("make", "-C", harness.Root(), "build")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	binary := filepath.Join(harness.Root(), "build", "bin", "klamm")
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v", p.Type)
		}
	}
	if needs, err := f.ImportedLibraries(); err == nil && len(needs) > 0 {
		t.Errorf("the binary needs %v", needs)
	}
	said, err := exec.Command(binary, "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "klamm ") {
		t.Errorf("it says %q, %v", said, err)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), harness.Root()+"/cmd") {
		t.Error("the binary names the directory that it was built in")
	}
}
