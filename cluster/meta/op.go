package meta

// OpKind is what an operation of a Multi does.
type OpKind int

// The operations of a Multi.
const (
	OpCreate OpKind = iota + 1
	OpSet
	OpDelete
	OpCheck
)

// Op is one operation of a Multi. Make it with CreateOp, SetOp, DeleteOp or CheckOp. Data is for a create or set,
// Mode for a create, and Version for the other kinds.
type Op struct {
	Kind    OpKind
	Path    string
	Data    []byte
	Mode    Mode
	Version int32
}

// Result is the result of one operation: for a create the path of the new node, for a create or set the node's
// new stat.
type Result struct {
	Path string
	Stat Stat
}

// CreateOp is Create as part of a Multi.
func CreateOp(path string, data []byte, mode Mode) Op {
	return Op{Kind: OpCreate, Path: path, Data: data, Mode: mode}
}

// SetOp is Set as part of a Multi.
func SetOp(path string, data []byte, version int32) Op {
	return Op{Kind: OpSet, Path: path, Data: data, Version: version}
}

// DeleteOp is Delete as part of a Multi.
func DeleteOp(path string, version int32) Op {
	return Op{Kind: OpDelete, Path: path, Version: version}
}

// CheckOp makes the Multi fail unless the node is there and at that version.
func CheckOp(path string, version int32) Op {
	return Op{Kind: OpCheck, Path: path, Version: version}
}
