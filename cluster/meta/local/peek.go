package local

import (
	"fmt"

	"go.etcd.io/bbolt"

	"klamm/cluster/meta"
)

// Peek reads nodes of a tree that nobody has open, without a session and
// without changing the file: a broker that starts has to know whose tree it is
// before it may change anything. A node that is not there has meta.ErrNoNode in its answer. The
// error wraps fs.ErrNotExist if there is no file, and ErrHeld if another process
// has it.
func Peek(path string, nodes ...string) ([]meta.Node, error) {
	db, err := openFile(Options{Path: path}, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	out := make([]meta.Node, len(nodes))
	err = db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(nodesBucket)
		for i, node := range nodes {
			if bucket == nil { // the file was created and has no buckets yet
				out[i].Err = &meta.Error{Op: "get", Path: node, Err: meta.ErrNoNode}
				continue
			}
			r, err := find(bucket, node)
			if err != nil {
				out[i].Err = &meta.Error{Op: "get", Path: node, Err: err}
				continue
			}
			out[i] = meta.Node{Data: r.data, Stat: r.stat()}
		}
		return nil
	})
	if closed := db.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("metadata file %s: %w", path, err)
	}
	return out, nil
}
