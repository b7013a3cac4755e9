// Package broker puts a whole broker together from its rooms and ends it: the ports,
// who the broker is, the directories and their logs, the metadata tree, the coordinator
// of groups, and the server. The command, tests and Go programs start a broker by it.
//
// It decides nothing about the protocol, topics or logs.
//
// Begin reading at Start.
package broker
