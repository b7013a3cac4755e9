package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// listener is a listener on a free port.
func listener(t *testing.T) string {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", port)
}

func TestFlagsAndValuesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		file  [2]string // name and text of a configuration
		args  []string
		env   []string
		words []string
	}{
		{name: "an unknown flag", args: []string{"--listen", "here"}, words: []string{"--listen"}},
		{name: "an argument", args: []string{"server.properties"}, words: []string{"server.properties"}},
		{name: "a missing file", args: []string{"--config", "gone.properties"}, words: []string{"gone.properties"}},
		{name: "a --set without a value", args: []string{"--set", "log.dirs"}, words: []string{"log.dirs"}},
		{name: "no number, on the command line", args: []string{"--set", "num.partitions=many"}, words: []string{"num.partitions", "many"}},
		{name: "no number, in the environment", env: []string{"KLAMM_NUM_PARTITIONS=many"}, words: []string{"many"}},
		{name: "no number, in properties", file: [2]string{"server.properties", "log.retention.ms=soon\n"}, words: []string{"server.properties", "log.retention.ms", "soon"}},
		{name: "no number, in YAML", file: [2]string{"klamm.yaml", "num.partitions: many\n"}, words: []string{"klamm.yaml", "num.partitions", "many"}},
		{name: "no number, in TOML", file: [2]string{"klamm.toml", "\"num.partitions\" = \"many\"\n"}, words: []string{"klamm.toml", "num.partitions", "many"}},
		{name: "invalid YAML", file: [2]string{"klamm.yaml", "a: [b\n"}, words: []string{"klamm.yaml"}},
		{name: "a number out of range", args: []string{"--set", "num.partitions=0"}, words: []string{"num.partitions"}},
		{name: "an invalid listener", args: []string{"--set", "listeners=nonsense"}, words: []string{"listeners"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			args := c.args
			if c.file[0] != "" {
				args = append(args, "--config", write(t, dir, c.file[0], c.file[1]))
			}
			before := snapshot(t, dir)
			klamm(t, dir, c.env, args...).refused(t, c.words...)
			unchanged(t, dir, before)
		})
	}
}

func TestAllWrongSettingsAreNamedAtOnce(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "server.properties", "num.partitions=many\nconfig.providers=vault\nconfig.providers.vault.class=com.example.Vault\n")
	e := klamm(t, dir, nil, "--config", file, "--set", "log.retention.ms=soon")
	lines := strings.Split(strings.TrimRight(e.stderr, "\n"), "\n")
	if e.code == 0 || len(lines) != 3 {
		t.Fatalf("exit code %d, want an error and three lines:\n%s", e.code, e.stderr)
	}
	for i, words := range [][]string{{"server.properties:1", "num.partitions"}, {"server.properties:3", "com.example.Vault"}, {"--set log.retention.ms", "soon"}} {
		for _, w := range append(words, "klamm: ") {
			if !strings.Contains(lines[i], w) {
				t.Errorf("%q does not name %q", lines[i], w)
			}
		}
	}
}

func TestAnUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	// A directory cannot be read as a file by root either.
	path := filepath.Join(dir, "server.properties")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	klamm(t, dir, nil, "--config", path).refused(t, "server.properties")
}

func TestAPortInUse(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	dir := t.TempDir()
	before := snapshot(t, dir)
	klamm(t, dir, nil, "--set", "listeners=PLAINTEXT://"+b.Addr, "--set", "log.dirs="+filepath.Join(dir, "data")).
		refused(t, b.Addr, "in use")
	unchanged(t, dir, before)
}

func TestADataDirectoryThatAnotherProcessHolds(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	harness.Topic(t, b.Addr, 1)
	before := snapshot(t, b.LogDir)
	klamm(t, t.TempDir(), nil, "--set", "listeners="+listener(t), "--set", "log.dirs="+b.LogDir).refused(t, b.LogDir)
	unchanged(t, b.LogDir, before)
	harness.Topic(t, b.Addr, 1) // the broker that holds the directory goes on
}

func TestMetaPropertiesOfAnother(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		words          []string
	}{
		{"cluster", "cluster.id=", "cluster.id=AAAAAAAAAAAAAAAAAAAAAA", []string{"meta.properties", "cluster"}},
		{"broker", "broker.id=", "broker.id=77", []string{"meta.properties", "77"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := harness.Start(t, harness.Options{})
			harness.Topic(t, b.Addr, 1)
			if err := b.Stop(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(b.LogDir, "meta.properties")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, c.from) {
					line = c.to + "\n"
				}
				lines = append(lines, line)
			}
			write(t, b.LogDir, "meta.properties", strings.Join(lines, ""))
			before := snapshot(t, b.LogDir)
			klamm(t, t.TempDir(), nil, "--set", "broker.id=0", "--set", "listeners="+listener(t), "--set", "log.dirs="+b.LogDir).refused(t, c.words...)
			unchanged(t, b.LogDir, before)
		})
	}
}

func TestADataDirectoryThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	blocked := write(t, dir, "file", "not a directory")
	klamm(t, dir, nil, "--set", "listeners="+listener(t), "--set", "log.dirs="+filepath.Join(blocked, "data")).refused(t, blocked)
}
