package local

import (
	"os"
	"path/filepath"
	"testing"

	"klamm/cluster/meta/metatest"
)

// TestRandom does random work and now and then opens the file as a killed process would leave it. Everything that
// was acknowledged and is not ephemeral must be in it.
func TestRandom(t *testing.T) {
	for seed := range uint64(4) {
		path := filepath.Join(t.TempDir(), FileName)
		s := openStore(t, path)
		metatest.Random(t, seed, 400, s, func(m *metatest.Model) {
			left, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copied := path + ".left"
			if err := os.WriteFile(copied, left, 0o644); err != nil {
				t.Fatal(err)
			}
			again, err := Open(Options{Path: copied})
			if err != nil {
				t.Fatal(err)
			}
			tree := session(t, again)
			if got, want := metatest.DumpSorted(t, tree), m.Dump(false); got != want {
				t.Errorf("seed %d: after a kill the tree is\n%sand should be\n%s", seed, got, want)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
