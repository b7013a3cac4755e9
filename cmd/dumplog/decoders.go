package dumplog

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"klamm/cmd/scripts/javalib"
)

// decoder gives the text of a key or a value.
type decoder func([]byte) (string, error)

// decoderPackage is the package of Apache Kafka's decoders, and oldDecoders the one before 3.8.
const (
	decoderPackage = "org.apache.kafka.tools.api."
	oldDecoders    = "kafka.serializer."
)

// DefaultDecoder is the decoder of keys and values where none is named.
const DefaultDecoder = decoderPackage + "StringDecoder"

// Decoders gives the parser with decoders of these classes, and what the tool says of classes with old names. The error says that klamm has
// no such decoder: classes of Java do not run in it.
func Decoders(keyClass, valueClass string) (parse Parser, said string, err error) {
	value, note, err := newDecoder(valueClass)
	if err != nil {
		return nil, "", err
	}
	said = note
	key, note, err := newDecoder(keyClass)
	if err != nil {
		return nil, "", err
	}
	said += note
	return func(r *Record) (k, v *string, err error) {
		if k, err = decoded(key, r.Key); err != nil {
			return nil, nil, err
		}
		v, err = decoded(value, r.Value)
		return k, v, err
	}, said, nil
}

// decoded decodes a key or a value, nil for null.
func decoded(d decoder, b []byte) (*string, error) {
	if b == nil {
		return nil, nil
	}
	s, err := d(b)
	return &s, err
}

// newDecoder finds a decoder by its class.
func newDecoder(class string) (d decoder, said string, err error) {
	if name, old := strings.CutPrefix(class, oldDecoders); old {
		class = decoderPackage + name
		said = fmt.Sprintf("%s%s is deprecated. Please use %s instead\n", oldDecoders, name, class)
	}
	switch class {
	case decoderPackage + "StringDecoder":
		return func(b []byte) (string, error) { return text(b), nil }, said, nil
	case decoderPackage + "IntegerDecoder":
		return number(4), said, nil
	case decoderPackage + "LongDecoder":
		return number(8), said, nil
	case decoderPackage + "DefaultDecoder":
		return nil, "", fmt.Errorf("%s prints an address in the memory of a JVM; use StringDecoder, IntegerDecoder or LongDecoder", class)
	}
	return nil, "", fmt.Errorf("klamm runs no class of Java, so not %s; %sStringDecoder, %[2]sIntegerDecoder and %[2]sLongDecoder are there", class, decoderPackage)
}

// number is the decoder of integers of so many bytes.
func number(size int) decoder {
	return func(b []byte) (string, error) {
		if len(b) < size {
			return "", &javalib.Exception{Class: "java.nio.BufferUnderflowException"}
		}
		if size == 4 {
			return javalib.Itoa(int32(binary.BigEndian.Uint32(b))), nil
		}
		return javalib.Itoa(int64(binary.BigEndian.Uint64(b))), nil
	}
}

// text decodes UTF-8, with a replacement character for each part that is none.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, r := range string(b) {
		s.WriteRune(r)
	}
	return s.String()
}
