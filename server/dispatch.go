package server

import (
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/request"
	"klamm/server/transport"
)

// dispatch finds the request's handler and calls it. If it returns an error, the
// connection is closed.
func (s *Server) dispatch(c *transport.Conn, header protocol.RequestHeader, body []byte) error {
	api, _ := protocol.Lookup(header.Key) // found: the transport reads no header of an unknown API
	k := &request.Call{Conn: c, API: api, Header: header, Body: body, Places: s.places}
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
	if header.Key != protocol.KeyProduce {
		c.MayWait()
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
