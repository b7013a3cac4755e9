package request

import (
	"encoding/binary"
	"errors"
	"fmt"

	"klamm/protocol"
)

// maxElements bounds how many elements the lists of one request have in all, and
// manyElements those from which on requests are served one at a time: an element of
// two bytes takes some hundreds in memory, with what is answered to it.
const (
	maxElements  = 100_000
	manyElements = 10_000
)

// manyTopics counts in place of manyElements where topics are created: each is
// answered with its configuration, a hundred times what names it.
const manyTopics = 1000

// manyElementsOf is the number of elements from which on requests of an API are
// served one at a time.
func manyElementsOf(key int16) int {
	if key == protocol.KeyCreateTopics {
		return manyTopics
	}
	return manyElements
}

// shapes says how the requests that kmsg decodes are built, so that a body can
// be walked before kmsg has it. kmsg makes room for as many elements as a list
// claims, and counts down as many tagged fields as a message claims, four
// thousand million if five bytes say so, even when the bytes have run out.
var shapes = map[int16][]field{
	protocol.KeyListOffsets: {fixed(4), since(2, fixed(1)), structs(text, structs(fixed(4), since(4, fixed(4)), fixed(8), until(0, fixed(4)))), since(10, fixed(4))},
	protocol.KeyMetadata: {structs(since(10, fixed(16)), text), since(4, fixed(1)),
		until(10, since(8, fixed(1))), since(8, fixed(1))},
	protocol.KeyOffsetCommit: {text, since(1, fixed(4)), since(1, text), since(7, text), since(2, until(4, fixed(8))),
		structs(until(9, text), since(10, fixed(16)), structs(fixed(4), fixed(8), since(1, until(1, fixed(8))), since(6, fixed(4)), text))},
	protocol.KeyOffsetFetch: {until(7, text), until(7, structs(text, list(fixed(4)))),
		since(8, structs(text, since(9, text), since(9, fixed(4)), structs(until(9, text), since(10, fixed(16)), list(fixed(4))))), since(7, fixed(1))},
	protocol.KeyFindCoordinator:         {until(3, text), since(1, fixed(1)), since(4, list(text))},
	protocol.KeyJoinGroup:               {text, fixed(4), since(1, fixed(4)), text, since(5, text), text, structs(text, data), since(8, text)},
	protocol.KeyHeartbeat:               {text, fixed(4), text, since(3, text)},
	protocol.KeyLeaveGroup:              {text, until(2, text), since(3, structs(text, text, since(5, text)))},
	protocol.KeySyncGroup:               {text, fixed(4), text, since(3, text), since(5, text), since(5, text), structs(text, data)},
	protocol.KeyDescribeGroups:          {list(text), since(3, fixed(1))},
	protocol.KeyListGroups:              {since(4, list(text)), since(5, list(text))},
	protocol.KeyAPIVersions:             {since(3, text), since(3, text)},
	protocol.KeyCreateTopics:            {structs(text, fixed(4), fixed(2), structs(fixed(4), list(fixed(4))), structs(text, text)), fixed(4), since(1, fixed(1))},
	protocol.KeyDeleteTopics:            {until(5, list(text)), since(6, structs(text, fixed(16))), fixed(4)},
	protocol.KeyDeleteRecords:           {structs(text, structs(fixed(4), fixed(8))), fixed(4)},
	protocol.KeyInitProducerID:          {text, fixed(4), since(3, fixed(8)), since(3, fixed(2))},
	protocol.KeyOffsetForLeaderEpoch:    {since(3, fixed(4)), structs(text, structs(fixed(4), since(2, fixed(4)), fixed(4)))},
	protocol.KeyDescribeConfigs:         {structs(fixed(1), text, list(text)), since(1, fixed(1)), since(3, fixed(1))},
	protocol.KeyAlterConfigs:            {structs(fixed(1), text, structs(text, text)), fixed(1)},
	protocol.KeyAlterReplicaLogDirs:     {structs(text, structs(text, list(fixed(4))))},
	protocol.KeyDescribeLogDirs:         {structs(text, list(fixed(4)))},
	protocol.KeyCreatePartitions:        {structs(text, fixed(4), structs(list(fixed(4)))), fixed(4), fixed(1)},
	protocol.KeyDeleteGroups:            {list(text)},
	protocol.KeyIncrementalAlterConfigs: {structs(fixed(1), text, structs(text, fixed(1), text)), fixed(1)},
	protocol.KeyOffsetDelete:            {text, structs(text, structs(fixed(4)))},
	protocol.KeyDescribeCluster:         {fixed(1), since(1, fixed(1)), since(2, fixed(1))},
	protocol.KeyDescribeProducers:       {structs(text, list(fixed(4)))},
	protocol.KeyListConfigResources:     {since(1, list(fixed(1)))},
	protocol.KeyDescribeTopicPartitions: {structs(text), fixed(4), maybe(text, fixed(4))},
}

