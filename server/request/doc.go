// Package request carries a request from its connection to the handler of its API, and
// the answer back. It has Call, which is one request; Typed, TypedOrClosed and TypedLater,
// which make a Handler of a function that takes one of kmsg's messages; and the bounds on
// a body that are checked before kmsg reads it (limits.go, package shape).
//
// It does not know what an API means, and knows no cluster and no log. The packages of the
// API families (data, groups, txn, admin, peer) know them. They import this package; it imports
// none of them.
//
// Begin reading at call.go.
package request
