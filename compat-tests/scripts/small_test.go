package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallSame are command lines of scripts with few options. Those that change something change it to what it is when they run again.
const smallSame = `
log-dirs --describe
log-dirs --describe --topic-list alpha,gamma --broker-list 2
log-dirs
delete-records --offset-json-file @D/before.json
delete-records --offset-json-file /nix
leader-election --election-type preferred --path-to-json-file @D/elect.json
leader-election --election-type PREFERRED --topic nix --partition 0
leader-election --election-type preferred --topic nix
leader-election
`

// small writes the files that smallSame names.
func (w *world) small(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{
		"before.json": `{"partitions":[{"topic":"alpha","partition":0,"offset":1},{"topic":"alpha","partition":1,"offset":999},{"topic":"gamma","partition":0,"offset":-1}],"version":1}`,
		"elect.json":  `{"partitions":[{"topic":"alpha","partition":0},{"topic":"be.ta","partition":0}]}`,
	} {
		if err := os.WriteFile(filepath.Join(w.files, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// versions compares what both say that each broker serves. The Java tool tells of the brokers in any order.
func (w *world) versions(t *testing.T) {
	of := func(a answer) map[string]bool {
		all := map[string]bool{}
		for part := range strings.SplitAfterSeq(a.stdout, "\n)\n") {
			all[part] = true
		}
		return all
	}
	c := try{line: "broker-api-versions"}
	java, klamm := w.java(t, c), w.klamm(t, c)
	want, got := of(java), of(klamm)
	if java.code != klamm.code || len(want) != len(got) {
		t.Fatalf("the Java tool ends with %d and tells of %d brokers, klamm with %d and %d", java.code, len(want)-1, klamm.code, len(got)-1)
	}
	for part := range want {
		if !got[part] {
			t.Errorf("klamm does not print\n%sbut\n%s", part, klamm.stdout)
		}
	}
}
