// Package transport serves the broker's connections: listeners, sockets, frames, the
// order of the answers on a connection, and the limits that apply before the broker
// decodes a request (bytes of requests, large requests, idle connections, open
// connections, and how fast clients open them). Client is the other direction: a connection
// to another broker.
//
// The package knows no API. Its owner hands it a function that serves a request
// (Options.Serve). The package knows only the header and the bytes of a request, and
// only the parts of an answer. It imports package protocol for frames and headers, and
// no other room.
//
// Begin reading at conn.go, the life of a connection, then order.go, the order of its
// answers, socket_server.go, which accepts connections, and client.go.
package transport
