// Package broker starts and stops a whole broker. It puts together the ports, the ids of
// the broker and its cluster, the log directories, the metadata tree, the group
// coordinator and the server. The command, tests and Go programs start a broker by it.
//
// It decides nothing about the protocol, topics or logs.
//
// Begin reading at Start.
package broker
