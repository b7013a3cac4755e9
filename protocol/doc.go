// Package protocol has the frames of requests and responses, the table of APIs
// and the small types that every other package uses. It imports no other package of
// klamm but its own protocol/batch, and never opens a socket or a file.
//
// Begin reading at api.go, the table of what is served.
package protocol
