package transport

import (
	"slices"
	"sync"
)

// maxPending bounds the answers that a connection may owe at a time. A client
// that pipelines further is not read from until answers have gone out.
const maxPending = 512

// flushBytes is how much of ready answers may be held back while more
// requests of the same connection are already here.
const flushBytes = 64 << 10

// maxHeld is how many bytes of answers that cannot be sent yet a connection may
// collect, because the client does not read or an earlier answer is awaited.
// Then it is not read from until that changes.
const maxHeld = 256 << 10

// order is the order of a connection's answers, and who sends them. Each request takes
// its place when it is about to be served, and its answer is sent once it is ready and all
// before it were: by whom, this table says. At any moment one row holds for the answers
// at the front that are ready.
//
//	state     what is so                              who sends what is ready at the front
//	serving   the connection's goroutine reads on or  an answer that is completed inside of the
//	          serves a request, and will look at the  handler waits for that look, so that what
//	          queue before it waits                   came together is answered together; one
//	                                                  that is completed elsewhere is sent by who
//	                                                  completes it, or a goroutine
//	resting   the goroutine looked at the queue, and  who completes it, or a goroutine, whoever
//	          waits: for bytes, room, or the end      that is: the goroutine does not look again
//	writing   somebody sends, without mu              who sends, before it stops
//	broken    the socket failed, or was cut           nobody: what is ready, or becomes it, is
//	                                                  released, once
//
// serving and resting exclude each other, writing and broken go with either. stopping and
// sealed say nothing of sending: with stopping no further request is read, and with
// sealed none that was read is served.
//
// The scripts in testdata/order play these states, and a test all orders in which a handler,
// a completion elsewhere, the client's end, a stop and a cut can come.
type order struct {
	out outlet

	mu       sync.Mutex
	changed  sync.Cond     // signalled when pending shrinks or writing ends
	pending  []*Answer     // guarded by mu; answers owed, oldest first
	held     int           // guarded by mu; bytes ready and not yet taken to be written
	batch    []*Answer     // used by who writes; its room is used again
	resting  bool          // guarded by mu; see above
	writing  bool          // guarded by mu; somebody is sending
	broken   bool          // guarded by mu; the socket failed or was aborted: nothing is sent any more
	stopping bool          // guarded by mu; no further request is read
	busy     bool          // guarded by mu; the connection's goroutine reads a request or handles it
	sealed   bool          // guarded by mu; no further request is handled
	ended    bool          // guarded by mu; quit is closed
	waiting  Waiter        // guarded by mu; the request that waits, nil for none
	quit     chan struct{} // closed with stopping and with broken: ends waits for something else than the socket
}

// outlet is what the answers go to.
type outlet interface {
	// write sends answers. One goroutine at a time calls it, without mu.
	write(batch []*Answer) error
	// takes reports whether so many bytes can be written without waiting. It is called
	// under mu while nobody writes.
	takes(bytes int) bool
	// spawn runs f on a goroutine of its own.
	spawn(f func())
	// interrupt ends a read of the socket that waits, cut closes the socket.
	interrupt()
	cut()
	// release gives back what an answer holds.
	release(a *Answer)
}

func (o *order) open(out outlet) {
	o.out, o.quit = out, make(chan struct{})
	o.changed.L = &o.mu
}

// Completer says who completes an answer, and with that when it is sent.
type Completer int

const (
	// Own is the handler, or whoever it left the answer to before the next request is served, on whatever
	// goroutine. The connection's goroutine sends the answer later, when it would wait for the next request, or
	// a goroutine, where it waits already.
	Own Completer = iota
	// Aside is anybody else: the sending is left to a goroutine, since a client that does not
	// read must not hold up who appends to a partition.
	Aside
	// Here is anybody else too, but what the socket takes at once is sent at once: another
	// goroutine costs as much as the sending.
	Here
)

// Expect takes the next place in the order of answers. Only the connection's goroutine
// calls it, once for each request, before the request is served. It reports false when the
// request is not to be served, because the server has stopped.
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

// Complete marks an answer ready: what was set by Fill or SetParts is sent in its turn,
// and nothing where neither was called. It is called once for each answer.
//
// Whether the connection's goroutine will still look at the queue is decided here, under mu,
// and not by who calls: a handler that hands its answer to another goroutine may have
// returned before that calls Complete.
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

// rest sends what is ready before the connection's goroutine waits.
func (o *order) rest() {
	o.mu.Lock()
	o.resting = true
	o.flushLocked()
	o.mu.Unlock()
}

// flush sends what is ready, in order.
func (o *order) flush() {
	o.mu.Lock()
	o.flushLocked()
	o.mu.Unlock()
}

// flushLocked sends the ready answers at the front of the queue. It gives up mu
// while it writes; writing keeps everybody else from doing the same, and is
// looked at again under mu, so that no answer that became ready meanwhile is
// left behind.
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

// dropLocked gives back what answers that will not be sent hold. Those not
// ready yet are given back by Complete.
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

// room waits until the connection owes few enough answers to read on. It
// reports false when no further request is to be read.
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

// drain sends what is owed and waits for what is not ready yet.
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

// idleLocked notes that the connection's goroutine neither reads a request nor handles one.
func (o *order) idleLocked() {
	o.busy = false
	o.toldIfStoppingLocked()
}

// toldIfStoppingLocked wakes settle, which waits for such changes only while the server stops.
func (o *order) toldIfStoppingLocked() {
	if o.stopping {
		o.changed.Broadcast()
	}
}

// settle waits until every request that the connection has read is handled, and has no further one handled. A client
// that does not read its answers is not waited for: the request behind those is never handled. seal ends the wait.
func (o *order) settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.sealed && (o.busy && !o.writing || o.handlesLocked()) {
		o.changed.Wait()
	}
	o.sealed = true
}

// handlesLocked says that a request has no answer yet.
func (o *order) handlesLocked() bool {
	return slices.ContainsFunc(o.pending, func(a *Answer) bool { return !a.ready })
}

// seal has no further request handled.
func (o *order) seal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	o.changed.Broadcast()
}

// owesNothing says that all requests so far have their answers.
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

// Stop asks the connection to end once it has answered what it has read.
func (o *order) Stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopping = true
	o.endLocked()
	o.out.interrupt()
}

// Abort cuts the connection; answers owed are dropped.
func (o *order) Abort() {
	o.mu.Lock()
	o.breakLocked()
	o.mu.Unlock()
}

// breakLocked ends all sending, and closes the socket, which wakes the reader.
func (o *order) breakLocked() {
	o.broken = true
	o.endLocked()
	o.out.cut()
}

func (o *order) endLocked() {
	if !o.ended {
		o.ended = true
		close(o.quit)
	}
	o.changed.Broadcast()
}
