package server

import (
	"fmt"
	"net"

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
		return fmt.Errorf("API key %d version %d is not served", header.Key, header.Version)
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
