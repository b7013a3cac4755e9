package transport

import (
	"slices"
	"sync"
)

// maxPending bounds the answers that a connection may owe at a time. The connection stops
// reading from a client that pipelines more requests, until answers have gone out.
const maxPending = 512

// flushBytes is how many bytes of ready answers the connection may hold back while more
// of its requests have already arrived.
const flushBytes = 64 << 10

// maxHeld is how many bytes of ready answers a connection may collect when it cannot send
// them, because the client does not read or an earlier answer is not ready. With more, the
// connection stops reading from the client until it has sent some.
const maxHeld = 256 << 10

// order is the order of a connection's answers, and decides which goroutine sends them. A
// request takes its place when it is about to be served. Its answer is sent once it is ready
// and all answers before it were sent. The table says which goroutine sends the ready answers
// at the front of the queue. At any moment one row of the table holds.
//
//	state     what is so                              which goroutine sends
//	serving   the connection's goroutine reads or     the connection's goroutine sends an answer
//	          serves a request, and will look at the  that the handler completed, when it looks
//	          queue before it waits                   at the queue: so answers to requests that
//	                                                  came together leave together. Any other
//	                                                  answer is sent by the goroutine that
//	                                                  completes it, or by a new one
//	resting   the connection's goroutine has looked   the goroutine that completes the answer,
//	          at the queue, and waits for bytes, for  or a new one: the connection's goroutine
//	          room or for the end                     does not look again
//	writing   a goroutine sends answers, without mu   the same goroutine, before it stops
//	broken    the socket failed, or Abort closed it   none: each answer is released once it is
//	                                                  ready
//
// serving and resting exclude each other; writing and broken can go with either. stopping and
// sealed do not decide about sending: with stopping the connection reads no further request,
// and with sealed it serves none of those that it has read.
//
// The scripts in testdata/order play these states. A test plays all orders in which a handler's
// return, a completion on another goroutine, the client's leaving, a stop and a cut can come.
type order struct {
	out outlet

	mu       sync.Mutex
	changed  sync.Cond     // signalled when pending shrinks or writing ends
	pending  []*Answer     // guarded by mu; the answers whose writing has not begun, oldest first
	held     int           // guarded by mu; the bytes of the ready answers in pending
	batch    []*Answer     // only the goroutine that set writing uses it; reused
	resting  bool          // guarded by mu; see the table
	writing  bool          // guarded by mu; a goroutine sends answers
	broken   bool          // guarded by mu; the socket failed or was aborted: no answer is sent any more
	stopping bool          // guarded by mu; no further request is read
	busy     bool          // guarded by mu; the connection's goroutine reads a request or handles it
	sealed   bool          // guarded by mu; no further request is handled
	ended    bool          // guarded by mu; quit is closed
	waiting  Waiter        // guarded by mu; the waiting request, nil for none
	quit     chan struct{} // closed when stopping or broken is set, to end waits for something other than the socket
}

// outlet is where an order sends the answers: the connection, or a test's double.
type outlet interface {
	// write sends answers. One goroutine at a time calls it, without mu.
	write(batch []*Answer) error
	// takes reports whether so many bytes can be written without waiting. The caller holds
	// mu, and nobody writes meanwhile.
	takes(bytes int) bool
	// spawn runs f on a goroutine of its own.
	spawn(f func())
	// interrupt ends a waiting read of the socket; cut closes the socket.
	interrupt()
	cut()
	// release gives back what an answer holds.
	release(a *Answer)
}

func (o *order) open(out outlet) {
	o.out, o.quit = out, make(chan struct{})
	o.changed.L = &o.mu
}

// Completer says who completes an answer, which decides when and where the answer is sent.
type Completer int

const (
	// Own says that the handler completes the answer, or other code to which the handler left it,
	// before the next request of the connection is served, on any goroutine. The connection's
	// goroutine sends the answer before it waits for the next request. If it waits already, a new
	// goroutine sends the answer.
	Own Completer = iota
	// Aside says that other code completes the answer. A new goroutine sends the answer, so
	// that a client that does not read does not hold up the caller, for example an append.
	Aside
	// Here is like Aside, but if the socket takes the answer at once, the caller's goroutine
	// sends it: a new goroutine would cost as much as the sending.
	Here
)

// Expect takes the next place in the order of answers for a. Only the connection's goroutine
// calls it, once for each request, before it serves the request. If Expect reports false, the
// server stops, and the request must not be served.
func (o *order) Expect(a *Answer) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sealed {
		return false
	}
	o.resting = false
	o.pending = append(o.pending, a)
	return true
}

// Complete marks an answer ready. The connection sends, in the order of the answers, what Fill
// or SetParts set, and nothing if neither was called. Any goroutine may call Complete, once for
// each answer.
//
// Complete decides under mu whether the connection's goroutine will still look at the queue. It
// does not rely on by for that: when a handler passes its answer to another goroutine, the
// handler may have returned before that goroutine calls Complete.
func (o *order) Complete(a *Answer, by Completer) {
	o.mu.Lock()
	if o.broken {
		o.out.release(a)
	}
	a.ready = true
	o.held += a.size
	o.toldIfStoppingLocked()
	send := (by != Own || o.resting) && !o.writing && !o.broken && o.pending[0] == a
	atOnce := send && by == Here && o.out.takes(a.size)
	o.mu.Unlock()
	switch {
	case atOnce:
		o.flush()
	case send:
		o.out.spawn(o.flush)
	}
}

