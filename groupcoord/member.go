package groupcoord

import "bytes"

// Protocol is a way of sharing work out that a member knows, and what the leader has to be told about the
// member for it: a consumer's assignor and its subscription.
type Protocol struct {
	Name     string
	Metadata []byte
}

// member is a member of a group.
type member struct {
	id                 string
	instanceID         *string // of a static member (KIP-345)
	clientID           string
	clientHost         string
	sessionTimeoutMs   int32
	rebalanceTimeoutMs int32
	protocols          []Protocol // the ones it prefers first
	assignment         []byte

	isNew      bool             // it has not been in a generation yet
	join       func(JoinAnswer) // the request that waits for the others to join; nil for none
	sync       func(SyncAnswer) // the request that waits for the leader's assignment; nil for none
	deadlineMs int64            // when it counts as dead; 0 for never, while a request of it waits
	unsynced   bool             // it is in the generation and has not asked what to do
	bytes      int64            // about how much memory it takes
}

func (m *member) isStatic() bool { return m.instanceID != nil }

// metadata is what the member said for a protocol.
func (m *member) metadata(protocol string) []byte {
	for i := range m.protocols {
		if m.protocols[i].Name == protocol {
			return m.protocols[i].Metadata
		}
	}
	return nil
}

// says reports whether the member has said all of this before.
func (m *member) says(protocols []Protocol) bool {
	if len(protocols) != len(m.protocols) {
		return false
	}
	for i := range protocols {
		if protocols[i].Name != m.protocols[i].Name || !bytes.Equal(protocols[i].Metadata, m.protocols[i].Metadata) {
			return false
		}
	}
	return true
}

// protocolsSize is how much memory protocols take.
func protocolsSize(protocols []Protocol) (n int64) {
	for i := range protocols {
		n += int64(len(protocols[i].Name) + len(protocols[i].Metadata) + 64)
	}
	return n
}

// keep copies what came in a request, which the member outlives.
func keep(protocols []Protocol) []Protocol {
	kept := make([]Protocol, len(protocols))
	for i, p := range protocols {
		kept[i] = Protocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)}
	}
	return kept
}
