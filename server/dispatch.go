package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/boundedlog"
	"klamm/server/request"
	"klamm/server/transport"
)

// dispatch finds the request's handler and calls it. If it returns an error, the
// connection is closed.
func (s *Server) dispatch(c *transport.Conn, header protocol.RequestHeader, body []byte) error {
	api, _ := protocol.Lookup(header.Key) // found: the transport reads no header of an unknown API
	k := &request.Call{Conn: c, API: api, Header: header, Body: body, Places: s.places, Peer: c.Listener().Peers}
	k.Answer.Greeting = header.Key == protocol.KeyAPIVersions
	if k.Stats = s.stats[header.Key]; k.Stats != nil {
		k.Answer.Count(k.Stats)
		c.Begin(&k.Answer, header.Version)
	}
	if !api.Serves(header.Version) {
		if header.Key == protocol.KeyAPIVersions {
			if !c.Expect(&k.Answer) {
				return net.ErrClosed
			}
			refuseApiVersions(k)
			return nil
		}
		return fmt.Errorf("%s v%d is not served, only v%d to v%d", api.Name, header.Version, api.Min, api.Max)
	}
	if s.requests.Enabled(context.Background(), slog.LevelDebug) { // asked first: the attributes would be allocated
		s.logRequest(c, api, &header, len(body))
	}
	if header.Key != protocol.KeyProduce {
		c.MayWait()
	}
	if !s.knows(c, api) {
		return net.ErrClosed
	}
	if !c.Expect(&k.Answer) {
		return net.ErrClosed
	}
	if err := s.handlers[header.Key](k); err != nil {
		if !k.Replied() {
			k.NoReply()
		}
		return &request.RequestError{API: api.Name, Version: header.Version, Err: err}
	}
	return nil
}

// logRequest writes a line about a request that came. It tells nothing of what the request holds but its size: requests carry records and
// passwords.
func (s *Server) logRequest(c *transport.Conn, api *protocol.API, header *protocol.RequestHeader, bytes int) {
	clientID := ""
	if header.ClientID != nil {
		clientID = boundedlog.Printable(*header.ClientID)
	}
	s.requests.Debug("request", "api", api.Name, "version", header.Version, "correlation_id", header.CorrelationID, "bytes", bytes,
		"client", c.RemoteAddr().String(), "client_id", clientID, "listener", c.Listener().Name)
}

// knows waits until a broker of a cluster that starts knows the topics that there are, unless the request is served earlier. It reports
// false if the connection ended first.
func (s *Server) knows(c *transport.Conn, api *protocol.API) bool {
	if !s.peers || isServedEarly(api, c.Listener().Peers) {
		return true // where there are no peers, the broker was its own controller before it listened
	}
	select {
	case <-s.known:
		return true
	default:
	}
	c.MayWait()
	select {
	case <-s.known:
		return true
	case <-c.Quit():
		return false
	}
}

// isServedEarly says whether requests do not wait until the broker knows the topics that there are: those that tell it, those of other brokers
// to the controller, and, on a listener for brokers, what followers ask. What this broker leads by now must not wait for another topic.
func isServedEarly(api *protocol.API, peers bool) bool {
	return api.Key == protocol.KeyAPIVersions || api.Sender == protocol.Brokers || api.Sender == protocol.Followers && peers
}

// apiName is what Kafka calls the API of a key, also where klamm does not serve it.
func apiName(key int16) string {
	if api, ok := protocol.Lookup(key); ok {
		return api.Name
	}
	if name := kmsg.NameForKey(key); name != "Unknown" {
		return name
	}
	return fmt.Sprintf("the unknown API key %d", key)
}
