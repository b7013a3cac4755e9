package meta

// AnyVersion given to Set, Delete or a check matches every version of a node.
const AnyVersion int32 = -1

// Stat is what the tree keeps about a node besides its data (org.apache.zookeeper.data.Stat).
type Stat struct {
	// Czxid and Mzxid are the transactions that created the node and last set its data. They
	// only grow over the life of a tree; Kafka takes a broker's Czxid for its broker epoch.
	Czxid, Mzxid int64
	// Ctime and Mtime are the times of these, in ms since 1970.
	Ctime, Mtime int64
	// Version counts the sets of the node's data; a new node has 0.
	Version int32
	// ChildVersion counts the creations and deletions of its children (ZooKeeper's cversion).
	ChildVersion int32
	// EphemeralOwner is the session that the node lives and dies with, 0 for a persistent one.
	EphemeralOwner int64
	// NumChildren is how many children the node has.
	NumChildren int32
	// DataLength is the length of the node's data in bytes.
	DataLength int32
}

// Node is the answer to one read: the data and stat of a node, or the error in its place.
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

// IsEphemeral says whether the node goes with its session.
func (m Mode) IsEphemeral() bool { return m&Ephemeral != 0 }

// IsSequential says whether a number is appended to the name.
func (m Mode) IsSequential() bool { return m&PersistentSequential != 0 }

// EventType is what a watch saw.
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

// Watch reports the first change after the read that set it, and then never again: the channel
// holds that one event, and is closed. When the session ends first it is closed without an event.
// Nobody needs to drain it.
type Watch <-chan Event

// Tree is one session with a tree of nodes. Paths are absolute ("/brokers/ids/1"), without a
// slash at the end. All methods may be called by several goroutines at once. Data handed in is
// copied or sent before a method returns; data handed out belongs to the caller. A node may have null data,
// which reads as nil.
//
// Every error is an [*Error] that names operation and path and wraps one of this package's
// ErrXxx values or the store's own.
//
// Reads with a watch and the events they lead to are ordered as the writes are: a caller that has
// seen an event sees the change behind it in every later read through the same session.
type Tree interface {
	// Get reads a node. ErrNoNode.
	Get(path string) ([]byte, Stat, error)
	// GetW is Get with a watch for the node's data changing or its deletion. No watch is set on an error.
	GetW(path string) ([]byte, Stat, Watch, error)
	// GetAll reads many nodes at the cost of one wait: the n-th answer is of the n-th path. They need not be
	// of one moment. The error is the session's; a missing node is its own Node.Err.
	GetAll(paths []string) ([]Node, error)
	// Exists tells whether there is such a node.
	Exists(path string) (bool, Stat, error)
	// ExistsW is Exists with a watch for the node's creation, change or deletion, whether it is there or not.
	ExistsW(path string) (bool, Stat, Watch, error)
	// Children lists the names (not paths) below a node, sorted. ErrNoNode.
	Children(path string) ([]string, Stat, error)
	// ChildrenW is Children with a watch for a child coming or going, or the node's deletion.
	ChildrenW(path string) ([]string, Stat, Watch, error)
	// Create makes a node and returns its path, to which a sequential mode has appended the number.
	// ErrNodeExists; ErrNoNode for a parent that is not there; ErrNoChildrenForEphemerals.
	Create(path string, data []byte, mode Mode) (string, Stat, error)
	// Set replaces a node's data if it is at that version. ErrNoNode, ErrBadVersion.
	Set(path string, data []byte, version int32) (Stat, error)
	// Delete removes a node without children if it is at that version. ErrNoNode, ErrBadVersion, ErrNotEmpty.
	Delete(path string, version int32) error
	// Multi does all operations in their order, each seeing what those before it did, or none of them; then the error is
	// a [*MultiError] that says which could not be done. Results are one for each operation.
	Multi(ops ...Op) ([]Result, error)
	// SessionID is the session's number: EphemeralOwner of the nodes it makes.
	SessionID() int64
	// Done is closed when the session has ended, by Close or by the store giving it up. Its ephemerals are gone then or soon,
	// and every later call gets ErrSessionExpired.
	Done() <-chan struct{}
	// Close ends the session and removes its ephemerals.
	Close() error
}
