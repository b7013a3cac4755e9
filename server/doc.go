// Package server answers the requests of clients. It has the table of handlers and
// hands each request to the one of its API; the handlers stand in rooms by family
// (server/data, server/groups, server/admin), one file for each API, the connections in
// server/transport, and what a user configures in server/config.
//
// It decides nothing about topics, leaders or logs: it asks the rooms below, and turns
// their typed errors into the protocol's codes in server/codes, the only place where that
// happens.
//
// Begin reading at dispatch.go and handlers.go, then server/data/produce.go.
package server
