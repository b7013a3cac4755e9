package zk

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// dial connects to a server, without ZooKeeper's handshake. Names are resolved anew each time.
func (s *Store) dial(ctx context.Context, server string) (net.Conn, error) {
	conn, err := s.o.Dial(ctx, "tcp", server)
	if err != nil || s.o.TLS == nil {
		return conn, err
	}
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		conn.Close()
		return nil, err
	}
	cfg := s.o.TLS.Clone()
	cfg.ServerName = host
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// connect is the dialer of the session's library connection. The library's own time-out of one second is left alone.
func (s *Session) connect(_, server string, _ time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.life, s.store.o.AttemptTimeout)
	defer cancel()
	if err := s.life.Err(); err != nil {
		return nil, err // after an expiry the library would begin a session of its own
	}
	conn, err := s.store.dial(ctx, server)
	if err != nil {
		s.attemptFailed(server, err)
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	l, err := newLink(conn, deadline, s.auth, linkEvents{
		granted: s.granted,
		failed:  func(err error) { s.attemptFailed(server, err) },
		synced:  func() { s.synced(server) },
	})
	if err == nil {
		err = s.holds(l)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// EndSession ends a session by its number and password, as its own process would have closed it: its ephemeral nodes
// go. It is for the session that a killed process left. A session that has ended already is no error. It tries until ctx
// ends.
func (s *Store) EndSession(ctx context.Context, session int64, password []byte) error {
	for i := 0; ; i++ {
		server := s.o.Servers[i%len(s.o.Servers)]
		err := s.endSession(ctx, server, session, password)
		if err == nil {
			return nil
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// retryPause is how long EndSession waits after a server that failed.
const retryPause = 100 * time.Millisecond

func (s *Store) endSession(ctx context.Context, server string, session int64, password []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.AttemptTimeout)
	defer cancel()
	conn, err := s.dial(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write(connectFrame(session, password, int32(s.o.SessionTimeout.Milliseconds()))); err != nil {
		return err
	}
	answer, err := readFrame(conn)
	if err != nil {
		return err
	}
	g, err := decodeGrant(answer[4:])
	if err != nil || g.session == 0 { // it has expired
		return err
	}
	if _, err := conn.Write(closeFrame(1)); err != nil {
		return err
	}
	_, err = readFrame(conn) // the server answers when the session's nodes are gone
	return err
}
