package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

var given sync.Map // ports that this process handed out already

// FreePort gives a port of the loopback that nobody listens on. It is chosen
// below the range that the kernel takes outgoing ports from, so that no client
// connection takes it before the broker does.
func FreePort() (int, error) {
	for range 200 {
		port := 15000 + rand.IntN(17000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		return port, nil
	}
	return 0, fmt.Errorf("harness: no free port on the loopback between 15000 and 32000")
}
