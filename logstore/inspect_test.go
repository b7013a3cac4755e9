package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// inspected copies the directory that Apache Kafka left, makes a fault in it, and gives what Inspect finds.
func inspected(t *testing.T, from string, fault func(dir string) error) (dir string, problems, notes []Finding, all Inspected) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "golden", from))); err != nil {
		t.Fatal(err)
	}
	if from == "clean" {
		if err := writeCleanShutdown(vfs.OS{}, dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := fault(dir); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	err := Inspect(vfs.OS{}, dir, func(f Finding) {
		if f.Severity == Problem {
			problems = append(problems, f)
		} else {
			notes = append(notes, f)
		}
	}, func(i Inspected) {
		all.Partitions, all.Segments, all.Batches, all.Bytes = all.Partitions+i.Partitions, all.Segments+i.Segments, all.Batches+i.Batches, all.Bytes+i.Bytes
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := contents(t, dir); after != before {
		t.Errorf("Inspect changes the directory: it was\n%s\nand is\n%s", before, after)
	}
	return dir, problems, notes, all
}

// contents tells the names, sizes, times and bytes of all files.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var s strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		data, rerr := os.ReadFile(path)
		fmt.Fprintln(&s, path, info.ModTime().UnixNano(), len(data), string(data))
		return errors.Join(err, rerr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func noFault(string) error { return nil }

// patch gives a fault: other bytes in a file of the partition.
func patch(name string, at int64, bytes ...byte) func(string) error {
	return func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, "golden-0", name), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(bytes, at)
		return errors.Join(err, f.Close())
	}
}

// top gives a fault: a file with this content at the top of the directory, or in the partition.
func top(name, content string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644) }
}

func both(faults ...func(string) error) func(string) error {
	return func(dir string) (err error) {
		for _, f := range faults {
			err = errors.Join(err, f(dir))
		}
		return err
	}
}

// TestInspectFindsNothingInWhatApacheLeft: neither in what a clean stop leaves nor in what a kill does.
func TestInspectFindsNothingInWhatApacheLeft(t *testing.T) {
	for _, from := range []string{"clean", "killed"} {
		_, problems, notes, all := inspected(t, from, noFault)
		if len(problems) > 0 || all.Partitions != 1 || all.Segments < 5 || all.Batches < 50 {
			t.Errorf("%s: %+v of %+v, notes %+v", from, problems, all, notes)
		}
	}
}

// TestInspectSaysWhatAStartDoes: each fault is found where it is, once, and where the finding says that a start cuts the log, a start does.
func TestInspectSaysWhatAStartDoes(t *testing.T) {
	const last = "00000000000000000194"
	crash := func(dir string) error { return os.Remove(filepath.Join(dir, cleanShutdownName)) }
	zero := func(dir string) error {
		return errors.Join(crash(dir), os.WriteFile(filepath.Join(dir, recoveryPointCheckpoint), []byte("0\n0\n"), 0o644))
	}
	cases := []struct {
		name, file, what, then string
		fault                  func(string) error
	}{
		{"a rotten batch, clean", "00000000000000000092.log", "CRC", "does not look at it", patch("00000000000000000092.log", 70, 0xff, 0xfe)},
		{"a rotten batch that is scanned", "00000000000000000092.log", "CRC", "cuts the log at offset 92", both(zero, patch("00000000000000000092.log", 70, 0xff, 0xfe))},
		{"a rotten batch below the recovery point", last + ".log", "CRC", "passes over it", both(crash, top(recoveryPointCheckpoint, "0\n1\ngolden 0 250\n"), patch(last+".log", 70, 0xff, 0xfe))},
		{"a torn end, clean", last + ".log", "no whole batch", "cuts the log at offset", func(dir string) error {
			path := filepath.Join(dir, "golden-0", last+".log")
			info, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, info.Size()-5))
		}},
		{"a missing segment", "00000000000000000148.log", "one between is missing", "sets this segment", both(zero, func(dir string) error {
			return os.Remove(filepath.Join(dir, "golden-0", "00000000000000000092.log"))
		})},
		{"an index that points elsewhere", "00000000000000000092.index", "points to position", "builds it anew", patch("00000000000000000092.index", 7, 0x07)},
		{"a time index with another time", "00000000000000000092.timeindex", "timestamp", "builds it anew", patch("00000000000000000092.timeindex", 3, 0xff)},
		{"a snapshot", "00000000000000000194.snapshot", "CRC", "removes it", patch("00000000000000000194.snapshot", 12, 0xff)},
		{"meta.properties", metaPropertiesName, "version", "no broker starts", top(metaPropertiesName, "version=1\nbroker.id=1\n")},
		{"a checkpoint", recoveryPointCheckpoint, "version", "scans all logs", top(recoveryPointCheckpoint, "7\n")},
		{"the start offset", startOffsetCheckpoint, "the log ends at", "empties the log", top(startOffsetCheckpoint, "0\n1\ngolden 0 9999\n")},
		{"partition.metadata", partitionMetadataName, "base64", "does not serve", top("golden-0/"+partitionMetadataName, "version: 0\ntopic_id: x\n")},
		{"leader epochs", leaderEpochFile, "", "begins it anew", top("golden-0/"+leaderEpochFile, "nonsense")},
		{"another leader epoch", ".log", "leader epoch", "takes both", top("golden-0/"+leaderEpochFile, "0\n1\n77 60\n")},
	}
	cutAt := regexp.MustCompile(`cuts the log at offset (\d+)`)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir, problems, _, _ := inspected(t, "clean", c.fault)
			i := slices.IndexFunc(problems, func(f Finding) bool {
				return strings.HasSuffix(f.Path, c.file) && strings.Contains(f.What, c.what) && strings.Contains(f.Then, c.then)
			})
			if i < 0 {
				t.Fatalf("found %+v, want %q in %s, and that a start %s", problems, c.what, c.file, c.then)
			}
			if m := cutAt.FindStringSubmatch(problems[i].Then); m != nil {
				want, _ := strconv.ParseInt(m[1], 10, 64)
				if end := endAfterStart(t, dir); end != want || problems[i].Offset != want {
					t.Errorf("a start cuts the log at %d, Inspect says %d: %+v", end, want, problems[i])
				}
			}
		})
	}
}

// endAfterStart opens the log as a start does, and gives its end.
func endAfterStart(t *testing.T, dir string) int64 {
	t.Helper()
	tp := protocol.TopicPartition{Topic: "golden"}
	recovery, err := readOffsets(vfs.OS{}, dir, recoveryPointCheckpoint)
	if err != nil {
		t.Fatal(err)
	}
	clean, err := hasCleanShutdown(vfs.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(Options{FS: vfs.OS{}, Dir: filepath.Join(dir, "golden-0"), Partition: tp, Config: DefaultConfig(), Clean: clean, RecoveryPoint: recovery[tp]})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.EndOffset()
}