// rest sends the ready answers before the connection's goroutine waits.
func (o *order) rest() {
	o.mu.Lock()
	o.resting = true
	o.flushLocked()
	o.mu.Unlock()
}

// flush sends the ready answers at the front of the queue.
func (o *order) flush() {
	o.mu.Lock()
	o.flushLocked()
	o.mu.Unlock()
}

// flushLocked sends the ready answers at the front of the queue. It releases mu while it
// writes, and sets writing, so that no other goroutine writes at the same time. After each
// write it looks at the queue again under mu, so that it also sends the answers that became
// ready meanwhile.
func (o *order) flushLocked() {
	if o.writing {
		return
	}
	for !o.broken {
		n, size := 0, 0
		for n < len(o.pending) && o.pending[n].ready {
			size += o.pending[n].size
			n++
		}
		if n == 0 {
			return
		}
		o.batch = append(o.batch[:0], o.pending[:n]...)
		left := copy(o.pending, o.pending[n:])
		clear(o.pending[left:])
		o.pending = o.pending[:left]
		o.held -= size
		o.writing = true
		o.toldIfStoppingLocked()
		o.mu.Unlock()
		err := o.out.write(o.batch)
		for _, a := range o.batch {
			o.out.release(a)
		}
		clear(o.batch)
		o.mu.Lock()
		o.writing = false
		if err != nil {
			o.breakLocked()
		}
		o.changed.Broadcast()
	}
	o.dropLocked()
}

// dropLocked releases the ready answers of a broken connection. Complete releases each of the
// others.
func (o *order) dropLocked() {
	if !o.broken {
		return
	}
	for _, a := range o.pending {
		if a.ready {
			o.out.release(a)
		}
	}
}

// room waits until the connection owes few enough answers to read another request. It
// reports false when the connection must read no further request.
func (o *order) room() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.idleLocked()
	for !o.broken && !o.stopping {
		full := len(o.pending) >= maxPending || o.held >= maxHeld
		switch {
		case (full || o.held >= flushBytes) && o.pending[0].ready && !o.writing:
			o.flushLocked()
		case full:
			o.resting = true
			o.changed.Wait()
		default:
			o.busy = true
			return true
		}
	}
	return false
}

// drain waits until all answers are ready, and sends them.
func (o *order) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.idleLocked()
	o.resting = true
	for len(o.pending) > 0 && !o.broken {
		if o.pending[0].ready && !o.writing {
			o.flushLocked()
			continue
		}
		o.changed.Wait()
	}
	for o.writing || o.waiting != nil {
		o.changed.Wait()
	}
	o.dropLocked()
}

// idleLocked records that the connection's goroutine neither reads a request nor handles one.
func (o *order) idleLocked() {
	o.busy = false
	o.toldIfStoppingLocked()
}

// toldIfStoppingLocked wakes settle, which waits for changes of the queue only while the server stops.
func (o *order) toldIfStoppingLocked() {
	if o.stopping {
		o.changed.Broadcast()
	}
}

// settle waits until every request that the connection has read is handled. After settle, no further request is handled.
// settle does not wait for a client that does not read its answers: the request behind those is never handled. seal
// ends the wait.
func (o *order) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.sealed && (o.busy && !o.writing || o.handlesLocked()) {
		o.changed.Wait()
	}
	o.sealed = true
}

// handlesLocked reports whether the answer of a request is not ready.
func (o *order) handlesLocked() bool {
	return slices.ContainsFunc(o.pending, func(a *Answer) bool { return !a.ready })
}

// seal keeps the connection from handling a further request, and ends settle.
func (o *order) seal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	o.changed.Broadcast()
}

// owesNothing reports whether the answer of the latest request is ready and the connection is not broken.
func (o *order) owesNothing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.broken && (len(o.pending) == 0 || o.pending[len(o.pending)-1].ready)
}

func (o *order) isStopping() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stopping || o.broken
}

func (o *order) isBroken() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken
}

// Stop makes the connection read no further request, and end once it has answered those that
// it has read. Any goroutine may call it.
func (o *order) Stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopping = true
	o.endLocked()
	o.out.interrupt()
}

// Abort closes the connection at once, and drops the answers that the client is owed. Any
// goroutine may call it.
func (o *order) Abort() {
	o.mu.Lock()
	o.breakLocked()
	o.mu.Unlock()
}

// breakLocked ends all sending, and closes the socket, which ends a waiting read.
func (o *order) breakLocked() {
	o.broken = true
	o.endLocked()
	o.out.cut()
}

// endLocked closes quit and wakes all who wait for a change of the queue.
func (o *order) endLocked() {
	if !o.ended {
		o.ended = true
		close(o.quit)
	}
	o.changed.Broadcast()
}
