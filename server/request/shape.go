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

// field is one field of a message.
type field struct {
	kind   fieldKind
	size   int     // of a fixed one, in bytes
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

func fixed(size int) field          { return field{kind: fixedField, size: size} }
func list(of field) field           { return field{kind: listField, fields: []field{of}} }
func structs(fields ...field) field { return field{kind: structField, fields: fields} }
func maybe(fields ...field) field   { return field{kind: maybeField, fields: fields} }

// check walks a body and counts the elements of its lists. The error says
// why kmsg is not to have it.
func (s *shapes) check(api *protocol.API, version int16, body []byte) (elements int, err error) {
	w := walker{rest: body, flexible: api.IsFlexible(version), elements: maxElements}
	if err := w.message(s.of(version)); err != nil {
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
	flexible bool
	elements int // that may still come
}

// message walks the fields of a struct, and its tagged ones.
func (w *walker) message(fields []field) error {
	for i := range fields {
		f := &fields[i]
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
