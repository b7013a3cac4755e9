// Package server answers the requests of clients and of other brokers. It has the table of handlers and hands
// each request to the handler of its API. The handlers stand in a package for each family
// of APIs (server/data, server/groups, server/txn, server/admin, server/peer), with one
// file for each API. The connections are in server/transport, and the configuration is in server/config.
//
// The server decides nothing about topics, leaders or logs: it asks the packages below.
// Package server/codes turns their typed errors into the protocol's codes.
//
// It is large because the conversations that hold all families of APIs against Apache Kafka stand here, side by side in
// one suite (golden_*_test.go); without its tests it is small.
//
// Begin reading at dispatch.go and handlers.go, then server/data/produce.go.
package server
