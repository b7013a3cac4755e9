package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
)

// loopback is where everything listens that is not on a [Network].
const loopback = "127.0.0.1"

// ports are the ports that this process gave out, each with the socket that reserves it.
var ports struct {
	sync.Mutex
	given map[int]net.Listener
}

// FreePort gives a port of the loopback that nobody listens on. It is chosen
// below the range that the kernel takes outgoing ports from, so that no client
// connection takes it before the broker does. The port stays reserved until
// the process ends, so that no other test gets it while its broker is down.
func FreePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = make(map[int]net.Listener)
	}
	for range 200 {
		port := 15000 + rand.IntN(17000)
		if _, taken := ports.given[port]; taken {
			continue
		}
		reserved, err := reservePort(port)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			if reserved != nil {
				_ = reserved.Close()
			}
			continue
		}
		_ = l.Close()
		ports.given[port] = reserved
		return port, nil
	}
	return 0, fmt.Errorf("harness: no free port on the loopback between 15000 and 32000")
}

// reservePort keeps the test processes that run beside this one from choosing a
// port. It listens on a Unix socket of Linux's abstract name space, which leaves
// no file and goes with the process, killed or not. Other systems have no such
// names; there two processes may choose the same port.
func reservePort(port int) (net.Listener, error) {
	if runtime.GOOS != "linux" {
		return nil, nil
	}
	return net.Listen("unix", fmt.Sprintf("@klamm-test-port-%d", port))
}
