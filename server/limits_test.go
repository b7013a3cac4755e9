package server

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// open is how many connections count against the limits.
func (b *runningBroker) open() int {
	return b.server.sockets.State().Open
}

// set changes the broker's dynamic configuration.
func (b *runningBroker) set(name, value string) {
	b.t.Helper()
	for _, err := range b.server.config.SetBroker(map[string]string{name: value}) {
		b.t.Fatal(err)
	}
}

// What exceeds max.connections is served once there is room: another
// connection ends, or the limit is raised. When it is lowered, the connection that
// was quiet for longest is closed.
func TestMaxConnections(t *testing.T) {
	b := runBroker(t, "max.connections=1")
	first := b.dial()
	first.alive()
	second := b.dial()
	second.send(apiVersions())
	first.alive()
	if n := b.open(); n != 1 {
		t.Fatalf("%d connections are served, one may be", n)
	}
	_ = first.nc.Close()
	second.receive(apiVersions())

	third := b.dial()
	third.send(apiVersions())
	b.set("max.connections", "2")
	third.receive(apiVersions())
	// The client has its answer before the connection notes that it was sent.
	eventually(t, "nobody writes", func() bool {
		for _, c := range b.conns() {
			if c.State().Writing {
				return false
			}
		}
		return true
	})
	second.alive()
	b.set("max.connections", "1")
	third.closed()
	second.alive()
}

// Connections that come faster than max.connection.creation.rate wait to be
// served, until it is their turn or the limit is raised.
func TestMaxConnectionCreationRate(t *testing.T) {
	b := runBroker(t, "max.connection.creation.rate=1", "quota.window.num=2", "quota.window.size.seconds=1")
	first := b.dial()
	first.alive()
	second := b.dial()
	second.send(apiVersions())
	b.logged("max.connection.creation.rate")
	first.alive()
	second.receive(apiVersions())
	b.set("max.connection.creation.rate", "1000")
	for range 10 {
		b.dial().alive()
	}
}

// logged waits until the log has a line about a limit.
func (b *runningBroker) logged(limit string) {
	b.t.Helper()
	eventually(b.t, limit+" is in the log", func() bool { return strings.Contains(b.log.String(), limit) })
}

