package local

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"klamm/cluster/meta"
)

// TestRottenChildCountSizesNoList has the number of a node's children rot in the file. Children used to make a
// list of that size: a negative number ended the process, and a large one took all memory.
func TestRottenChildCountSizesNoList(t *testing.T) {
	for _, count := range []int32{-1, math.MaxInt32} {
		s, ses := openWith(t, Options{Path: filepath.Join(t.TempDir(), FileName)})
		if _, err := ses.Create(t.Context(), "/a", nil, meta.Persistent); err != nil {
			t.Fatal(err)
		}
		if _, err := ses.Create(t.Context(), "/a/b", nil, meta.Persistent); err != nil {
			t.Fatal(err)
		}
		if err := s.db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(nodesBucket).Put(nodeKey("/a"), (&record{children: count}).encode())
		}); err != nil {
			t.Fatal(err)
		}
		names, _, err := ses.Children(t.Context(), "/a")
		if err != nil || !slices.Equal(names, []string{"b"}) {
			t.Errorf("with a count of %d: %q, %v", count, names, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
