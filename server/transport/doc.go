// Package transport is the broker's connections: listeners, sockets, frames, the
// order of the answers on a connection, and the limits that hold before anybody
// knows what a request is about (bytes of requests, large requests, idle
// connections, how many are open and how fast they come).
//
// It knows no API. It is handed a function that serves a request (Options.Serve),
// and knows of a request its header and its bytes, and of an answer its parts. It
// imports package protocol for frames and headers, and no other room.
//
// Begin reading at conn.go, the life of a connection, then order.go, the order of its
// answers, and socket_server.go, which accepts connections.
package transport
