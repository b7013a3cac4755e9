package meta

import "context"

// AnyVersion is the version that matches every version of a node, in Set, Delete and CheckOp.
const AnyVersion int32 = -1

// Stat is what the tree keeps about a node besides its data (org.apache.zookeeper.data.Stat).
type Stat struct {
	// Czxid and Mzxid are the transactions that created the node and last set its data. They
	// only grow over the life of a tree; Kafka takes a broker's Czxid for its broker epoch.
	Czxid, Mzxid int64
	// Ctime and Mtime are the times of these two transactions, in ms since 1970.
	Ctime, Mtime int64
	// Version counts the sets of the node's data; a new node has 0.
	Version int32
	// ChildVersion counts the creations and deletions of its children (ZooKeeper's cversion).
	ChildVersion int32
	// EphemeralOwner is the session whose end deletes the node. It is 0 for a persistent node.
	EphemeralOwner int64
	// NumChildren is how many children the node has.
	NumChildren int32
	// DataLength is the length of the node's data in bytes.
	DataLength int32
}

// Node is the answer to one read: the data and stat of a node, or an error in place of them.
type Node struct {
	Data []byte
	Stat Stat
	Err  error
}

// Mode says what kind of node Create makes. The values are ZooKeeper's flags.
type Mode int32

// The modes of a node. A sequential node's name is the name asked for followed by ten digits that
// grow with each child ever made under the parent.
const (
	Persistent           Mode = 0
	Ephemeral            Mode = 1
	PersistentSequential Mode = 2
	EphemeralSequential  Mode = 3
)

// IsEphemeral says whether the tree deletes the node when its session ends.
func (m Mode) IsEphemeral() bool { return m&Ephemeral != 0 }

// IsSequential says whether the tree appends a number to the node's name.
func (m Mode) IsSequential() bool { return m&PersistentSequential != 0 }

// EventType is the kind of change that a watch reports.
type EventType int

// What a watch may see. The values are ZooKeeper's.
const (
	NodeCreated         EventType = 1
	NodeDeleted         EventType = 2
	NodeDataChanged     EventType = 3
	NodeChildrenChanged EventType = 4
)

// Event is the one thing that a watch reports.
type Event struct {
	Type EventType
	Path string
}

// Tree is one session with a tree of nodes. Paths are absolute ("/brokers/ids/1"), without a slash at the end.
// All methods may be called by several goroutines at once. A method copies or sends the data that it is given
// before it returns; the data that it gives belongs to the caller. A node may have null data, which reads as nil.
//
// Every error is an [*Error] that names operation and path. It wraps one of this package's ErrXxx values, the error
// of the context, or the store's own error.
//
// While the session has no connection, a method waits for it until the context ends. A read whose answer was lost
// is repeated. A write whose answer was lost fails with ErrOutcomeUnknown: it was done or not, and the caller has to
// look. Any other error of a write says that it was not done.
//
// The methods whose names end in W set a watch: it reports the first change after the read as an [Event] to the
// session's [Watcher], and nothing after that. A session has at most one watch on the data and one on the children
// of a node, however often it asks for it.
//
// Events come in the order of the writes: a caller that has received an event sees its change in every later read
// through the same session.
type Tree interface {
	// Get reads a node. It fails with ErrNoNode if there is none.
	Get(ctx context.Context, path string) ([]byte, Stat, error)
	// GetW is Get with a watch that reports a change of the node's data, or its deletion. It sets no watch if it
	// fails.
	GetW(ctx context.Context, path string) ([]byte, Stat, error)
	// GetAll reads many nodes without waiting for each. The n-th answer is that of the n-th path. The answers
	// may be of different moments. A missing node has ErrNoNode in its own Node.Err; the error is one of the
	// whole call, such as ErrSessionExpired.
	GetAll(ctx context.Context, paths []string) ([]Node, error)
	// GetAllW is GetAll with a watch on each node: that of GetW if the node is there, that of ExistsW if it is not.
	GetAllW(ctx context.Context, paths []string) ([]Node, error)
	// Exists says whether there is such a node.
	Exists(ctx context.Context, path string) (bool, Stat, error)
	// ExistsW is Exists with a watch that reports the node's creation, a change of its data, or its deletion. It
	// sets the watch whether the node is there or not.
	ExistsW(ctx context.Context, path string) (bool, Stat, error)
	// Children lists the names (not paths) of a node's children, sorted. It fails with ErrNoNode if there is no
	// such node.
	Children(ctx context.Context, path string) ([]string, Stat, error)
	// ChildrenW is Children with a watch that reports that a child was created or deleted, or that the node was
	// deleted. It sets no watch if it fails.
	ChildrenW(ctx context.Context, path string) ([]string, Stat, error)
	// Create makes a node and returns its path, to which a sequential mode has appended the number. It fails with
	// ErrNodeExists, with ErrNoNode if the parent is missing, or with ErrNoChildrenForEphemerals. It gives no Stat,
	// since ZooKeeper gives none: a caller that needs the Czxid sets the node in the same Multi, or reads it.
	Create(ctx context.Context, path string, data []byte, mode Mode) (string, error)
	// Set replaces a node's data if the node is at that version. It fails with ErrNoNode or ErrBadVersion.
	Set(ctx context.Context, path string, data []byte, version int32) (Stat, error)
	// Delete removes a node if it is at that version and has no children. It fails with ErrNoNode, ErrBadVersion
	// or ErrNotEmpty.
	Delete(ctx context.Context, path string, version int32) error
	// Multi does all operations in their order, or none of them. Each operation sees what those before it did. If
	// one is refused, the error is a [*MultiError] that says which; an error of the whole has the path of the first.
	// There is one result for each operation.
	Multi(ctx context.Context, ops ...Op) ([]Result, error)
	// MultiAll does many transactions, each as Multi does it, without waiting for one before it sends the next. They
	// must not depend on each other: each is done or not by itself, in any order. The n-th result is that of the n-th
	// transaction.
	MultiAll(ctx context.Context, txs [][]Op) []TxResult
	// SessionID gives the session's number, which is the EphemeralOwner of the ephemeral nodes that it makes.
	SessionID() int64
	// Done gives a channel that is closed when the session has ended: Close was called, or the store gave the
	// session up. Its ephemeral nodes are deleted then or soon after, and every later call fails with
	// ErrSessionExpired.
	Done() <-chan struct{}
	// Close ends the session and deletes its ephemeral nodes. No call of the Watcher begins after it.
	Close() error
}
