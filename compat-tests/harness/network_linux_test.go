package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(MainInNamespaces(m)) }

// bounded is how long a test waits for what is to arrive.
const bounded = time.Minute

// on runs a function on a party's host.
func on(t *testing.T, n *Network, p Party, do func() error) {
	t.Helper()
	var h *host // where the tests are
	if p < Clients {
		h = n.hosts[p]
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		done <- h.on(do)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// station is a socket for datagrams on a party's host.
type station struct{ *net.UDPConn }

func newStation(t *testing.T, n *Network, p Party) (s station) {
	t.Helper()
	on(t, n, p, func() (err error) {
		s.UDPConn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.addr(), 0)))
		return err
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// send sends a datagram to another station.
func (s station) send(t *testing.T, to station, text string) {
	t.Helper()
	if _, err := s.WriteTo([]byte(text), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
}

// receive gives the next datagram.
func (s station) receive(t *testing.T) string {
	t.Helper()
	b := make([]byte, 2000)
	if err := s.SetReadDeadline(time.Now().Add(bounded)); err != nil {
		t.Fatal(err)
	}
	size, _, err := s.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:size])
}

// crosses sends a datagram to another station, where it must be the next one that arrives.
func (s station) crosses(t *testing.T, to station, text string) {
	t.Helper()
	s.send(t, to, text)
	if got := to.receive(t); got != text {
		t.Errorf("received %q, want %q", got, text)
	}
}

// hosts are a network of two brokers, with a station on each host.
type hosts struct {
	n                      *Network
	first, second, clients station
}

// lost sends a datagram to the other broker, which must not arrive: the next one that does shows that. The switch takes the packets of a host one after the
// other, and has done with this one when a later one is at the clients.
func (h hosts) lost(t *testing.T, from, to station) {
	t.Helper()
	from.send(t, to, "lost")
	from.crosses(t, h.clients, "after what is lost")
}

// both sets the links between the brokers.
func (h hosts) both(l Link) {
	h.n.Set(1, 2, l)
	h.n.Set(2, 1, l)
}

// TestNetwork holds the switch to what it is told to do to the packets between hosts.
func TestNetwork(t *testing.T) {
	n, err := newNetwork(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	for _, c := range []struct {
		name string
		test func(*testing.T, hosts)
	}{
		{"a link that is cut", testCut}, {"a link that is cut one way", testCutOneWay}, {"a slow link", testSlow},
		{"a link that loses packets", testLossy}, {"a stream over links that lose packets", testLossyStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer n.Heal()
			c.test(t, hosts{n, newStation(t, n, 1), newStation(t, n, 2), newStation(t, n, Clients)})
		})
	}
}

func testCut(t *testing.T, h hosts) {
	h.both(Link{Down: true})
	h.lost(t, h.first, h.second)
	h.lost(t, h.second, h.first)
	h.n.Heal()
	h.first.crosses(t, h.second, "there")
	h.second.crosses(t, h.first, "back")
}

func testCutOneWay(t *testing.T, h hosts) {
	h.n.Set(1, 2, Link{Down: true})
	h.lost(t, h.first, h.second)
	h.second.crosses(t, h.first, "back")
	h.n.Heal()
	h.first.crosses(t, h.second, "there")
}

func testSlow(t *testing.T, h hosts) {
	const delay = 50 * time.Millisecond
	h.both(Link{Delay: delay})
	began := time.Now()
	var sent, got []string
	for i := range 10 {
		sent = append(sent, fmt.Sprint("packet ", i))
		h.first.send(t, h.second, sent[i])
	}
	for range sent {
		h.second.send(t, h.first, h.second.receive(t))
		got = append(got, h.first.receive(t))
		if took := time.Since(began); took < 2*delay {
			t.Fatalf("a packet was there and back after %v, by links that take %v each", took, delay)
		}
	}
	if slices.Sort(got); !slices.Equal(got, sent) {
		t.Errorf("got %q, want %q", got, sent)
	}
}

func testLossy(t *testing.T, h hosts) {
	const many = 100 // of which half are lost: that none or all arrive does not happen
	h.n.Set(1, 2, Link{Loss: 0.5})
	for range many {
		h.first.send(t, h.second, "packet")
	}
	h.first.crosses(t, h.clients, "after what may be lost")
	h.n.Heal()
	h.first.send(t, h.second, "end")
	arrived := 0
	for h.second.receive(t) != "end" {
		arrived++
	}
	if arrived == 0 || arrived == many {
		t.Errorf("%d of %d packets arrived by a link that loses half of them", arrived, many)
	}
}

func testLossyStream(t *testing.T, h hosts) {
	for _, l := range []Link{{Loss: 0.05}, {Loss: 0.05, Delay: time.Millisecond}} {
		near, far := connected(t, h.n)
		h.both(l)
		sent := make([]byte, 256<<10)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}
		written := make(chan error, 1)
		go func() {
			_, err := near.Write(sent)
			written <- errors.Join(err, near.Close())
		}()
		got, err := io.ReadAll(far)
		if err := errors.Join(err, <-written); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%+v: %d bytes arrived of %d, or others: %v", l, len(got), len(sent), err)
		}
		h.n.Heal()
	}
}

// connected gives both ends of a TCP connection from the first broker to the second.
func connected(t *testing.T, n *Network) (near, far net.Conn) {
	t.Helper()
	var listener net.Listener
	on(t, n, 2, func() (err error) {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(Party(2).addr(), 0).String())
		return err
	})
	defer listener.Close()
	on(t, n, 1, func() (err error) {
		near, err = net.DialTimeout("tcp4", listener.Addr().String(), bounded)
		return err
	})
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{near, far} {
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(bounded)); err != nil {
			t.Fatal(err)
		}
	}
	return near, far
}
