package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Network is hosts with network namespaces of their own, one for each broker and one for all else, and the switch between them, which is in this
// process: it reads what a host sends from a device, as a packet of IP, and writes it to the device of the host that it is for, late, or not at
// all. TCP is the kernel's, and does what it does on a bad line. Its methods may be called from any goroutine.
type Network struct {
	hosts map[Party]*host // by broker; Clients stands for all that is no broker

	mu    sync.Mutex
	links map[[2]Party]Link // those that are not as they should be
}

// host is a network namespace and the other end of the device in it.
type host struct {
	namespace *os.File
	device    *os.File
}

// newNetwork makes a network for the brokers with the ids from 1 on. The process must be one of [MainInNamespaces].
func newNetwork(brokers int) (*Network, error) {
	n := &Network{hosts: map[Party]*host{}, links: map[[2]Party]Link{}}
	here, err := plug("hub", Clients, ZooKeepers)
	if err != nil {
		return nil, fmt.Errorf("harness: no network for the tests, which takes root: %w", err)
	}
	n.hosts[Clients] = here
	for id := Party(1); int(id) <= brokers; id++ {
		h, err := newHost(id)
		if err != nil {
			n.close()
			return nil, fmt.Errorf("harness: no network for broker %d: %w", id, err)
		}
		n.hosts[id] = h
	}
	for _, h := range n.hosts {
		go n.carry(h)
	}
	return n, nil
}

// newHost makes a network namespace. The thread that is in it ends with the goroutine.
func newHost(p Party) (h *host, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		if err = loopbackUp(); err != nil {
			return
		}
		if h, err = plug("eth0", p); err != nil {
			return
		}
		h.namespace, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	}()
	<-done
	return h, err
}

// plug makes a network device with these addresses in the namespace of this thread.
func plug(name string, addrs ...Party) (*host, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	r, err := unix.NewIfreq(name)
	if err == nil {
		r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, r)
	}
	label := name
	for i, p := range addrs {
		if i > 0 {
			label = fmt.Sprint(name, ":", i)
		}
		addr := p.addr().As4()
		if err == nil {
			err = device4(label, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr[:]) })
		}
		if err == nil {
			err = device4(label, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) })
		}
	}
	if err == nil {
		err = setUp(name)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &host{device: os.NewFile(uintptr(fd), name)}, nil
}

// Set says what happens to the packets from one party to another, and not to those on the way back.
func (n *Network) Set(from, to Party, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[[2]Party{from, to}] = l
}

// Heal makes all links good again.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.links)
}

// carry takes what a host sends to where it is for, until the network is closed.
func (n *Network) carry(h *host) {
	late := map[[2]Party]chan parcel{}
	defer func() {
		for _, c := range late {
			close(c)
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		size, err := h.device.Read(buf)
		if err != nil {
			return // closed
		}
		packet := buf[:size]
		if len(packet) < 20 || packet[0]>>4 != 4 {
			continue // a host looks for neighbours by IPv6 on its own account
		}
		way := [2]Party{Party(packet[15]), Party(packet[19])}
		to := n.hosts[way[1]]
		if way[1] == ZooKeepers {
			to = n.hosts[Clients]
		}
		n.mu.Lock()
		l := n.links[way]
		n.mu.Unlock()
		if to == nil || l.Down || rand.Float64() < l.Loss {
			continue
		}
		if l.Delay == 0 {
			_, _ = to.device.Write(packet) // lost where the host is gone
			continue
		}
		if late[way] == nil {
			late[way] = make(chan parcel, 10_000)
			go deliver(late[way], to)
		}
		select {
		case late[way] <- parcel{append([]byte(nil), packet...), time.Now().Add(l.Delay)}:
		default: // a router's queue is full at some time, too
		}
	}
}

// parcel is a packet that arrives later.
type parcel struct {
	packet []byte
	due    time.Time
}

func deliver(parcels <-chan parcel, to *host) {
	for p := range parcels {
		time.Sleep(time.Until(p.due))
		_, _ = to.device.Write(p.packet)
	}
}

// close ends all hosts. What runs on them is without a network.
func (n *Network) close() {
	for _, h := range n.hosts {
		_ = h.device.Close()
		if h.namespace != nil {
			_ = h.namespace.Close()
		}
	}
}

// host gives the host of a broker.
func (n *Network) host(id int32) *host { return n.hosts[Party(id)] }

// on runs a function, which starts a process, in the host's namespace; a nil host is where the tests are. The goroutine must be locked to its
// thread.
func (h *host) on(do func() error) error {
	if h == nil {
		return do()
	}
	back, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		return err
	}
	defer back.Close()
	if err := unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	return errors.Join(do(), unix.Setns(int(back.Fd()), unix.CLONE_NEWNET))
}
