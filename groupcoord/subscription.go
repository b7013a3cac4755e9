package groupcoord

import "encoding/binary"

// subscribe finds the topics that the members of a consumer group are subscribed to, when a generation begins. They are not known
// for other groups, and when a member's subscription cannot be read.
func (g *group) subscribe() {
	g.bytes -= subscribedSize(g.subscribed)
	g.subscribed, g.subscriptionKnown = nil, false
	if !g.isConsumers() {
		return
	}
	topics := map[string]bool{}
	for _, m := range g.members {
		if g.protocol == nil || !subscription(m.metadata(*g.protocol), topics) {
			return
		}
	}
	g.subscribed, g.subscriptionKnown = topics, true
	g.bytes += subscribedSize(topics)
}

// subscribedSize is about how many bytes of memory a set of topics takes.
func subscribedSize(topics map[string]bool) (n int64) {
	const entry = 64
	for name := range topics {
		n += int64(entry + len(name))
	}
	return n
}

// reads reports whether a consumer of the group is subscribed to a topic, or may be.
func (g *group) reads(topic string) bool { return !g.subscriptionKnown || g.subscribed[topic] }

// subscription adds the topics of a consumer's metadata (ConsumerProtocolSubscription) to a set. It reports false if the bytes cannot
// be read. They are a version, an array of names, bytes for the assignor, and fields that newer versions added behind.
func subscription(b []byte, topics map[string]bool) bool {
	if len(b) < 6 {
		return false
	}
	n := int32(binary.BigEndian.Uint32(b[2:]))
	b = b[6:]
	for ; n > 0; n-- {
		if len(b) < 2 {
			return false
		}
		size := int(int16(binary.BigEndian.Uint16(b)))
		if size < 0 || size > len(b)-2 {
			return false
		}
		topics[string(b[2:2+size])] = true
		b = b[2+size:]
	}
	if n < 0 || len(b) < 4 {
		return false
	}
	return int64(int32(binary.BigEndian.Uint32(b))) <= int64(len(b)-4)
}
