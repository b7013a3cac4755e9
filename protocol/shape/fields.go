package shape

import (
	"bytes"
	"reflect"
	"sync"
)

// Message is a request or a response of kmsg's, as far as its shape goes. It is a pointer to a struct.
type Message interface {
	SetVersion(version int16)
	IsFlexible() bool
	AppendTo(dst []byte) []byte
}

// Shapes holds the fields of one kind of message, so that a walker can check a body before
// kmsg reads it. kmsg must not read it unchecked: it makes room for as many elements as a
// list claims, and loops over as many tagged fields as a message claims, even when few
// bytes are left. Any goroutine may use it.
//
// Shapes derives the fields of a version from kmsg's own message when the first message of
// that version comes: it changes a field and looks whether the bytes that kmsg writes
// change. So there is no second schema to keep in step with kmsg's.
type Shapes struct {
	newMessage func() Message

	mu        sync.RWMutex
	byVersion map[int16]version // guarded by mu
}

// version is what a message has in one version.
type version struct {
	fields   []field // without the tagged ones
	flexible bool    // lengths are compact, and each struct ends with tagged fields
}

// New makes the shapes of the messages that newMessage makes.
func New(newMessage func() Message) *Shapes {
	return &Shapes{newMessage: newMessage, byVersion: make(map[int16]version)}
}

// of returns what the message has in a version.
func (s *Shapes) of(number int16) version {
	s.mu.RLock()
	v, known := s.byVersion[number]
	s.mu.RUnlock()
	if known {
		return v
	}
	m := s.newMessage()
	m.SetVersion(number)
	v.flexible = m.IsFlexible()
	v.fields = fieldsOf(reflect.ValueOf(m).Elem(), func() []byte { return m.AppendTo(nil) })
	s.mu.Lock()
	s.byVersion[number] = v
	s.mu.Unlock()
	return v
}

// fieldsOf returns the fields of a struct of a message, in the order in which kmsg writes
// them. It leaves the tagged fields out: each of them carries its own length. encode writes
// the whole message.
func fieldsOf(message reflect.Value, encode func() []byte) (fields []field) {
	for i := range message.NumField() {
		if name := message.Type().Field(i).Name; name == "Version" || name == "UnknownTags" {
			continue
		}
		f := message.Field(i)
		if message.Type().Field(i).Anonymous { // a message of kmsg's whose bytes its owner mends
			fields = append(fields, fieldsOf(f, encode)...)
			continue
		}
		was := reflect.New(f.Type()).Elem()
		was.Set(f)
		if shape, written := shapeOf(f, encode); written {
			fields = append(fields, shape)
		}
		f.Set(was)
	}
	return fields
}

// shapeOf returns the shape of a field. written is false if the version does not have the
// field, or has it as a tagged field. shapeOf changes the field.
func shapeOf(f reflect.Value, encode func() []byte) (shape field, written bool) {
	without := encode()
	switch {
	case f.Kind() == reflect.Slice && f.Type().Elem().Kind() != reflect.Uint8:
		return shapeOfList(f, without, encode)
	case f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct:
		f.Set(newDefault(f.Type().Elem()))
		if bytes.Equal(encode(), without) {
			return field{}, false
		}
		return maybe(fieldsOf(f.Elem(), encode)...), true
	case f.Kind() == reflect.Struct:
		fields := fieldsOf(f, encode)
		return inline(fields...), len(fields) > 0 // of a tagged struct no field is written by itself
	}
	grows := change(f)
	with := encode()
	// kmsg does not write a tagged field that has its default. So a tagged field grows by more than its value does.
	if bytes.Equal(with, without) || len(with)-len(without) != grows {
		return field{}, false
	}
	return simple(f.Type()), true
}

// shapeOfList returns the shape of a list. kmsg does not write a tagged list that is
// empty, so the first element of a tagged list adds more bytes than the second.
func shapeOfList(f reflect.Value, empty []byte, encode func() []byte) (shape field, written bool) {
	elem := f.Type().Elem()
	add := func() []byte {
		f.Set(reflect.Append(f, newDefault(elem).Elem()))
		return encode()
	}
	f.SetZero()
	one, two := add(), add()
	if bytes.Equal(one, empty) || len(one)-len(empty) > len(two)-len(one) {
		return field{}, false
	}
	if elem.Kind() != reflect.Struct {
		return list(simple(elem)), true
	}
	f.SetLen(1)
	return structs(fieldsOf(f.Index(0), encode)...), true
}

// newDefault returns a pointer to a new value, with kmsg's defaults if the type has some.
func newDefault(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(interface{ Default() }); ok {
		d.Default()
	}
	return v
}

// change gives a field another value. It returns how many bytes longer the new value is.
func change(f reflect.Value) (grows int) {
	switch f.Kind() {
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.String:
		f.SetString(f.String() + "x")
		return 1
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		f.Elem().SetString("x")
		return 1
	case reflect.Slice:
		f.SetBytes([]byte{1})
		return 1
	case reflect.Array:
		f.Index(0).SetUint(f.Index(0).Uint() ^ 1)
	case reflect.Float64:
		f.SetFloat(f.Float() + 1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.SetUint(f.Uint() ^ 1)
	default:
		f.SetInt(f.Int() ^ 1)
	}
	return 0
}

// simple returns the shape of a type that is neither a list nor a struct.
func simple(t reflect.Type) field {
	switch t.Kind() {
	case reflect.String, reflect.Pointer:
		return text
	case reflect.Slice:
		return data
	}
	return fixed(int(t.Size()))
}
