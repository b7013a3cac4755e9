package shape

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits bound what a message may have.
type Limits struct {
	// Elements is how many elements the lists of the message have in all, tagged fields among them: an element of two bytes
	// takes some hundreds in memory, with what is answered to it.
	Elements int
	// Tags is how many tagged fields it has: kmsg keeps each one that it does not know in a map.
	Tags int
}

// field is one field of a message.
type field struct {
	kind   fieldKind
	size   int     // the bytes of a fixedField
	fields []field // the fields of a struct; the one kind of element of a listField
}

type fieldKind int8

const (
	fixedField  fieldKind = iota // a number, a bool or a UUID
	textField                    // a string, perhaps null
	dataField                    // bytes, perhaps null
	listField                    // an array of fields that are no structs
	structField                  // an array of structs
	maybeField                   // one struct, perhaps null
	inlineField                  // one struct
)

var (
	text = field{kind: textField}
	data = field{kind: dataField}
)

func fixed(size int) field          { return field{kind: fixedField, size: size} }
func list(of field) field           { return field{kind: listField, fields: []field{of}} }
func structs(fields ...field) field { return field{kind: structField, fields: fields} }
func maybe(fields ...field) field   { return field{kind: maybeField, fields: fields} }
func inline(fields ...field) field  { return field{kind: inlineField, fields: fields} }

// Check walks the body of a message of a version and counts the elements of its lists. If kmsg must not read the body, the
// error says why.
func (s *Shapes) Check(version int16, body []byte, most Limits) (elements int, err error) {
	m := s.of(version)
	w := walker{rest: body, flexible: m.flexible, elements: most.Elements, tagged: most.Tags}
	if err := w.message(m.fields); err != nil {
		return 0, fmt.Errorf("%w, %d bytes before the end", err, len(w.rest))
	}
	return most.Elements - w.elements, nil
}

var (
	errCutOff       = errors.New("the body ends within a field")
	errNoLength     = errors.New("a length that cannot be")
	errManyElements = errors.New("more elements and tagged fields than a message of its kind may have")
)

// walker walks the bytes of a body field by field, without keeping any of them.
type walker struct {
	rest     []byte
	flexible bool
	elements int // how many more elements the body may have
	tagged   int // how many more of them may be tagged fields
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
	case inlineField:
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

// text skips a string or a byte array. size is the number of bytes of its length.
func (w *walker) text(size int) error {
	n, err := w.length(size)
	if err != nil || n < 0 {
		return err
	}
	return w.skip(n)
}

// array walks a list. Every element takes at least one byte.
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

// length reads the length of a string (size 2) or of an array or bytes (size 4). A
// flexible version has the compact form of either. -1 stands for null.
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

// tags skips the tagged fields at the end of a struct. Only flexible versions have them.
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
	w.elements -= int(n)
	if w.tagged -= int(n); w.elements < 0 || w.tagged < 0 {
		return errManyElements
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
