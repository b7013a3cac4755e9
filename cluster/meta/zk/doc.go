// Package zk keeps the metadata tree of a cluster in ZooKeeper, with the client library github.com/go-zookeeper/zk.
//
// The library does less than a session of [meta.Tree] promises, so this package stands around it on both sides. Above
// it, operations wait for a connection and give up with their context, reads are repeated, watches are counted
// (session.go, call.go, watch.go). Below it, each of its connections goes through a link (link.go), which bounds the
// handshake, sends the credentials, keeps the library from beginning a second session, and tells it after a
// reconnection that every watch has fired.
//
// One library connection serves one session. The package knows no path of Kafka's: who may do what to which node is told by
// [Options.Access].
//
// Begin reading at [Store].
package zk
