package broker_test

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"klamm/broker/brokertest"
	"klamm/internal/await"
)

// What exceeds max.connections is served once there is room: another
// connection ends, or the limit is raised. When it is lowered, the connection that
// was quiet for longest is closed.
func TestMaxConnections(t *testing.T) {
	b := brokertest.Run(t, "max.connections=1")
	first := b.Dial()
	first.Alive()
	second := b.Dial()
	second.Send(brokertest.APIVersions())
	first.Alive()
	if n := b.Open(); n != 1 {
		t.Fatalf("%d connections are served, one may be", n)
	}
	_ = first.Conn.Close()
	second.Receive(brokertest.APIVersions())

	third := b.Dial()
	third.Send(brokertest.APIVersions())
	b.Set("max.connections", "2")
	third.Receive(brokertest.APIVersions())
	// The client has its answer before the connection notes that it was sent.
	await.Until(t, "nobody writes", func() bool {
		for _, c := range b.Conns() {
			if c.State().Writing {
				return false
			}
		}
		return true
	})
	second.Alive()
	b.Set("max.connections", "1")
	third.Closed()
	second.Alive()
}

// Connections that come faster than max.connection.creation.rate wait to be
// served, until it is their turn or the limit is raised.
func TestMaxConnectionCreationRate(t *testing.T) {
	b := brokertest.Run(t, "max.connection.creation.rate=1", "quota.window.num=2", "quota.window.size.seconds=1")
	first := b.Dial()
	first.Alive()
	held := func() bool { return strings.Contains(b.Log.String(), "max.connection.creation.rate") }
	var second *brokertest.Client
	for served := 1; !held(); served++ { // one that comes a second after the others need not wait
		second = b.Dial()
		second.Send(brokertest.APIVersions())
		await.Until(t, "the connection waits or is served", func() bool { return held() || b.Open() > served })
	}
	first.Alive()
	second.Receive(brokertest.APIVersions())
	b.Set("max.connection.creation.rate", "1000")
	for range 10 {
		b.Dial().Alive()
	}
}

// A listener may have limits of its own, and takes the others from the broker.
func TestListenersOwnLimits(t *testing.T) {
	b := brokertest.Run(t, "listeners=PLAINTEXT://127.0.0.1:0,OTHER://127.0.0.1:0", "listener.name.other.max.connections=1",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT")
	first := brokertest.DialTo(t, b.Addrs()[1].String())
	first.Alive()
	second := brokertest.DialTo(t, b.Addrs()[1].String())
	second.Send(brokertest.APIVersions())
	b.Logged("max.connections")
	for range 3 {
		b.Dial().Alive()
	}
	if n := b.Open(); n != 4 {
		t.Fatalf("%d connections are served", n)
	}
	b.Set("listener.name.other.max.connections", "2")
	second.Receive(brokertest.APIVersions())
	third := brokertest.DialTo(t, b.Addrs()[1].String())
	third.Send(brokertest.APIVersions())
	_ = first.Conn.Close()
	third.Receive(brokertest.APIVersions())
}

// Each limit that holds a client back is told once a minute, with how often since.
func TestLimitsAreLoggedOnceAMinute(t *testing.T) {
	b := brokertest.Run(t, "message.max.bytes=100", "max.request.partition.size.limit=1")
	b.Topic("t", 3)
	c := b.Dial()
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.ResponsePartitionLimit = 2000
	for range 5 {
		c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 1000)))
		c.Ask(describe)
	}
	for _, limit := range []string{"max.message.bytes", "max.request.partition.size.limit"} {
		if n := strings.Count(b.Log.String(), limit); n != 1 {
			t.Errorf("%s: %d lines", limit, n)
		}
	}
}

// One connection too many of an address is closed, and no other.
func TestMaxConnectionsPerIP(t *testing.T) {
	b := brokertest.Run(t, "max.connections.per.ip=1", "max.connections.per.ip.overrides=localhost:1,127.0.0.2:2")
	first := b.Dial()
	first.Alive()
	b.Dial().Closed()
	first.Alive()

	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	dial := func() *brokertest.Client {
		nc, err := from.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return brokertest.NewClient(t, nc)
	}
	for range 2 {
		dial().Alive()
	}
	dial().Closed()
	if n := strings.Count(b.Log.String(), "max.connections.per.ip"); n != 2 {
		t.Errorf("%d refusals are logged, want 2", n)
	}

	_ = first.Conn.Close()
	await.Until(t, "the place is free", func() bool { return b.Open() == 2 })
	b.Dial().Alive()
	b.Set("max.connections.per.ip.overrides", "127.0.0.2:3")
	dial().Alive()
}

