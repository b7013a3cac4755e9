package groupcoord

import "encoding/binary"

// subscribe finds out what the members of a consumer group read, when a generation begins. Of other groups, and where
// a member says it in a way that cannot be read, that is not known.
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

// subscribedSize is about how much memory a set of topics takes.
func subscribedSize(topics map[string]bool) (n int64) {
	const entry = 64
	for name := range topics {
		n += int64(entry + len(name))
	}
	return n
}

// reads says whether consumers of the group read a topic, or may.
func (g *group) reads(topic string) bool { return !g.subscriptionKnown || g.subscribed[topic] }

// subscription reads the topics out of what a consumer says of itself (ConsumerProtocolSubscription), and reports false
// where it cannot be read: a version, an array of names, bytes for the assignor, and what newer versions have behind.
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
