package request

import (
	"net"

	"klamm/protocol"
)

// Places bound what requests of many elements take in memory: each such request is served in the place of what its
// handler waits for, and a place has room for one request. So a request that waits for the controller keeps only those waiting
// that would wait for the controller themselves.
//
// A request that waits for its place keeps its bytes, and with them its part of queued.max.request.bytes: they are in memory.
type Places [waitKinds]chan struct{}

// WaitKind is what a request's handler may wait for while it holds its place.
type WaitKind int8

// The kinds of wait.
const (
	WaitsForNothing WaitKind = iota
	WaitsForController
	WaitsForDisk // for a sync, or for records to be committed
	waitKinds
)

// WaitOf gives what the requests of an API wait for. Handlers of other APIs must not wait for anything while they
// serve a call that is large.
func WaitOf(key int16) WaitKind {
	switch key {
	case protocol.KeyCreateTopics, protocol.KeyDeleteTopics, protocol.KeyCreatePartitions,
		protocol.KeyAlterConfigs, protocol.KeyIncrementalAlterConfigs:
		return WaitsForController
	case protocol.KeyDeleteRecords, protocol.KeyDeleteGroups, protocol.KeyOffsetDelete, protocol.KeyLeaveGroup,
		protocol.KeyAlterReplicaLogDirs:
		return WaitsForDisk
	}
	return WaitsForNothing
}

// NewPlaces makes places that nobody has.
func NewPlaces() *Places {
	p := new(Places)
	for kind := range p {
		p[kind] = make(chan struct{}, 1)
	}
	return p
}

// Take waits for a place. done leaves it. The error is net.ErrClosed when quit is closed before.
func (p *Places) Take(kind WaitKind, quit <-chan struct{}) (done func(), err error) {
	place := p[kind]
	select {
	case place <- struct{}{}:
		return func() { <-place }, nil
	case <-quit:
		return nil, net.ErrClosed
	}
}
