package request

import (
	"bytes"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// shapes says how the requests of one API are built, so that a body can be walked before
// kmsg has it. kmsg makes room for as many elements as a list claims, and counts down as
// many tagged fields as a message claims, four thousand million if five bytes say so, even
// when the bytes have run out.
//
// The shapes are derived from kmsg's own messages, version by version when one first comes:
// which fields a version has shows in what kmsg writes when a field is changed. There is no
// second schema to keep in step with kmsg's.
type shapes struct {
	newRequest func() kmsg.Request

	mu        sync.RWMutex
	byVersion map[int16][]field // guarded by mu
}

func newShapes(newRequest func() kmsg.Request) *shapes {
	return &shapes{newRequest: newRequest, byVersion: make(map[int16][]field)}
}

// of gives the fields of a version.
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

// fieldsOf gives the fields of a struct of a message that are written one after the other,
// without the tagged ones, which say themselves how long they are. encode writes the
// message. The fields of a struct stand in the order in which they are written.
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

// shapeOf gives the shape of a field; written is false where the version does not have it,
// or has it tagged. It changes the field.
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
	// A tagged field is not written at all before it is changed.
	if bytes.Equal(with, without) || len(with)-len(without) != grows {
		return field{}, false
	}
	return simple(f.Type()), true
}

// shapeOfList gives the shape of a list. A tagged list is not written when it is empty, so
// that its first element takes more than the second.
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

// newDefault gives a pointer to a new value, with kmsg's defaults where it has some.
func newDefault(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(interface{ Default() }); ok {
		d.Default()
	}
	return v
}

// change gives a field another value, and says by how many bytes it is longer then.
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

// simple is the shape of what is no list and no struct.
func simple(t reflect.Type) field {
	switch t.Kind() {
	case reflect.String, reflect.Pointer:
		return text
	case reflect.Slice:
		return data
	}
	return fixed(int(t.Size()))
}