// The brokers' own listener takes connections beyond max.connections; another
// one is closed instead.
func TestBrokersListenerIsProtected(t *testing.T) {
	b := brokertest.Run(t, "max.connections=1", "listeners=PLAINTEXT://127.0.0.1:0,BROKERS://127.0.0.2:0",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT", "inter.broker.listener.name=BROKERS")
	c := b.Dial()
	c.Alive()
	own := brokertest.DialTo(t, b.Addrs()[1].String())
	own.Alive()
	c.Closed()
	own.Alive()
}

// Connections on which nothing happens are closed; one whose fetch waits is
// not, one that stopped within a request is.
func TestIdleConnectionsAreClosed(t *testing.T) {
	b := brokertest.Run(t, "connections.max.idle.ms=600000")
	b.Topic("t", 1)
	quiet, half, waiting, producer := b.Dial(), b.Dial(), b.Dial(), b.Dial()
	quiet.Alive()
	half.Alive()
	half.Write([]byte{0, 0, 0, 20, 0, 18})
	wait := brokertest.Fetch("t", 0, 0, brokertest.Forever, 1)
	waiting.Send(wait)
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	b.Server().Sockets().CloseIdle(10 * time.Minute)
	producer.Alive()
	quiet.Alive()
	b.Server().Sockets().CloseIdle(-time.Minute)
	b.Logged("connections.max.idle.ms")
	quiet.Closed()
	half.Closed()
	producer.Closed()
	brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	if p := brokertest.Fetched(t, waiting.Receive(wait)); p.HighWatermark != 1 {
		t.Fatalf("%+v", p)
	}
}

func TestIdleConnectionsAreLookedFor(t *testing.T) {
	b := brokertest.Run(t, "connections.max.idle.ms=1", "connection.failed.authentication.delay.ms=0")
	b.Dial().Closed()
}

// Requests that are read or served take of one bound, and what finds nothing
// left waits. A fetch that waits takes nothing.
func TestQueuedRequestBytes(t *testing.T) {
	b := brokertest.Run(t, "socket.request.max.bytes=1000", "queued.max.request.bytes=1000")
	b.Topic("t", 1)
	b.Dial().Send(brokertest.Fetch("t", 0, 0, brokertest.Forever, 1))
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	await.Until(t, "a fetch that waits leaves all bytes", func() bool { return b.Server().Sockets().State().QueuedLeft == 1000 })
	first, second, third := b.Dial(), b.Dial(), b.Dial()
	first.Write([]byte{0, 0, 900 >> 8, 900 & 0xff, 0})
	await.Until(t, "the first takes its bytes", func() bool { return b.Server().Sockets().State().QueuedLeft == 100 })
	second.Write([]byte{0, 0, 500 >> 8, 500 & 0xff, 0})
	await.Until(t, "the second takes its bytes", func() bool { return b.Server().Sockets().State().QueuedLeft == -400 })
	third.Send(brokertest.APIVersions())
	b.Logged("queued.max.request.bytes")
	_ = first.Conn.Close()
	third.Receive(brokertest.APIVersions())
	_ = second.Conn.Close()
	await.Until(t, "all is given back", func() bool { return b.Server().Sockets().State().QueuedLeft == 1000 })
}

// A stop does not wait for requests that wait for their turn.
func TestShutdownWithNoBytesLeft(t *testing.T) {
	b := brokertest.Run(t, "socket.request.max.bytes=1000", "queued.max.request.bytes=1000")
	first, second := b.Dial(), b.Dial()
	first.Write([]byte{0, 0, 1000 >> 8, 1000 & 0xff, 0})
	await.Until(t, "the first takes all", func() bool { return b.Server().Sockets().State().QueuedLeft == 0 })
	second.Send(brokertest.APIVersions())
	await.Until(t, "the second is served", func() bool { return b.Open() == 2 })
	if err := b.End(); err != nil {
		t.Fatal(err)
	}
}

// onSocket calls f with the descriptor of a socket.
func onSocket(t testing.TB, socket syscall.Conn, f func(fd int) error) {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := errors.Join(raw.Control(func(fd uintptr) { failed = f(int(fd)) }), failed); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// socketOption reads an option of the socket that serves the only client.
func socketOption(b *brokertest.Broker, option int) (value int) {
	b.T.Helper()
	onSocket(b.T, b.Conns()[0].NetConn().(syscall.Conn), func(fd int) (err error) {
		value, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		return err
	})
	return value
}

func TestSocketOptions(t *testing.T) {
	b := brokertest.Run(t, "socket.send.buffer.bytes=50000", "socket.receive.buffer.bytes=60000", "socket.listen.backlog.size=7")
	b.Dial().Alive()
	// Linux keeps twice what is asked, for its own bookkeeping.
	if got := socketOption(b, unix.SO_SNDBUF); got != 100_000 {
		t.Errorf("the send buffer has %d bytes", got)
	}
	if got := socketOption(b, unix.SO_RCVBUF); got != 120_000 {
		t.Errorf("the receive buffer has %d bytes", got)
	}
	onSocket(t, b.Server().Listeners()[0], func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.Sacked != 7 { // of a socket that listens: its backlog
			t.Errorf("the backlog is %d", info.Sacked)
		}
		return err
	})
}

func TestSocketOptionsOfTheSystem(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	system := map[int]int{}
	onSocket(t, near.(syscall.Conn), func(fd int) error {
		for _, option := range []int{unix.SO_SNDBUF, unix.SO_RCVBUF} {
			value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
			if err != nil {
				return err
			}
			system[option] = value
		}
		return nil
	})
	for _, c := range []struct {
		name       string
		properties []string
		send       int
	}{
		{"left to it", []string{"socket.send.buffer.bytes=-1", "socket.receive.buffer.bytes=-1"}, system[unix.SO_SNDBUF]},
		{"not set", nil, 2 * 102400},
		{"as in Kafka's file", []string{"socket.send.buffer.bytes=102400", "socket.receive.buffer.bytes=102400"}, 2 * 102400},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := brokertest.Run(t, c.properties...)
			b.Dial().Alive()
			if got := socketOption(b, unix.SO_SNDBUF); got != c.send {
				t.Errorf("the send buffer has %d bytes, not %d", got, c.send)
			}
			if got := socketOption(b, unix.SO_RCVBUF); got != system[unix.SO_RCVBUF] {
				t.Errorf("the receive buffer has %d bytes, the system's has %d", got, system[unix.SO_RCVBUF])
			}
		})
	}
}
