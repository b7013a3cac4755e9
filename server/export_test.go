package server

import "klamm/server/request"

// Before has f called before the handler of an API, before any request of it comes.
func (s *Server) Before(key int16, f func()) {
	was := s.handlers[key]
	s.handlers[key] = func(c *request.Call) error {
		f()
		return was(c)
	}
}

// IsServedEarly is isServedEarly.
var IsServedEarly = isServedEarly

// Handle has an API served by another handler, before any request of it comes.
func (s *Server) Handle(key int16, h request.Handler) { s.handlers[key] = h }

// Places are those of requests of many elements.
func (s *Server) Places() *request.Places { return s.places }
