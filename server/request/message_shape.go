package request

import (
	"bytes"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// shapes holds the fields of one API's requests, so that a walker can check a body before
// kmsg reads it. kmsg must not read it unchecked: it makes room for as many elements as a
// list claims, and loops over as many tagged fields as a message claims, even when no
// bytes are left. Five bytes can claim four thousand million.
//
// shapes derives the fields of a version from kmsg's own message when the first request of
// that version comes: it changes a field and looks whether the bytes that kmsg writes
// change. So there is no second schema to keep in step with kmsg's.
type shapes struct {
	newRequest func() kmsg.Request

	mu        sync.RWMutex
	byVersion map[int16][]field // guarded by mu
}

func newShapes(newRequest func() kmsg.Request) *shapes {
	return &shapes{newRequest: newRequest, byVersion: make(map[int16][]field)}
}

// of returns the fields of a version, without the tagged ones.
func (s *shapes) of(version int16) []field {
	s.mu.RLock()
	fields, known := s.byVersion[version]
	s.mu.RUnlock()
	if known {
		return fields
	}
	req := s.newRequest()
	req.SetVersion(version)
	fields = fieldsOf(reflect.ValueOf(req).Elem(), func() []byte { return req.AppendTo(nil) })
	s.mu.Lock()
	s.byVersion[version] = fields
	s.mu.Unlock()
	return fields
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
