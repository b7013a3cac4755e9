// Package server answers the requests of clients: one file for each API that is
// served (produce.go, fetch.go, ...). The connections are in server/transport, and
// what a user configures is in server/config.
//
// It decides nothing about topics, leaders or logs: it asks the rooms below and turns their typed errors into the protocol's codes
// (errors.go, the only place where that happens).
//
// Begin reading at call.go, the life of a request, then produce.go and fetch.go.
package server
