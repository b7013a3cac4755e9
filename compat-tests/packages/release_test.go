package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// cloned gives a directory with a clone of the repository, in which the files are as they are here. It has another path each time.
func cloned(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	command(t, "", nil, "git", "clone", "-q", "--no-checkout", harness.Root(), dir)
	command(t, "", nil, "bash", "-c", `cd "$1" && git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d "" f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done | tar -c --null -T - | tar -x -C "$2" && cd "$2" && git reset -q`, "-", harness.Root(), dir)
	return dir
}

// command runs a program in a directory and gives its stdout.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// TestTheSameCommitGivesTheSameBytes builds klamm in two clones of the repository, and the Debian package in a third, with what may differ between two machines: the
// path, the time zone, the flags that a user has set, and whether Go writes what git says into the binary. The clones share Go's cache. It holds
// a compiled package by everything that the compiler was given, so that a path in there would compile the package again.
func TestTheSameCommitGivesTheSameBytes(t *testing.T) {
	var built [2][]byte
	for i, env := range [][]string{{"TZ=Asia/Tokyo", "GOFLAGS=-buildvcs=true -tags=other"}, {"TZ=UTC", "GOFLAGS=-buildvcs=false", "GOAMD64=v2", "USER=other"}} {
		dir := cloned(t)
		to := filepath.Join(t.TempDir(), "klamm")
		command(t, dir, env, "deploy/build.sh", "linux", "amd64", to)
		text, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(dir)) {
			t.Errorf("the binary names the directory that it was built in, %s", dir)
		}
		built[i] = text
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Errorf("two clones of one commit gave two binaries, of %d and %d bytes", len(built[0]), len(built[1]))
	}
	made := deb(t)
	dir := cloned(t)
	command(t, dir, nil, "make", "deb")
	same := filepath.Join(dir, "build", "deb", filepath.Base(made))
	if out, err := exec.Command("cmp", made, same).CombinedOutput(); err != nil {
		t.Errorf("the Debian package of a clone is another: %v\n%s", err, out)
	}
}

// TestABuildSaysWhatItWasBuiltOf compares what the binary says with git, and asks for the licences of what is in it.
func TestABuildSaysWhatItWasBuiltOf(t *testing.T) {
	command(t, harness.Root(), nil, "make", "build")
	said := command(t, "", nil, filepath.Join(harness.Root(), "build", "bin", "klamm"), "--version")
	commit := strings.TrimSpace(command(t, harness.Root(), nil, "git", "describe", "--exclude=*", "--always", "--dirty", "--abbrev=12"))
	at := strings.TrimSpace(command(t, harness.Root(), []string{"TZ=UTC0"}, "git", "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd"))
	want := regexp.MustCompile(`^klamm \S+ \(commit ` + regexp.QuoteMeta(commit) + `, of ` + regexp.QuoteMeta(at) + `, go1\.\S+\)\n$`)
	if !want.MatchString(said) {
		t.Errorf("it says %q, want %s", said, want)
	}
	licenses := command(t, harness.Root(), nil, "deploy/licenses.sh")
	for _, module := range []string{"klamm", "Go go1.", "github.com/twmb/franz-go ", "go.etcd.io/bbolt ", "github.com/pierrec/lz4/v4 "} {
		if !strings.Contains(licenses, "\n======== "+module) {
			t.Errorf("deploy/licenses.sh gives no licence of %s", module)
		}
	}
}