// A listener may have limits of its own, and takes the others from the broker.
func TestListenersOwnLimits(t *testing.T) {
	b := runBroker(t, "listeners=PLAINTEXT://127.0.0.1:0,OTHER://127.0.0.1:0", "listener.name.other.max.connections=1",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT")
	first := dialTo(t, b.Addrs()[1].String())
	first.alive()
	second := dialTo(t, b.Addrs()[1].String())
	second.send(apiVersions())
	b.logged("max.connections")
	for range 3 {
		b.dial().alive()
	}
	if n := b.open(); n != 4 {
		t.Fatalf("%d connections are served", n)
	}
	b.set("listener.name.other.max.connections", "2")
	second.receive(apiVersions())
	third := dialTo(t, b.Addrs()[1].String())
	third.send(apiVersions())
	_ = first.nc.Close()
	third.receive(apiVersions())
}

// Each limit that holds a client back is told once a minute, with how often since.
func TestLimitsAreLoggedOnceAMinute(t *testing.T) {
	b := runBroker(t, "message.max.bytes=100", "max.request.partition.size.limit=1")
	b.topic("t", 3)
	c := b.dial()
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.ResponsePartitionLimit = 2000
	for range 5 {
		c.ask(produce("t", 0, 1, batchOf(t, 1000)))
		c.ask(describe)
	}
	for _, limit := range []string{"max.message.bytes", "max.request.partition.size.limit"} {
		if n := strings.Count(b.log.String(), limit); n != 1 {
			t.Errorf("%s: %d lines", limit, n)
		}
	}
}

// One connection too many of an address is closed, and no other.
func TestMaxConnectionsPerIP(t *testing.T) {
	b := runBroker(t, "max.connections.per.ip=1", "max.connections.per.ip.overrides=localhost:1,127.0.0.2:2")
	first := b.dial()
	first.alive()
	b.dial().closed()
	first.alive()

	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	dial := func() *client {
		nc, err := from.Dial("tcp", b.addr())
		if err != nil {
			t.Fatal(err)
		}
		return newClient(t, nc)
	}
	for range 2 {
		dial().alive()
	}
	dial().closed()
	if n := strings.Count(b.log.String(), "max.connections.per.ip"); n != 2 {
		t.Errorf("%d refusals are logged, want 2", n)
	}

	_ = first.nc.Close()
	eventually(t, "the place is free", func() bool { return b.open() == 2 })
	b.dial().alive()
	b.set("max.connections.per.ip.overrides", "127.0.0.2:3")
	dial().alive()
}

// The brokers' own listener takes connections beyond max.connections; another
// one is closed instead.
func TestBrokersListenerIsProtected(t *testing.T) {
	b := runBroker(t, "max.connections=1", "listeners=PLAINTEXT://127.0.0.1:0,BROKERS://127.0.0.2:0",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT", "inter.broker.listener.name=BROKERS")
	c := b.dial()
	c.alive()
	own := dialTo(t, b.Addrs()[1].String())
	own.alive()
	c.closed()
	own.alive()
}

// Connections on which nothing happens are closed; one whose fetch waits is
// not, one that stopped within a request is.
func TestIdleConnectionsAreClosed(t *testing.T) {
	b := runBroker(t, "connections.max.idle.ms=600000")
	b.topic("t", 1)
	quiet, half, waiting, producer := b.dial(), b.dial(), b.dial(), b.dial()
	quiet.alive()
	half.alive()
	half.write([]byte{0, 0, 0, 20, 0, 18})
	wait := fetch("t", 0, 0, forever, 1)
	waiting.send(wait)
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	b.server.sockets.CloseIdle(10 * time.Minute)
	producer.alive()
	quiet.alive()
	b.server.sockets.CloseIdle(-time.Minute)
	b.logged("connections.max.idle.ms")
	quiet.closed()
	half.closed()
	producer.closed()
	produced(t, b.dial().ask(produce("t", 0, 1, batchOf(t, 10))))
	if p := fetched(t, waiting.receive(wait)); p.HighWatermark != 1 {
		t.Fatalf("%+v", p)
	}
}

func TestIdleConnectionsAreLookedFor(t *testing.T) {
	b := runBroker(t, "connections.max.idle.ms=1", "connection.failed.authentication.delay.ms=0")
	b.dial().closed()
}

func (b *runningBroker) budgetLeft() int64 {
	return b.server.sockets.State().QueuedLeft
}

// Requests that are read or served take of one bound, and what finds nothing
// left waits. A fetch that waits takes nothing.
func TestQueuedRequestBytes(t *testing.T) {
	b := runBroker(t, "socket.request.max.bytes=1000", "queued.max.request.bytes=1000")
	b.topic("t", 1)
	b.dial().send(fetch("t", 0, 0, forever, 1))
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	eventually(t, "a fetch that waits leaves all bytes", func() bool { return b.budgetLeft() == 1000 })
	first, second, third := b.dial(), b.dial(), b.dial()
	first.write([]byte{0, 0, 900 >> 8, 900 & 0xff, 0})
	eventually(t, "the first takes its bytes", func() bool { return b.budgetLeft() == 100 })
	second.write([]byte{0, 0, 500 >> 8, 500 & 0xff, 0})
	eventually(t, "the second takes its bytes", func() bool { return b.budgetLeft() == -400 })
	third.send(apiVersions())
	b.logged("queued.max.request.bytes")
	_ = first.nc.Close()
	third.receive(apiVersions())
	_ = second.nc.Close()
	eventually(t, "all is given back", func() bool { return b.budgetLeft() == 1000 })
}

// A stop does not wait for requests that wait for their turn.
func TestShutdownWithNoBytesLeft(t *testing.T) {
	b := runBroker(t, "socket.request.max.bytes=1000", "queued.max.request.bytes=1000")
	first, second := b.dial(), b.dial()
	first.write([]byte{0, 0, 1000 >> 8, 1000 & 0xff, 0})
	eventually(t, "the first takes all", func() bool { return b.budgetLeft() == 0 })
	second.send(apiVersions())
	eventually(t, "the second is served", func() bool { return b.open() == 2 })
	if err := b.stop(); err != nil {
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
func (b *runningBroker) socketOption(option int) (value int) {
	b.t.Helper()
	onSocket(b.t, b.conns()[0].NetConn().(syscall.Conn), func(fd int) (err error) {
		value, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		return err
	})
	return value
}

func TestSocketOptions(t *testing.T) {
	b := runBroker(t, "socket.send.buffer.bytes=50000", "socket.receive.buffer.bytes=60000", "socket.listen.backlog.size=7")
	b.dial().alive()
	// Linux keeps twice what is asked, for its own bookkeeping.
	if got := b.socketOption(unix.SO_SNDBUF); got != 100_000 {
		t.Errorf("the send buffer has %d bytes", got)
	}
	if got := b.socketOption(unix.SO_RCVBUF); got != 120_000 {
		t.Errorf("the receive buffer has %d bytes", got)
	}
	onSocket(t, b.server.Listeners()[0], func(fd int) error {
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
			b := runBroker(t, c.properties...)
			b.dial().alive()
			if got := b.socketOption(unix.SO_SNDBUF); got != c.send {
				t.Errorf("the send buffer has %d bytes, not %d", got, c.send)
			}
			if got := b.socketOption(unix.SO_RCVBUF); got != system[unix.SO_RCVBUF] {
				t.Errorf("the receive buffer has %d bytes, the system's has %d", got, system[unix.SO_RCVBUF])
			}
		})
	}
}

// A resource that is named again and again is not described each time: the answer
// would take ten thousand times what the request does.
func TestDescriptionsOfOneResourceAreBounded(t *testing.T) {
	b := runBroker(t)
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version = 4
	for range maxDescribed + 3 {
		one := kmsg.NewDescribeConfigsRequestResource()
		one.ResourceType, one.ResourceName = resourceBroker, "0"
		req.Resources = append(req.Resources, one)
	}
	for i, r := range b.dial().ask(req).(*kmsg.DescribeConfigsResponse).Resources {
		if refused := r.ErrorCode != 0; refused != (i >= maxDescribed) || refused == (len(r.Configs) > 0) {
			t.Errorf("resource %d: error %d, %d configs", i, r.ErrorCode, len(r.Configs))
		}
	}
}
