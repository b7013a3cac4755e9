package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listener is one bound listener of the broker.
type Listener struct {
	Name string // the listener's name, PLAINTEXT unless configured otherwise
	// Any is set when the listener takes connections on every address and
	// nothing was configured to be advertised: then each client is told the
	// address that its own connection came in on.
	Any bool

	ln net.Listener
}

// SyscallConn implements syscall.Conn, for tests that ask the system about the socket.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	sc, ok := l.ln.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// Addr is the address that was bound, with the port that a port of 0 became.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// ListenerSpec says what a listener is called and which address it is bound to.
type ListenerSpec struct{ Name, Addr string }

// SocketOptions are those of a listener's sockets.
type SocketOptions struct {
	ReceiveBytes int // the size of the receive buffer; -1 leaves it to the system
	Backlog      int // how many connections wait to be accepted
	// Listen opens a socket in place of a TCP socket with these options; nil for none.
	Listen func(addr string) (net.Listener, error)
}

// Bind opens the sockets of the listeners. Nothing is accepted before Serve, so that a
// port in use is known before a directory is touched. On error what was opened is
// closed again; the error is a *BindError.
func Bind(specs []ListenerSpec, o SocketOptions) ([]*Listener, error) {
	var bound []*Listener
	open := o.Listen
	if open == nil {
		open = func(addr string) (net.Listener, error) { return listen(addr, o.ReceiveBytes, o.Backlog) }
	}
	for _, spec := range specs {
		ln, err := open(spec.Addr)
		if err != nil {
			CloseAll(bound)
			return nil, &BindError{Listener: spec.Name, Addr: spec.Addr, Err: err}
		}
		bound = append(bound, &Listener{Name: spec.Name, ln: ln})
	}
	return bound, nil
}

// listen opens one socket. Connections take their receive buffer from it: its
// size decides about the window that is agreed on when a client connects, so
// that setting it later would be too late. -1 leaves it to the system.
func listen(addr string, receiveBytes, backlog int) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if receiveBytes < 0 {
			return nil
		}
		return control(raw, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBytes)
		})
	}}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	// Listening once more on the same socket only sets the backlog.
	if sc, ok := ln.(syscall.Conn); ok {
		raw, err := sc.SyscallConn()
		if err == nil {
			err = control(raw, func(fd int) error { return unix.Listen(fd, backlog) })
		}
		if err != nil {
			return nil, errors.Join(err, ln.Close())
		}
	}
	return ln, nil
}

// control calls f with the socket's descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}

// configure sets the options of a client's socket. That small answers leave at
// once and that dead peers are noticed is Go's default.
func (s *SocketServer) configure(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || s.sendBufferBytes < 0 {
		return nil
	}
	return tcp.SetWriteBuffer(s.sendBufferBytes)
}

// CloseAll closes listeners that were bound and are not served.
func CloseAll(ls []*Listener) {
	for _, l := range ls {
		_ = l.ln.Close()
	}
}

// BindError says which listener could not be opened.
type BindError struct {
	Listener string
	Addr     string
	Err      error
}

// Error names the listener, its address and the reason.
func (e *BindError) Error() string {
	err := e.Err
	var op *net.OpError
	if errors.As(err, &op) { // its text would name the address once more
		err = op.Err
	}
	return fmt.Sprintf("listener %s cannot listen on %s: %v", e.Listener, e.Addr, err)
}

// Unwrap gives the reason.
func (e *BindError) Unwrap() error { return e.Err }
