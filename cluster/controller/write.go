package controller

import (
	"errors"

	"klamm/cluster/meta"
)

// write puts a decision into the tree, in one transaction.
func (c *Controller) write(d *Decision) error {
	ops, err := puts(c.o.Tree, d.Puts)
	if err != nil {
		return err
	}
	ops = append(d.Writes, ops...)
	if len(d.Remove) > 0 {
		// Whoever changes the configuration of a topic holds this from when it is read until it is written: it must not be
		// written to a topic of the same name that was created in between.
		c.o.ConfigLock.Lock()
		defer c.o.ConfigLock.Unlock()
	}
	for _, path := range d.Remove {
		below, err := removal(c.o.Tree, path)
		if err != nil {
			return err
		}
		ops = append(ops, below...)
	}
	if len(ops) == 0 {
		return nil
	}
	_, err = c.o.Tree.Multi(ops...)
	return err
}

// puts makes of each a creation or a set.
func puts(tree meta.Tree, list []Put) ([]meta.Op, error) {
	if len(list) == 0 {
		return nil, nil
	}
	paths := make([]string, len(list))
	for i, p := range list {
		paths[i] = p.Path
	}
	nodes, err := tree.GetAll(paths)
	if err != nil {
		return nil, err
	}
	ops := make([]meta.Op, len(list))
	for i, p := range list {
		if nodes[i].Err == nil {
			ops[i] = meta.SetOp(p.Path, p.Data, meta.AnyVersion)
		} else {
			ops[i] = meta.CreateOp(p.Path, p.Data, meta.Persistent)
		}
	}
	return ops, nil
}

// removal lists what deletes a node and all below it, children first; nothing if it is not there.
func removal(tree meta.Tree, path string) ([]meta.Op, error) {
	names, _, err := tree.Children(path)
	if errors.Is(err, meta.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ops []meta.Op
	for _, name := range names {
		below, err := removal(tree, path+"/"+name)
		if err != nil {
			return nil, err
		}
		ops = append(ops, below...)
	}
	return append(ops, meta.DeleteOp(path, meta.AnyVersion)), nil
}
