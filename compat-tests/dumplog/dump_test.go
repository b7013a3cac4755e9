package dumplog

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// broken makes copies of the partition data-0, each with one fault.
func broken(t *testing.T, dir string) {
	t.Helper()
	for name, fault := range map[string]func(partition string) error{
		"crc":   write("00000000000000000000.log", 150, "\x55"),
		"tail":  size("00000000000000000000.log", 4000),
		"zeros": size("00000000000000000000.log", 4354),
		"room": func(p string) error {
			return errors.Join(size("00000000000000000000.index", 152)(p), size("00000000000000000000.timeindex", 228)(p))
		},
		"odd": func(p string) error {
			return errors.Join(size("00000000000000000000.index", 75)(p), size("00000000000000000000.timeindex", 111)(p))
		},
		"off": write("00000000000000000000.index", 0, "\x00\x00\x00\x01"),
		"late": func(p string) error {
			return errors.Join(write("00000000000000000000.timeindex", 8, "\x00\x00\x00\x01")(p), write("00000000000000000000.timeindex", 31, "\x01")(p))
		},
		"sorted": write("00000000000000000000.timeindex", 24, "\x00\x00\x00\x01"),
		"far":    write("00000000000000000000.index", 4, "\x7f\xff\xff\xff"),
		"codec":  write("00000000000000000000.log", 22, "\x07"),
		"state":  write("00000000000000000055.snapshot", 20, "\x7f"),
		"gap":    write("00000000000000000055.log", 85, "\x50"),
	} {
		to := filepath.Join(dir, name)
		if err := errors.Join(os.CopyFS(to, os.DirFS(filepath.Join("testdata", "data-0"))), fault(to)); err != nil {
			t.Fatal(err)
		}
	}
}

// write gives a fault: other bytes in a file.
func write(file string, at int64, bytes string) func(string) error {
	return func(partition string) error {
		f, err := os.OpenFile(filepath.Join(partition, file), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte(bytes), at)
		return errors.Join(err, f.Close())
	}
}

// size gives a fault: a file is cut or goes on with zeros.
func size(file string, n int64) func(string) error {
	return func(partition string) error { return os.Truncate(filepath.Join(partition, file), n) }
}

// TestDumpLog: klamm kafka-dump-log prints what kafka-dump-log.sh prints, of whole files and of broken ones, and ends with the same code.
func TestDumpLog(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	broken(t, dir)
	files := func(patterns ...string) string {
		var all []string
		for _, p := range patterns {
			found, err := filepath.Glob(filepath.Join(dir, p))
			if err != nil || len(found) == 0 {
				t.Fatal(p, found, err)
			}
			all = append(all, found...)
		}
		return strings.Join(all, ",")
	}
	whole := []string{"appended-0/*.*", "data-0/*.*", "old-0/*.*"}
	printable := []string{"data-0/*.log", "old-0/*.log", "appended-0/*.log", "crc/*.log", "tail/*.log", "gap/*.log", "codec/*55.log"}
	indexes := []string{"data-0/*index", "old-0/*index", "room/*index", "odd/*index", "off/*index", "late/*index", "sorted/*index", "gap/*index", "state/*.snapshot"}
	for _, args := range [][]string{
		{"--files", files(slices.Concat(whole, indexes)...)},
		{"--print-data-log", "--files", files(printable...)},
		{"--deep-iteration", "--max-bytes", "700", "--files", files("data-0/*.log")},
		{"--skip-record-metadata", "--key-decoder-class", "kafka.serializer.StringDecoder", "--files", files("data-0/*.log", "old-0/*.log")},
		{"--offsets-decoder", "--files", files("__consumer_offsets-0/*.log")},
		{"--transaction-log-decoder", "--files", files("__transaction_state-0/*.log")},
		{"--verify-index-only", "--files", files(indexes...)},
		{"--index-sanity-check", "--files", files("data-0/*0.index", "data-0/*0.timeindex", "off/*0.index", "room/*0.index", "odd/*0.index")},
		{"--index-sanity-check", "--files", files("odd/*0.timeindex")},
		{"--index-sanity-check", "--files", files("room/*0.timeindex")},
		{"--deep-iteration", "--files", files("zeros/*0.log")},
		{"--files", files("far/*0.index")},
		{"--files", files("codec/*0.log")},
		{"--print-data-log"},
	} {
		t.Run(strings.ReplaceAll(args[0], "--", ""), func(t *testing.T) {
			t.Parallel() // a JVM each
			want := harness.JavaResult(t, harness.Kafka39, "dump-log", nil, args...)
			want.Stderr = said(want.Stderr)
			got := klamm(t, append([]string{"kafka-dump-log"}, args...)...)
			if strings.Contains(want.Stderr, "Missing required argument") {
				got.Stderr, want.Stderr, _ = strings.Cut(got.Stderr+"\n", "\n") // the usage's text is klamm's own
				want.Stderr = "Missing required argument \"[files]\""
			}
			if got != want {
				t.Errorf("kafka-dump-log %s\nexit code %d, want %d\n%s", strings.ReplaceAll(strings.Join(args, " "), dir+"/", ""), got.Code, want.Code,
					differ(got.Stdout, want.Stdout)+differ(got.Stderr, want.Stderr))
			}
		})
	}
}

// TestDumpLogCommand: klamm dump-log prints the same as klamm kafka-dump-log, and takes files as arguments.
func TestDumpLogCommand(t *testing.T) {
	file := "testdata/__consumer_offsets-0/00000000000000000000.log"
	want := klamm(t, "kafka-dump-log", "--offsets-decoder", "--files", file+",testdata/data-0/partition.metadata")
	if got := klamm(t, "dump-log", file, "testdata/data-0/partition.metadata", "--offsets-decoder"); got != want || want.Code != 0 {
		t.Errorf("klamm dump-log: %+v\nwant %+v", got, want)
	}
	for _, c := range []struct {
		args, words string
		code        int
	}{
		{"", "needs the files", 2}, {"--files gone.log", "NumberFormatException", 1}, {"0.log", "NoSuchFileException", 1},
		{file + " --key-decoder-class com.example.Mine", "com.example.Mine", 2}, {file + " --cluster-metadata-decoder", "unknown flag", 2},
	} {
		if got := klamm(t, append([]string{"dump-log"}, strings.Fields(c.args)...)...); got.Code != c.code || !strings.Contains(got.Stderr, c.words) {
			t.Errorf("klamm dump-log %s: %+v, want %d and %q", c.args, got, c.code, c.words)
		}
	}
	if got := klamm(t, "kafka-dump-log", "--cluster-metadata-decoder", "--files", file); got.Code == 0 || !strings.Contains(got.Stderr, "KRaft") {
		t.Errorf("klamm kafka-dump-log --cluster-metadata-decoder: %+v", got)
	}
}

// klamm runs klamm.
func klamm(t *testing.T, args ...string) harness.Result {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(harness.Context(t), binary, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return harness.Result{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
}

// noise are the lines of a JVM's standard error that are none of the tool's: its log and stack traces.
var noise = regexp.MustCompile(`(?m)^(\[[-0-9]{10} .*|\tat .*|\t\.\.\. .*|Caused by: .*|SLF4J.*)\n`)

func said(stderr string) string { return noise.ReplaceAllString(stderr, "") }

// differ gives the first line that differs.
func differ(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return "line " + a + "\nwant " + b + "\n"
		}
	}
	return ""
}
