package logstore

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// goldenDir is a log directory written by Apache Kafka 3.9.2.
const goldenDir = "testdata/dirs/apache-3.9.2"

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func tpOf(topic string, partition int32) protocol.TopicPartition {
	return protocol.TopicPartition{Topic: topic, Partition: partition}
}

func TestMetaPropertiesAsApacheWritesThem(t *testing.T) {
	file := golden(t, "meta.properties")
	m, err := parseMetaProperties("f", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if want := (MetaProperties{BrokerID: 1, ClusterID: "-s2qozKRQOWK4faUOEuX6g"}); m != want {
		t.Fatalf("%+v, want %+v", m, want)
	}
	written := time.Date(2026, 11, 23, 5, 10, 20, 0, time.UTC)
	if got := string(m.encode(written)); got != file {
		t.Fatalf("written again:\n%s\nwant:\n%s", got, file)
	}
	m.DirectoryID[3] = 7
	m.ClusterID = ` a\b=c:d#e!f` + "\t\n\r"
	again, err := parseMetaProperties("f", m.encode(written))
	if err != nil || again != m {
		t.Fatalf("%+v, %v; want %+v", again, err, m)
	}
}

func TestMetaPropertiesThatMakeNoSense(t *testing.T) {
	for _, c := range []struct{ file, key string }{
		{"version=1\nnode.id=1\ncluster.id=x\n", "version"},
		{"broker.id=one\n", "broker.id"},
		{"broker.id=99999999999\n", "broker.id"},
		{"directory.id=x\n", "directory.id"},
		{"a=\\u12\n", ""},
	} {
		_, err := parseMetaProperties("dir/meta.properties", []byte(c.file))
		var me *MetaPropertiesError
		if !errors.As(err, &me) || me.Key != c.key || !strings.Contains(me.Error(), "dir/meta.properties") {
			t.Errorf("%q: %v", c.file, err)
		}
	}
	m, err := parseMetaProperties("f", []byte("# nothing\n"))
	if err != nil || m != (MetaProperties{BrokerID: NoBrokerID}) {
		t.Errorf("an empty file: %+v, %v", m, err)
	}
	m, err = parseMetaProperties("f", []byte("cluster.id = ${x}\r\nbroker.id:  7\n"))
	if err != nil || m.ClusterID != "${x}" || m.BrokerID != 7 {
		t.Errorf("other ways to write it: %+v, %v", m, err)
	}
}

func TestCheckpointsAsApacheWritesThem(t *testing.T) {
	for name, want := range map[string]offsets{
		recoveryPointCheckpoint:     {tpOf("golden", 0): 0, tpOf("golden", 1): 0, tpOf("golden", 2): 9, tpOf("golden.a-1", 0): 4},
		highWatermarkCheckpoint:     {tpOf("golden", 0): 0, tpOf("golden", 1): 0, tpOf("golden", 2): 9, tpOf("golden.a-1", 0): 4},
		startOffsetCheckpoint:       {tpOf("golden.a-1", 0): 2},
		"cleaner-offset-checkpoint": {},
	} {
		file := golden(t, name)
		got, err := parseOffsets([]byte(file))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
		if len(want) == 0 {
			continue
		}
		if a, b := sortedLines(string(got.encode())), sortedLines(file); a != b {
			t.Errorf("%s written again has the lines\n%s\nwant\n%s", name, a, b)
		}
	}
	if got := string((offsets{tpOf("b", 10): 3, tpOf("b", 9): 2, tpOf("a", 0): 1}).encode()); got != "0\n3\na 0 1\nb 9 2\nb 10 3\n" {
		t.Errorf("encoded as %q", got)
	}
}

func sortedLines(s string) string {
	lines := strings.SplitAfter(s, "\n")
	slices.Sort(lines[min(2, len(lines)):])
	return strings.Join(lines, "")
}

func TestCheckpointsThatMakeNoSense(t *testing.T) {
	for _, file := range []string{
		"1\n0\n", "x\n", "\n", "0\nx\n", "0\n2\na 0 1\n", "0\n0\na 0 1\n", "0\n1\na 0\n", "0\n1\na 0 1 2\n",
		"0\n1\na x 1\n", "0\n1\na 0 x\n", "0\n1\na 99999999999 1\n", "0\n-1\n",
	} {
		if o, err := parseOffsets([]byte(file)); err == nil {
			t.Errorf("%q reads as %v", file, o)
		}
	}
	m := vfs.NewMem()
	if err := writeFile(m, "x", []byte("0\n1\n"), true); err != nil {
		t.Fatal(err)
	}
	o, err := readOffsets(m, "/", "x")
	var malformed *malformedError
	if !errors.As(err, &malformed) || len(o) != 0 {
		t.Errorf("%v, %v", o, err)
	}
	if o, err := readOffsets(m, "/", "none"); err != nil || len(o) != 0 {
		t.Errorf("a missing one: %v, %v", o, err)
	}
}

func TestCheckpointSurvivesACrashWhileWritten(t *testing.T) {
	old, next := offsets{tpOf("a", 0): 1}, offsets{tpOf("a", 0): 2, tpOf("b", 1): 9}
	m := vfs.NewMem()
	c := &checkpoint{path: "cp"}
	if err := c.write(m, old); err != nil {
		t.Fatal(err)
	}
	points := 0
	crash := func(vfs.Op) {
		for seed := range uint64(20) {
			points++
			got, err := readOffsets(m.CrashClone(seed), "/", "cp")
			if err != nil || !maps.Equal(got, old) && !maps.Equal(got, next) {
				t.Fatalf("seed %d: %v, %v", seed, got, err)
			}
		}
	}
	m.SetHook(crash)
	if err := c.write(m, next); err != nil {
		t.Fatal(err)
	}
	if points == 0 {
		t.Fatal("nothing was written")
	}
	m.SetHook(func(op vfs.Op) { t.Errorf("equal entries are written again: %v", op) })
	if err := c.write(m, maps.Clone(next)); err != nil {
		t.Fatal(err)
	}
}

func TestPartitionMetadataAsApacheWritesIt(t *testing.T) {
	file := golden(t, "golden-0/"+partitionMetadataName)
	id, err := parsePartitionMetadata([]byte(file))
	if err != nil || id.String() != "_bADVol4SVuEDMSvTgxcNQ" {
		t.Fatalf("%v, %v", id, err)
	}
	if got := string(encodePartitionMetadata(id)); got != file {
		t.Fatalf("written again: %q, want %q", got, file)
	}
	for _, bad := range []string{
		"version: 0\n", "version: 0\ntopic_id: \n", "version: -1\ntopic_id: _bADVol4SVuEDMSvTgxcNQ",
		"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", "version: 0\ntopic_id: short", "x",
	} {
		if id, err := parsePartitionMetadata([]byte(bad)); err == nil {
			t.Errorf("%q reads as %v", bad, id)
		}
	}
	if id, err := parsePartitionMetadata([]byte("version: 1\ntopic_id: _bADVol4SVuEDMSvTgxcNQ\nmore: x\n")); err != nil || id.IsZero() {
		t.Errorf("a later version: %v, %v", id, err)
	}
}

func TestPartitionMetadataCutShortByACrash(t *testing.T) {
	const whole = "version: 0\ntopic_id: _bADVol4SVuEDMSvTgxcNQ"
	cut := []string{strings.Repeat("\x00", len(whole))}
	for n := range len(whole) {
		cut = append(cut, whole[:n])
	}
	for _, left := range cut {
		disk := vfs.NewMem()
		ok(t, disk.MkdirAll("/t-0"))
		ok(t, writeFile(disk, "/t-0/"+partitionMetadataName, []byte(left), false))
		if id, err := readPartitionMetadata(disk, "/t-0"); err != nil || !id.IsZero() {
			t.Errorf("%q reads as %v, %v", left, id, err)
		}
	}
	disk := vfs.NewMem()
	ok(t, disk.MkdirAll("/t-0"))
	ok(t, writeFile(disk, "/t-0/"+partitionMetadataName, []byte("version: 0\ntopic_id: short\n"), false))
	if id, err := readPartitionMetadata(disk, "/t-0"); err == nil {
		t.Errorf("an id that is too short, in a line that is whole, reads as %v", id)
	}
}

func TestCleanShutdownMark(t *testing.T) {
	if want := golden(t, cleanShutdownName); cleanShutdownContent != want {
		t.Fatalf("%q, want %q", cleanShutdownContent, want)
	}
	m := vfs.NewMem()
	if clean, err := hasCleanShutdown(m, "/"); clean || err != nil {
		t.Fatal(clean, err)
	}
	if err := writeCleanShutdown(m, "/"); err != nil {
		t.Fatal(err)
	}
	if clean, err := hasCleanShutdown(m.CrashClone(1), "/"); !clean || err != nil {
		t.Fatal(clean, err)
	}
	if err := removeCleanShutdown(m, "/"); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		if _, err := m.CrashClone(seed).Stat(cleanShutdownName); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal("the mark comes back", err)
		}
	}
}
