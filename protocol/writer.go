package protocol

import "encoding/binary"

// Leader tells a client that asked the wrong broker who leads the partition
// (KIP-951).
type Leader struct{ ID, Epoch int32 }

// NodeEndpoint is where a leader that is named in an answer listens.
type NodeEndpoint struct {
	ID   int32
	Host string
	Port int32
	Rack *string
}

// writer appends the fields of a response.
type writer struct {
	b    []byte
	flex bool
}

func (w *writer) int16(v int16) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) int32(v int32) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) int64(v int64) { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) }
func (w *writer) uuid(v UUID)   { w.b = append(w.b, v[:]...) }

func (w *writer) uvarint(v uint32) { w.b = binary.AppendUvarint(w.b, uint64(v)) }

// length writes the length of an array or of bytes; -1 is null.
func (w *writer) length(n int) {
	if w.flex {
		w.uvarint(uint32(n + 1))
	} else {
		w.int32(int32(n))
	}
}

func (w *writer) string(s string) {
	if w.flex {
		w.uvarint(uint32(len(s) + 1))
	} else {
		s = s[:min(len(s), 1<<15-1)]
		w.int16(int16(len(s)))
	}
	w.b = append(w.b, s...)
}

// nullString writes a null for an empty string.
func (w *writer) nullString(s string) {
	switch {
	case s != "":
		w.string(s)
	case w.flex:
		w.uvarint(0)
	default:
		w.int16(-1)
	}
}

// noTags ends a structure that has no tagged fields.
func (w *writer) noTags() {
	if w.flex {
		w.b = append(w.b, 0)
	}
}

// leader writes l as a tagged field.
func (w *writer) leader(tag uint32, l *Leader) {
	w.uvarint(tag)
	w.uvarint(4 + 4 + 1)
	w.int32(l.ID)
	w.int32(l.Epoch)
	w.noTags()
}

// endpoints writes the tagged fields at the end of a response: tag 0, or none.
func (w *writer) endpoints(nodes []NodeEndpoint) {
	if len(nodes) == 0 {
		w.noTags()
		return
	}
	size := uvarintSize(len(nodes) + 1)
	for i := range nodes {
		size += nodes[i].size()
	}
	w.uvarint(1)
	w.uvarint(0)
	w.uvarint(uint32(size))
	w.length(len(nodes))
	for i := range nodes {
		n := &nodes[i]
		w.int32(n.ID)
		w.string(n.Host)
		w.int32(n.Port)
		if n.Rack == nil {
			w.uvarint(0)
		} else {
			w.string(*n.Rack)
		}
		w.noTags()
	}
}

func (n *NodeEndpoint) size() int {
	size := 4 + uvarintSize(len(n.Host)+1) + len(n.Host) + 4 + 1 + 1
	if n.Rack != nil {
		size += uvarintSize(len(*n.Rack)+1) + len(*n.Rack) - 1
	}
	return size
}

func uvarintSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}
