package groupcoord

import "bytes"

// Protocol is a protocol that a member supports, with its metadata for the leader: of a consumer, the name of an assignor and the
// member's subscription.
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
	protocols          []Protocol // in the order of preference
	assignment         []byte

	isNew      bool             // it has not been in a generation yet
	join       func(JoinAnswer) // answers the join that waits for the other members; nil for none
	sync       func(SyncAnswer) // answers the sync that waits for the leader's assignment; nil for none
	deadlineMs int64            // the tick at which its session ends; 0 for never, while a request of it waits
	unsynced   bool             // it is in the generation and has not sent SyncGroup
	bytes      int64            // about how much memory it takes
}

func (m *member) isStatic() bool { return m.instanceID != nil }

// metadata is the member's metadata for a protocol; nil if it does not support that.
func (m *member) metadata(protocol string) []byte {
	for i := range m.protocols {
		if m.protocols[i].Name == protocol {
			return m.protocols[i].Metadata
		}
	}
	return nil
}

// supports reports whether the member has just these protocols, with the same metadata.
func (m *member) supports(protocols []Protocol) bool {
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

// protocolsSize is how many bytes of memory protocols take.
func protocolsSize(protocols []Protocol) (n int64) {
	for i := range protocols {
		n += int64(len(protocols[i].Name) + len(protocols[i].Metadata) + 64)
	}
	return n
}

// keep copies the protocols of a request, whose memory is reused.
func keep(protocols []Protocol) []Protocol {
	kept := make([]Protocol, len(protocols))
	for i, p := range protocols {
		kept[i] = Protocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)}
	}
	return kept
}
