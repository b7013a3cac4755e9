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

// Result is the result of one operation: for a create the path of the new node, for a set the node's new stat. All
// operations of a Multi have one transaction number, so that the Mzxid of a set is also the Czxid of the nodes that the
// Multi creates.
type Result struct {
	Path string
	Stat Stat
}

// TxResult is the result of one transaction of a MultiAll: what Multi would have returned.
type TxResult struct {
	Results []Result
	Err     error
}

// MaxTransactionBytes bounds the [TransactionBytes] of one transaction, and so of one node's data: ZooKeeper's
// server takes at most 1 MB by default (jute.maxbuffer), and cuts the connection of whoever sends more.
const MaxTransactionBytes = 512 << 10

// opOverhead is more than an operation takes in a request besides its path and data: header, lengths, mode, version and
// the access control list of a create.
const opOverhead = 128

// Bytes gives an upper bound of what the operation takes in a request.
func (o *Op) Bytes() int { return opOverhead + len(o.Path) + len(o.Data) }

// TransactionBytes gives an upper bound of what a transaction takes in a request. Who writes many nodes cuts them into
// transactions of at most MaxTransactionBytes.
func TransactionBytes(ops []Op) (n int) {
	for i := range ops {
		n += ops[i].Bytes()
	}
	return n
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
