package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listener is one bound listener of the broker.
type Listener struct {
	Name string // the listener's name, PLAINTEXT unless configured otherwise
	// Any is set when the listener accepts connections on every address and
	// advertised.listeners is not configured. Then the broker advertises to each client the
	// address that the client's own connection reached.
	Any bool
	// Peers is set when other brokers use the listener: requests between brokers come in there alone, and may be larger than those of clients. It is set
	// before the listener is served.
	Peers bool

	accepted, closed atomic.Int64 // connections, for metrics

	ln net.Listener
}

// SyscallConn implements syscall.Conn, for tests that ask the operating system about the socket.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	sc, ok := l.ln.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// Addr gives the bound address. If the configured port was 0, it contains the port that the
// operating system chose.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// ListenerSpec is the name of a listener and the address to bind, host:port.
type ListenerSpec struct{ Name, Addr string }

// SocketOptions are the options of the listeners' sockets.
type SocketOptions struct {
	ReceiveBytes int // socket.receive.buffer.bytes; with -1 the operating system chooses
	Backlog      int // socket.listen.backlog.size: how many connections may wait to be accepted
	// Listen, if not nil, opens each socket in place of a TCP socket with these options.
	Listen func(addr string) (net.Listener, error)
}

// Bind opens the sockets of the listeners. They accept no connection before
// SocketServer.Serve. So the broker finds out that a port is in use before it touches a
// log directory. If Bind fails, it closes the sockets that it opened; the error is a
// *BindError.
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

// listen opens one socket. Connections inherit the size of their receive buffer from it.
// The size decides the TCP window that both sides agree on when a client connects, so the
// broker cannot set it afterwards. With -1 the operating system chooses.
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
	// A second listen on the same socket only sets the backlog.
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

// configure sets the options of a client's socket. Go's defaults already send small
// answers at once (TCP_NODELAY) and notice dead peers (keep-alive).
func (s *SocketServer) configure(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || s.sendBufferBytes < 0 {
		return nil
	}
	return tcp.SetWriteBuffer(s.sendBufferBytes)
}

// CloseAll closes listeners. A caller of Bind uses it when it will not call
// SocketServer.Serve.
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
	if errors.As(err, &op) { // the text of a net.OpError would name the address once more
		err = op.Err
	}
	return fmt.Sprintf("listener %s cannot listen on %s: %v", e.Listener, e.Addr, err)
}

// Unwrap gives the reason.
func (e *BindError) Unwrap() error { return e.Err }
