package controller

import (
	"errors"
	"log/slog"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// Read is what a decision wants to know of the tree: the children of a node, or the bodies of many nodes.
type Read struct {
	// Children is the node whose children are listed, with a watch; "" if Nodes are read.
	Children string
	Nodes    []string
	// Watch asks for a watch on each of Nodes, also on one that is not there.
	Watch bool
}

// ReadResult answers a Read.
type ReadResult struct {
	// Names are the children; none if the node is not there.
	Names []string
	// Nodes are in the order of the paths; a missing node has meta.ErrNoNode.
	Nodes []meta.Node
	// Err is of the whole read.
	Err error
}

// Tx is one transaction. Its first operation checks that no other broker became the controller.
type Tx struct {
	Ops []meta.Op
	// Look are nodes that tell whether the transaction was done. They are read if it failed or its outcome is unknown.
	Look []string
	// Configs says that configurations of topics are removed.
	Configs bool
}

// TxOutcome is what became of a Tx.
type TxOutcome struct {
	Err error
	// Nodes are those of Look, if Err is not nil, in order.
	Nodes []meta.Node
	// LookErr says that they could not be read.
	LookErr error
}

// Performed says what became of the reads and transactions of the decision before, in their order.
type Performed struct {
	Reads  []ReadResult
	Writes []TxOutcome
}

// inquiry is a read that a decision waits for.
type inquiry struct {
	Read
	// take goes on with the answer. It is called only if the tree could be read.
	take func(*Decision, ReadResult)
	// failed is called if it could not, for somebody who waits. Nil: the inquiry is made again later.
	failed func(error)
}

// change is something that a decision makes true in the tree. It is done or not as a whole.
type change interface {
	ops() []meta.Op
	// look is the node that tells whether the change was made.
	look() string
	made(meta.Node) bool
	// done takes in that the tree has the change.
	done(*State, *Decision)
	// lost takes in that the tree does not have it: now is the node of look as it is, whose Err is neither nil nor meta.ErrNoNode if
	// that could not be read, and err is why.
	lost(s *State, d *Decision, now meta.Node, err error)
	// packs says that the change is small and may share a transaction with others.
	packs() bool
}

// configRemover is a change that removes configurations of topics.
type configRemover interface{ removesConfigs() bool }

// effects are the reads and changes that the last decision asked for.
type effects struct {
	asked []inquiry
	sent  [][]change // by transaction

	// What failed for a reason that is not another's write: it is planned again at retryMs.
	later        []*partition
	laterTopics  []*topic
	laterReads   []inquiry
	retryMs      int64
	lookAtTopics bool // topics may have gone or come by writes whose outcome is not known
}

// treeRetryMs is how long after a failure of the tree what failed is tried again.
const treeRetryMs = 1_000

// maxTxBytes bounds a transaction, well below the 1 MB that ZooKeeper's server takes (jute.maxbuffer).
const maxTxBytes = 384 << 10

func (d *Decision) ask(r Read, take func(*Decision, ReadResult)) {
	d.reads = append(d.reads, inquiry{r, take, nil})
}

// askFor is ask for somebody who waits for an answer.
func (d *Decision) askFor(r Read, failed func(error), take func(*Decision, ReadResult)) {
	d.reads = append(d.reads, inquiry{r, take, failed})
}

func (d *Decision) change(c change) { d.changes = append(d.changes, c) }

// seal makes of the changes transactions. Small changes share one as far as there is room.
func (d *Decision) seal(s *State) {
	s.effects.asked, s.effects.sent = d.reads, nil
	for i := range d.reads {
		d.Reads = append(d.Reads, d.reads[i].Read)
	}
	open, size := -1, 0 // the transaction that small changes go to
	for _, c := range d.changes {
		ops := c.ops()
		bytes := meta.TransactionBytes(ops)
		at := open
		if !c.packs() || open < 0 || size+bytes > maxTxBytes {
			at = len(d.Txs)
			d.Txs = append(d.Txs, Tx{Ops: []meta.Op{meta.CheckOp(znode.ControllerEpoch, s.EpochVersion)}})
			s.effects.sent = append(s.effects.sent, nil)
			if c.packs() {
				open, size = at, 0
			}
		}
		if c.packs() {
			size += bytes
		}
		tx := &d.Txs[at]
		tx.Ops = append(tx.Ops, ops...)
		tx.Look = append(tx.Look, c.look())
		if r, ok := c.(configRemover); ok && r.removesConfigs() {
			tx.Configs = true
		}
		s.effects.sent[at] = append(s.effects.sent[at], c)
	}
}

// performed goes on with what the tree answered.
func (s *State) performed(d *Decision, e *Performed) {
	asked, sent := s.effects.asked, s.effects.sent
	s.effects.asked, s.effects.sent = nil, nil
	for _, o := range e.Writes {
		if succeeded(o.Err) {
			d.Resign = order.ErrNotController
			return
		}
	}
	for i, q := range asked {
		if err := e.Reads[i].Err; err != nil {
			s.readFailed(d, q, err)
			continue
		}
		q.take(d, e.Reads[i])
	}
	for i, changes := range sent {
		o := &e.Writes[i]
		for j, c := range changes {
			s.settle(d, c, o, j)
		}
	}
}

// settle takes in one change of a transaction. The body of the node counts, not the error: the answer to a write that was
// done may have been lost, and its repetition refused.
func (s *State) settle(d *Decision, c change, o *TxOutcome, i int) {
	if o.Err == nil {
		c.done(s, d)
		return
	}
	now := meta.Node{Err: o.LookErr}
	if o.LookErr == nil {
		now = o.Nodes[i]
		if c.made(now) {
			c.done(s, d)
			return
		}
	}
	if !passes(o.Err) {
		d.log(slog.LevelError, "the controller cannot write to the metadata tree", "znode", c.look(), "error", o.Err)
	}
	c.lost(s, d, now, o.Err)
}

// succeeded says whether a transaction failed because another broker has become the controller since.
func succeeded(err error) bool {
	var multi *meta.MultiError
	return errors.As(err, &multi) && multi.Index == 0 && (errors.Is(err, meta.ErrBadVersion) || errors.Is(err, meta.ErrNoNode))
}

// passes says whether an error is one of other writes at the same time, or of a lost connection: what is decided again from what
// the tree has now may go well.
func passes(err error) bool {
	for _, kind := range []error{meta.ErrBadVersion, meta.ErrNodeExists, meta.ErrNoNode, meta.ErrNotEmpty, meta.ErrOutcomeUnknown} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// isMissing says whether a node is known not to be there.
func isMissing(n meta.Node) bool { return errors.Is(n.Err, meta.ErrNoNode) }

// readFailed has an inquiry made again later. Without what it reads first a controller cannot work.
func (s *State) readFailed(d *Decision, q inquiry, err error) {
	if !s.loaded {
		d.Resign = err
		return
	}
	d.log(slog.LevelError, "the controller cannot read the metadata tree", "error", err)
	if q.failed != nil {
		q.failed(err)
		return
	}
	s.effects.laterReads = append(s.effects.laterReads, q)
	s.retry()
}

// later has a partition planned again when the tree is tried again.
func (s *State) later(p *partition) {
	s.effects.later = append(s.effects.later, p)
	s.retry()
}

// topicLater has a topic planned again when the tree is tried again.
func (s *State) topicLater(t *topic) {
	s.effects.laterTopics = append(s.effects.laterTopics, t)
	s.retry()
}

func (s *State) retry() {
	if s.effects.retryMs == 0 {
		s.effects.retryMs = s.nowMs + treeRetryMs
	}
}

// treeRetry plans again what the tree refused or did not answer before.
func (s *State) treeRetry(d *Decision) {
	if s.effects.retryMs == 0 || s.nowMs < s.effects.retryMs {
		return
	}
	e := s.effects
	s.effects = effects{}
	for _, p := range e.later {
		s.queue(p)
	}
	for _, t := range e.laterTopics {
		s.queueTopic(t)
	}
	d.reads = append(d.reads, e.laterReads...)
	if e.lookAtTopics {
		s.lookAtTopics(d)
	}
}
