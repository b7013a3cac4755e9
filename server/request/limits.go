package request

import (
	"klamm/protocol"
	"klamm/protocol/shape"
)

// clientLimits bound the lists of one request, and peerLimits those of a request between brokers on a listener that is for them. A
// partition in the metadata of all takes seven elements with three replicas. manyElements is from how many elements on requests are
// served one at a time.
var (
	clientLimits = shape.Limits{Elements: 100_000, Tags: 100_000}
	peerLimits   = shape.Limits{Elements: 4_000_000, Tags: 100_000}
)

// limits gives the bounds on the body of a request, in bytes and in elements of its lists.
func (c *Call) limits() (bytes int, most shape.Limits) {
	if c.Peer && c.API.Sender == protocol.Brokers {
		return int(c.API.MaxBytes(c.Peer)), peerLimits
	}
	return protocol.MaxRequestBytes, clientLimits
}

// MaxPartitions is how many partitions a Fetch may name. On a listener for brokers it may be a follower's, which names all partitions that the
// follower has from this broker: a third of 200,000 in a cluster of three. It keeps within MaxBytes all the same.
func (c *Call) MaxPartitions() int {
	if c.Peer {
		return peerLimits.Elements
	}
	return protocol.MaxPartitions
}

const manyElements = 10_000

// manyTopics is manyElements for CreateTopics. The answer has the configuration of each
// topic, which takes a hundred times the bytes of the topic's name.
const manyTopics = 1000

// manyElementsOf returns the number of elements above which a request of an API needs a
// place, see Places.
func manyElementsOf(key int16) int {
	if key == protocol.KeyCreateTopics {
		return manyTopics
	}
	return manyElements
}
