package liveness

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// watch is the watching of one peer, by a goroutine of its own.
type watch struct {
	detector *Detector
	peer     Peer
	ctx      context.Context // ends when the peer is not watched any more
	cancel   context.CancelFunc

	dead bool // guarded by Detector.mu

	doubted bool // the log has that this broker may be at fault itself; belongs to run
}

// run keeps a connection to the peer, and judges the peer when the connection ends.
func (w *watch) run() {
	conn := w.connect(false)
	for conn != nil {
		ended := w.hold(conn)
		if w.ctx.Err() != nil {
			return
		}
		conn = w.connect(ended)
	}
}

// hold waits until a connection ends, and reports whether the other side ended it.
func (w *watch) hold(conn net.Conn) bool {
	defer context.AfterFunc(w.ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	_, err := io.Copy(io.Discard, conn)
	return err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// connect connects to the peer, however long that takes; nil once the peer is not watched any more. evidence says that the peer
// ended a connection: then it is dead when it refuses often enough in a row.
func (w *watch) connect(evidence bool) net.Conn {
	pause, refused := retryFirst, 0
	for w.ctx.Err() == nil {
		conn, all := w.probe()
		if conn != nil {
			w.detector.set(w, false)
			return conn
		}
		if all {
			refused++
		} else {
			refused = 0
		}
		if evidence && refused >= w.detector.needed() && w.judge() {
			evidence = false // it is told; what is left is to notice that it is back
		}
		wait := probeEvery
		if !evidence {
			wait = pause
			pause = min(2*pause, retryLast)
		}
		w.sleep(wait)
	}
	return nil
}

// judge tells that the peer is dead, if this broker is sound itself.
func (w *watch) judge() bool {
	if err := w.detector.o.Here(w.ctx); err != nil {
		if w.doubted {
			return false
		}
		w.doubted = true
		w.detector.o.Logger.Warn("a broker refuses connections, and this one may be at fault itself", "broker_id", w.peer.ID, "error", err)
		return false
	}
	w.doubted = false
	w.detector.set(w, true)
	return true
}

// probe tries all addresses at once. It gives a connection, or says whether every address refused.
func (w *watch) probe() (conn net.Conn, refused bool) {
	results := make([]error, len(w.peer.Addrs))
	conns := make([]net.Conn, len(w.peer.Addrs))
	ctx, cancel := context.WithTimeout(w.ctx, dialTimeout)
	defer cancel()
	var all sync.WaitGroup
	for i, addr := range w.peer.Addrs {
		all.Go(func() { conns[i], results[i] = w.detector.o.Dial(ctx, addr) })
	}
	all.Wait()
	refused = true
	for i, c := range conns {
		switch {
		case c == nil:
			refused = refused && errors.Is(results[i], syscall.ECONNREFUSED)
		case conn == nil:
			conn = c
		default:
			_ = c.Close()
		}
	}
	return conn, refused && conn == nil
}

// sleep waits, or until the peer is not watched any more.
func (w *watch) sleep(d time.Duration) {
	over := make(chan struct{})
	defer w.detector.o.After(d, func() { close(over) })()
	select {
	case <-over:
	case <-w.ctx.Done():
	}
}
