package transport

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"net"
	"testing"
	"time"

	"klamm/internal/await"
	"klamm/protocol"
)

// startEcho runs a server that answers each request with as many bytes as the request asks
// for: see ask. The server calls MayWait for small requests.
func startEcho(t *testing.T, change func(*Options)) *SocketServer {
	t.Helper()
	o := Options{
		MaxRequestBytes: 100 << 20, QueuedBytes: -1, SendBufferBytes: -1, MaxIdle: -1, RateWindows: 11, RateWindow: time.Second,
		Limited:     func(string, string, ...any) {},
		ClientErred: func(_ *Conn, msg string, err error) { t.Log(msg, err) },
		Logger:      slog.New(slog.DiscardHandler), Now: time.Now,
		Serve: func(c *Conn, header protocol.RequestHeader, body []byte) error {
			a := &Answer{Greeting: header.Key == protocol.KeyAPIVersions}
			if len(body) < gateBytes {
				c.MayWait()
			}
			if !c.Expect(a) {
				return net.ErrClosed
			}
			n := binary.BigEndian.Uint32(body)
			a.Fill(append(binary.BigEndian.AppendUint32(c.Buffer(int(n)+4), n), make([]byte, n)...))
			c.Complete(a, Own)
			return nil
		},
	}
	if change != nil {
		change(&o)
	}
	ls, err := Bind([]ListenerSpec{{Name: "TEST", Addr: "127.0.0.1:0"}}, SocketOptions{ReceiveBytes: -1, Backlog: 50})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSocketServer(o)
	s.Serve(ls, ConnectionLimits{Broker: math.MaxInt32, Rate: math.MaxInt32, PerIP: math.MaxInt32}, "")
	t.Cleanup(func() {
		s.StopAccepting()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // cuts the connections that the test left open
		s.Settle(ctx)
		_ = s.Close(ctx)
	})
	return s
}

// dial connects to the server.
func (s *SocketServer) dial(t *testing.T) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.listeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// ask makes the frame of a request of a given size, which asks for an answer of a given size, in bytes.
func ask(bytes, answer int) []byte {
	body := make([]byte, max(4, bytes))
	binary.BigEndian.PutUint32(body, uint32(answer))
	header := []byte{0, byte(protocol.KeyProduce), 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0} // version 9 is flexible: no tags
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(header)+len(body)))
	return append(append(frame, header...), body...)
}

// wantAnswer reads one answer.
func wantAnswer(t *testing.T, nc net.Conn, bytes int) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(await.Patience))
	got := make([]byte, 4+bytes)
	if _, err := io.ReadFull(nc, got); err != nil || binary.BigEndian.Uint32(got) != uint32(bytes) {
		t.Fatalf("%v, or another answer than one of %d bytes: %x", err, bytes, got[:4])
	}
}