// field is one field of a message.
type field struct {
	kind   fieldKind
	size   int     // of a fixed one, in bytes
	from   int16   // the first version that has it
	below  int16   // the first that has it no more; 0 for none
	fields []field // of a struct, or the one that a list is made of
}

type fieldKind int8

const (
	fixedField  fieldKind = iota
	textField             // a string, perhaps null
	dataField             // bytes, perhaps null
	listField             // of one kind of value
	structField           // an array of structs
	maybeField            // one struct, perhaps null
)

var (
	text = field{kind: textField}
	data = field{kind: dataField}
)

func fixed(size int) field            { return field{kind: fixedField, size: size} }
func list(of field) field             { return field{kind: listField, fields: []field{of}} }
func structs(fields ...field) field   { return field{kind: structField, fields: fields} }
func maybe(fields ...field) field     { return field{kind: maybeField, fields: fields} }
func since(from int16, f field) field { f.from = from; return f }
func until(to int16, f field) field   { f.below = to + 1; return f }

// checkShape walks a body and counts the elements of its lists. The error says
// why kmsg is not to have it.
func checkShape(api *protocol.API, version int16, body []byte) (elements int, err error) {
	w := walker{rest: body, version: version, flexible: api.IsFlexible(version), elements: maxElements}
	if err := w.message(shapes[api.Key]); err != nil {
		return 0, fmt.Errorf("%w, %d bytes before the end", err, len(w.rest))
	}
	return maxElements - w.elements, nil
}

var (
	errCutOff       = errors.New("the body ends within a field")
	errNoLength     = errors.New("a length that cannot be")
	errManyElements = fmt.Errorf("more than %d elements", maxElements)
)

// walker goes through the bytes of a body.
type walker struct {
	rest     []byte
	version  int16
	flexible bool
	elements int // that may still come
}

// message walks the fields of a struct, and its tagged ones.
func (w *walker) message(fields []field) error {
	for i := range fields {
		f := &fields[i]
		if w.version < f.from || f.below != 0 && w.version >= f.below {
			continue
		}
		if err := w.field(f); err != nil {
			return err
		}
	}
	return w.tags()
}

func (w *walker) field(f *field) error {
	switch f.kind {
	case textField:
		return w.text(2)
	case dataField:
		return w.text(4)
	case listField, structField:
		return w.array(f)
	case maybeField:
		if len(w.rest) == 0 {
			return errCutOff
		}
		null := int8(w.rest[0]) < 0
		w.rest = w.rest[1:]
		if null {
			return nil
		}
		return w.message(f.fields)
	}
	return w.skip(f.size)
}

func (w *walker) skip(n int) error {
	if n < 0 || n > len(w.rest) {
		return errCutOff
	}
	w.rest = w.rest[n:]
	return nil
}

// text skips a string, or bytes, whose length takes so many bytes.
func (w *walker) text(size int) error {
	n, err := w.length(size)
	if err != nil || n < 0 {
		return err
	}
	return w.skip(n)
}

// array walks a list, whose elements are at least a byte each.
func (w *walker) array(f *field) error {
	n, err := w.length(4)
	if err != nil {
		return err
	}
	if n > len(w.rest) {
		return errCutOff
	}
	if w.elements -= max(n, 0); w.elements < 0 {
		return errManyElements
	}
	for range n {
		if f.kind == structField {
			err = w.message(f.fields)
		} else {
			err = w.field(&f.fields[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// length reads the length of a string (size 2) or an array (size 4), in its
// compact form where the version has that; -1 is null.
func (w *walker) length(size int) (int, error) {
	if w.flexible {
		n, err := w.uvarint()
		return int(n) - 1, err
	}
	if len(w.rest) < size {
		return 0, errCutOff
	}
	var n int
	if size == 2 {
		n = int(int16(binary.BigEndian.Uint16(w.rest)))
	} else {
		n = int(int32(binary.BigEndian.Uint32(w.rest)))
	}
	w.rest = w.rest[size:]
	if n < -1 {
		return 0, errNoLength
	}
	return n, nil
}

// tags skips the tagged fields that a struct of a flexible version ends with.
func (w *walker) tags() error {
	if !w.flexible {
		return nil
	}
	n, err := w.uvarint()
	if err != nil {
		return err
	}
	if int(n) > len(w.rest) {
		return errCutOff
	}
	for range n {
		if _, err := w.uvarint(); err != nil {
			return err
		}
		size, err := w.uvarint()
		if err != nil {
			return err
		}
		if err := w.skip(int(size)); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) uvarint() (uint32, error) {
	n, size := binary.Uvarint(w.rest)
	switch {
	case size == 0:
		return 0, errCutOff
	case size < 0 || n > 1<<32-1:
		return 0, errNoLength
	}
	w.rest = w.rest[size:]
	return uint32(n), nil
}
