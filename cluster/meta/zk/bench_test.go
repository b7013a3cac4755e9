package zk

import (
	"context"
	"fmt"
	"testing"

	"klamm/cluster/meta"
)

// benchTree has a session on a tree with nodes such as those of partitions.
func benchTree(b *testing.B, inFlight, nodes int) (*Session, []string) {
	b.Helper()
	o := testOptions(b)
	o.MaxInFlight = inFlight
	s, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	ses, err := s.open(b.Context(), meta.Watcher{})
	if err != nil {
		b.Fatal(err)
	}
	var paths []string
	var txs [][]meta.Op
	for i := range nodes {
		path := fmt.Sprint("/n", i)
		paths = append(paths, path)
		if i%1000 == 0 {
			txs = append(txs, nil)
		}
		txs[len(txs)-1] = append(txs[len(txs)-1], meta.CreateOp(path, make([]byte, 100), meta.Persistent))
	}
	for _, r := range ses.MultiAll(b.Context(), txs) {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
	}
	return ses, paths
}

// BenchmarkGetAll reads 10,000 nodes, as a controller does that comes to office.
func BenchmarkGetAll(b *testing.B) {
	for _, inFlight := range []int{10, 100} {
		b.Run(fmt.Sprint("in-flight-", inFlight), func(b *testing.B) {
			ses, paths := benchTree(b, inFlight, 10_000)
			for b.Loop() {
				if _, err := ses.GetAll(context.Background(), paths); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMultiAll sets 1,000 nodes, each in a transaction of its own.
func BenchmarkMultiAll(b *testing.B) {
	for _, inFlight := range []int{10, 100} {
		b.Run(fmt.Sprint("in-flight-", inFlight), func(b *testing.B) {
			ses, paths := benchTree(b, inFlight, 1000)
			for b.Loop() {
				var txs [][]meta.Op
				for _, path := range paths {
					txs = append(txs, []meta.Op{meta.CheckOp("/", meta.AnyVersion), meta.SetOp(path, make([]byte, 100), meta.AnyVersion)})
				}
				for _, r := range ses.MultiAll(context.Background(), txs) {
					if r.Err != nil {
						b.Fatal(r.Err)
					}
				}
			}
		})
	}
}
