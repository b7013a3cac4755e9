// Package protocol is the bottom room of the house: frames, the table of APIs
// and the small types that every room names things by. It knows no other room
// and never opens a socket or a file.
//
// Begin reading at api.go, the table of what is served.
package protocol
