package local

import (
	"encoding/binary"
	"errors"

	"klamm/cluster/meta"
)

// record is a node as the file has it:
//
//	flags u8 (bit 0: data is null), version u32, made u32, children u32,
//	czxid, mzxid, ctime, mtime, owner u64, data
//
// made counts the children ever created. Sequential nodes get their numbers from it.
type record struct {
	version, made, children           int32
	czxid, mzxid, ctime, mtime, owner int64
	data                              []byte // nil is null
}

const (
	recordHeader = 1 + 3*4 + 5*8
	flagNull     = 1
)

var errRecord = errors.New("a node's record is broken")

func (r *record) encode() []byte {
	b := make([]byte, 0, recordHeader+len(r.data))
	var flags byte
	if r.data == nil {
		flags |= flagNull
	}
	b = append(b, flags)
	for _, v := range [...]int32{r.version, r.made, r.children} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	for _, v := range [...]int64{r.czxid, r.mzxid, r.ctime, r.mtime, r.owner} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return append(b, r.data...)
}

// decodeRecord reads a record; its data is a copy.
func decodeRecord(b []byte) (record, error) {
	var r record
	if len(b) < recordHeader {
		return r, errRecord
	}
	at := 1
	for _, p := range [...]*int32{&r.version, &r.made, &r.children} {
		*p = int32(binary.BigEndian.Uint32(b[at:]))
		at += 4
	}
	for _, p := range [...]*int64{&r.czxid, &r.mzxid, &r.ctime, &r.mtime, &r.owner} {
		*p = int64(binary.BigEndian.Uint64(b[at:]))
		at += 8
	}
	if b[0]&flagNull == 0 {
		r.data = append(make([]byte, 0, len(b)-at), b[at:]...)
	}
	return r, nil
}

func (r *record) stat() meta.Stat {
	return meta.Stat{
		Czxid: r.czxid, Mzxid: r.mzxid, Ctime: r.ctime, Mtime: r.mtime,
		Version: r.version, ChildVersion: 2*r.made - r.children,
		EphemeralOwner: r.owner, NumChildren: r.children, DataLength: int32(len(r.data)),
	}
}

// nodeKey gives a node's key: parent, NUL, name. The root's key is one NUL.
func nodeKey(path string) []byte {
	parent, name := meta.Split(path)
	return append(childPrefix(parent), name...)
}

// childPrefix gives the bytes with which the keys of a node's children begin, and no other keys: a path has no
// NUL.
func childPrefix(path string) []byte {
	b := make([]byte, 0, len(path)+32)
	b = append(b, path...)
	return append(b, 0)
}
