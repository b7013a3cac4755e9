package request

import (
	"net"

	"klamm/protocol"
)

// Places bound the memory that requests of many elements take. There is one place for each WaitKind, and it has room for one
// request. A handler serves such a request while the request holds the place of its API's WaitKind. So a request that waits
// for the controller holds up only requests that would wait for the controller themselves.
//
// A request that waits for its place keeps its bytes in memory, and with them its part of queued.max.request.bytes.
type Places [waitKinds]chan struct{}

// WaitKind is what a request's handler may wait for while it holds its place.
type WaitKind int8

// The kinds of wait.
const (
	WaitsForNothing WaitKind = iota
	WaitsForController
	WaitsForDisk // for a sync, or for records to be committed
	TakesOrders  // for the logs that an order of the controller has this broker open, create or delete
	AsksForISRs  // for the controller, on behalf of another broker
	waitKinds
)

// WaitOf returns what the handler of an API may wait for while it serves a large request. A handler whose API has
// WaitsForNothing must not wait then.
func WaitOf(key int16) WaitKind {
	switch key {
	case protocol.KeyCreateTopics, protocol.KeyDeleteTopics, protocol.KeyCreatePartitions,
		protocol.KeyAlterConfigs, protocol.KeyIncrementalAlterConfigs:
		return WaitsForController
	case protocol.KeyDeleteRecords, protocol.KeyDeleteGroups, protocol.KeyOffsetDelete, protocol.KeyLeaveGroup,
		protocol.KeyAlterReplicaLogDirs,
		protocol.KeyOffsetCommit: // version 0 has each offset written to the metadata tree and synced
		return WaitsForDisk
	case protocol.KeyLeaderAndISR, protocol.KeyStopReplica, protocol.KeyUpdateMetadata:
		return TakesOrders
	case protocol.KeyAlterPartition:
		return AsksForISRs
	}
	return WaitsForNothing
}

// NewPlaces makes places that no request holds.
func NewPlaces() *Places {
	p := new(Places)
	for kind := range p {
		p[kind] = make(chan struct{}, 1)
	}
	return p
}

// Take waits until the place of a kind is free, and takes it. The caller frees it by done. The error is net.ErrClosed if
// quit is closed first.
func (p *Places) Take(kind WaitKind, quit <-chan struct{}) (done func(), err error) {
	place := p[kind]
	select {
	case place <- struct{}{}:
		return func() { <-place }, nil
	case <-quit:
		return nil, net.ErrClosed
	}
}
