package main

import (
	"encoding/binary"
	"strings"
)

// frame puts a length prefix before a request with this key, version and rest.
func frame(key, version int16, rest ...string) []byte {
	b := []byte{0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 4242)
	b = append(b, strings.Join(rest, "")...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// malformed asks what becomes of lengths that cannot be and of tagged fields.
func malformed() []odd {
	const (
		client = "\x00\x01c"
		noTags = "\x00"
		acks   = "\xff\xff\x00\x00\x13\x88"                                    // -1, 5 s
		start  = client + "\xff\xff" + acks                                    // of Produce 3
		flex   = client + noTags + "\x00" + acks                               // of Produce 9
		fetch4 = client + "\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01" + // replica, wait, minimum
			"\x00\x10\x00\x00\x00" // maximum, isolation
		fetch12 = client + noTags + "\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x00\x10\x00\x00\x00" + "\x00\x00\x00\x00\xff\xff\xff\xff" // and no session
	)
	return []odd{
		{"header without client id", frame(3, 1, "\xff\xff", "\x00\x00\x00\x00")},
		{"header with a client id of length -2", frame(3, 1, "\xff\xfe", "\x00\x00\x00\x00")},
		{"header with a client id longer than the frame", frame(3, 1, "\x7f\xff", "\x00\x00\x00\x00")},
		{"header with a client id that is no UTF-8", frame(3, 1, "\x00\x02\xff\xfe", "\x00\x00\x00\x00")},
		{"header with unknown tagged fields", frame(3, 12, client, "\x02\x05\x01x\x09\x00", "\x01\x00\x00\x00")},
		{"header with the same tagged field twice", frame(3, 12, client, "\x02\x05\x01x\x05\x01y", "\x01\x00\x00\x00")},
		{"header with tagged fields in another order", frame(3, 12, client, "\x02\x09\x01x\x05\x01y", "\x01\x00\x00\x00")},
		{"header with a tagged field longer than the frame", frame(3, 12, client, "\x01\x05\x7f", "\x01\x00\x00\x00")},
		{"header with more tagged fields than there are", frame(3, 12, client, "\x05\x05\x00", "\x01\x00\x00\x00")},
		{"Produce 3, null topics", frame(0, 3, start, "\xff\xff\xff\xff")},
		{"Produce 3, -2 topics", frame(0, 3, start, "\xff\xff\xff\xfe")},
		{"Produce 3, 2^31-1 topics", frame(0, 3, start, "\x7f\xff\xff\xff")},
		{"Produce 3, no topics", frame(0, 3, start, "\x00\x00\x00\x00")},
		{"Produce 3, null topic name", frame(0, 3, start, "\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00")},
		{"Produce 3, empty topic name", frame(0, 3, start, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00")},
		{"Produce 3, null partitions", frame(0, 3, start, "\x00\x00\x00\x01\x00\x06golden\xff\xff\xff\xff")},
		{"Produce 3, records longer than the frame", frame(0, 3, start, "\x00\x00\x00\x01\x00\x06golden\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x50abc")},
		{"Produce 9, null topics", frame(0, 9, flex, "\x00\x00")},
		{"Produce 9, 2^31-1 topics", frame(0, 9, flex, "\xff\xff\xff\xff\x0f\x00")},
		{"Produce 9, a length of six bytes", frame(0, 9, flex, "\x80\x80\x80\x80\x80\x00\x00")},
		{"Produce 9, a length in more bytes than it needs", frame(0, 9, flex, "\x81\x80\x80\x80\x00\x00")},
		{"Produce 9, unknown tagged field", frame(0, 9, flex, "\x01\x01\x63\x02ab")},
		{"Produce 9, a tagged field longer than the frame", frame(0, 9, flex, "\x01\x01\x63\x09ab")},
		{"Fetch 4, null topics", frame(1, 4, fetch4, "\xff\xff\xff\xff")},
		{"Fetch 4, null partitions", frame(1, 4, fetch4, "\x00\x00\x00\x01\x00\x06golden\xff\xff\xff\xff")},
		{"Fetch 4, no topics", frame(1, 4, fetch4, "\x00\x00\x00\x00")},
		{"Fetch 12, null topics", frame(1, 12, fetch12, "\x00\x01\x01\x00")},
		{"Fetch 12, no topics", frame(1, 12, fetch12, "\x01\x01\x01\x00")},
		{"Fetch 12, null rack", frame(1, 12, fetch12, "\x01\x01\x00\x00")},
		{"Fetch 12, cluster id", frame(1, 12, fetch12, "\x01\x01\x01\x01\x00\x02\x02x")},
		{"Fetch 12, cluster id shorter than its field", frame(1, 12, fetch12, "\x01\x01\x01\x01\x00\x05\x02xabc")},
		{"Fetch 12, cluster id longer than its field", frame(1, 12, fetch12, "\x01\x01\x01\x01\x00\x02\x04xab")},
		{"Fetch 12, cluster id twice", frame(1, 12, fetch12, "\x01\x01\x01\x02\x00\x02\x02x\x00\x02\x02x")},
		{"Fetch 12, null cluster id", frame(1, 12, fetch12, "\x01\x01\x01\x01\x00\x01\x00")},
	}
}
