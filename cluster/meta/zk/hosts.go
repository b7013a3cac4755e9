package zk

import "sync"

// hosts gives the library the servers by turns, by their names. The library's own provider resolves the names once, so
// that it never sees an address that changes, and fails if one name does not resolve.
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int // the server that is tried next
	tried   int // servers tried since there was a connection
}

// Init implements zk.HostProvider. The library has shuffled the servers.
func (h *hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = servers
	return nil
}

// Len implements zk.HostProvider.
func (h *hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

// Next implements zk.HostProvider. After a whole round without a connection the library pauses.
func (h *hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next]
	h.next = (h.next + 1) % len(h.servers)
	retryStart = h.tried > 0 && h.tried%len(h.servers) == 0
	h.tried++
	return server, retryStart
}

// Connected implements zk.HostProvider.
func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}
