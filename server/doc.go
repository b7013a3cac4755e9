// Package server is the room that clients enter by: sockets, the pipeline of
// requests on a connection, and one file for each API that is served
// (produce.go, fetch.go, ...). What a user configures is in server/config.
//
// It decides nothing about topics, leaders or logs: it reads frames, asks the
// rooms below and turns their typed errors into the protocol's codes
// (errors.go, the only place where that happens).
//
// Begin reading at conn.go, the life of a connection, then produce.go and
// fetch.go.
package server
