package cluster

import (
	"fmt"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/znode"
)

// TestLostAnswersAtTheStart: a start failed when the answer to one of its first writes got lost.
func TestLostAnswersAtTheStart(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprintf("applied=%t", applied), func(t *testing.T) {
			store := mem.New(mem.Options{})
			defer store.Close()
			tree, err := store.Open(t.Context(), meta.Watcher{})
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			lose := func(path string) {
				store.LoseAnswer(func(op meta.Op) bool { return op.Path == path }, applied)
			}
			lose(znode.ClusterID)
			id, err := EnsureClusterID(t.Context(), tree, "from-the-directory")
			if err != nil || id != "from-the-directory" {
				t.Errorf("cluster id %q, %v", id, err)
			}
			if there, err := ReadClusterID(t.Context(), tree); there != id || err != nil {
				t.Errorf("the tree has the cluster id %q, %v", there, err)
			}
			lose(znode.BrokerIDs)
			if err := EnsurePaths(t.Context(), tree); err != nil {
				t.Error(err)
			}
			for _, path := range znode.PersistentPaths() {
				if there, _, err := tree.Exists(t.Context(), path); err != nil || !there {
					t.Errorf("%s is there: %t, %v", path, there, err)
				}
			}
			lose(znode.BrokerSeqID)
			want := int32(1001)
			if applied {
				want++ // the lost one is nobody's
			}
			if id, err := GenerateBrokerID(t.Context(), tree, 1000); err != nil || id != want {
				t.Errorf("broker id %d (%v), should be %d", id, err, want)
			}
		})
	}
}
