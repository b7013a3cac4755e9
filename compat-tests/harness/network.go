package harness

import (
	"net/netip"
	"time"
)

// Party is somebody on a [Network]: the broker with this id, or one of the following.
type Party byte

// The parties that run in the namespace of the tests.
const (
	Clients    Party = 200
	ZooKeepers Party = 201
)

// addr is the address of a party. They are all in one subnet of a namespace that nobody else is in.
func (p Party) addr() netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(p)}) }

// Link is what happens to the packets from one party to another. The zero value carries them at once.
type Link struct {
	Down  bool          // all are lost
	Delay time.Duration // of each
	Loss  float64       // how many are lost, from 0 to 1
}
