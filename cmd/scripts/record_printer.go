package scripts

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/scripts/javalib"
)

// recordPrinter prints records as DefaultMessageFormatter does.
type recordPrinter struct {
	silent                                              bool
	timestamp, key, offset, partition, headers, value   bool
	keySeparator, lineSeparator, headersSeparator, null string
	keys, values, headerValues                          deserializer
}

// deserializer makes a text of bytes.
type deserializer func([]byte) (string, error)

// printer makes what prints the records.
func (o *consoleConsumerOptions) printer() (*recordPrinter, error) {
	class, err := o.Value(o.formatter)
	if err != nil {
		return nil, err
	}
	properties, err := readProperties(o.Set, o.formatterConfig, o.property)
	if err != nil {
		return nil, err
	}
	for _, option := range []struct {
		name string
		of   string
	}{{"key.deserializer", orFirst(o.Values(o.keyDeserializer))}, {"value.deserializer", orFirst(o.Values(o.valueDeserializer))}} {
		if _, set := properties[option.name]; option.of != "" && !set {
			properties[option.name] = option.of
		}
	}
	name := class[strings.LastIndexByte(class, '.')+1:]
	if name == "NoOpMessageFormatter" {
		return &recordPrinter{silent: true}, nil
	}
	if name != "DefaultMessageFormatter" {
		return nil, &exit{1, "klamm runs no Java class, so that --formatter " + class + " is not served; klamm dump-log decodes the records of internal topics"}
	}
	return newRecordPrinter(properties)
}

// orFirst is the first of some texts, "" for none.
func orFirst(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

func newRecordPrinter(properties clientProperties) (*recordPrinter, error) {
	p := &recordPrinter{value: true, keySeparator: "\t", lineSeparator: "\n", headersSeparator: ",", null: "null"}
	flags := map[string]*bool{"print.timestamp": &p.timestamp, "print.key": &p.key, "print.offset": &p.offset, "print.partition": &p.partition, "print.headers": &p.headers, "print.value": &p.value}
	texts := map[string]*string{"key.separator": &p.keySeparator, "line.separator": &p.lineSeparator, "headers.separator": &p.headersSeparator, "null.literal": &p.null}
	classes := map[string]*deserializer{"key.deserializer": &p.keys, "value.deserializer": &p.values, "headers.deserializer": &p.headerValues}
	for name, value := range properties {
		switch {
		case flags[name] != nil:
			*flags[name] = strings.EqualFold(strings.TrimSpace(value), "true")
		case texts[name] != nil:
			*texts[name] = value
		case classes[name] != nil:
			d, err := deserializerOf(value)
			if err != nil {
				return nil, err
			}
			*classes[name] = d
		default:
			return nil, &exit{1, "klamm's printer of records has no property " + name}
		}
	}
	return p, nil
}

// deserializerOf gives what one of Kafka's deserializers does.
func deserializerOf(class string) (deserializer, error) {
	sized := func(kind string, size int, text func([]byte) string) deserializer {
		return func(b []byte) (string, error) {
			if len(b) != size {
				return "", &javalib.Exception{Class: "org.apache.kafka.common.errors.SerializationException", Message: fmt.Sprintf("Size of data received by %sDeserializer is not %d", kind, size)}
			}
			return text(b), nil
		}
	}
	switch kind := strings.TrimPrefix(class, "org.apache.kafka.common.serialization."); kind {
	case "StringDeserializer":
		return func(b []byte) (string, error) { return strings.ToValidUTF8(string(b), "\uFFFD"), nil }, nil
	case "ShortDeserializer":
		return sized("Short", 2, func(b []byte) string { return javalib.Itoa(int16(binary.BigEndian.Uint16(b))) }), nil
	case "IntegerDeserializer":
		return sized("Integer", 4, func(b []byte) string { return javalib.Itoa(int32(binary.BigEndian.Uint32(b))) }), nil
	case "LongDeserializer":
		return sized("Long", 8, func(b []byte) string { return javalib.Itoa(int64(binary.BigEndian.Uint64(b))) }), nil
	case "DoubleDeserializer":
		return sized("Double", 8, func(b []byte) string { return javalib.Double(math.Float64frombits(binary.BigEndian.Uint64(b))) }), nil
	}
	return nil, &exit{1, "klamm runs no Java class: the deserializer " + class + " is not served"}
}

// bytes is what is printed of a key, a value or a header's value.
func (p *recordPrinter) bytes(d deserializer, b []byte) ([]byte, error) {
	if b == nil {
		b = []byte(p.null)
	}
	if d == nil {
		return b, nil
	}
	text, err := d(b)
	return []byte(text), err
}

// write prints a record. An error is about the record; that nobody reads any more shows when w is flushed.
func (p *recordPrinter) write(w *bufio.Writer, r *kgo.Record) error {
	if p.silent {
		return nil
	}
	separate := func(more bool) {
		if more {
			fmt.Fprint(w, p.keySeparator)
		} else {
			fmt.Fprint(w, p.lineSeparator)
		}
	}
	if p.timestamp {
		const create, append = 0, 1
		switch r.Attrs.TimestampType() {
		case create:
			fmt.Fprintf(w, "CreateTime:%d", r.Timestamp.UnixMilli())
		case append:
			fmt.Fprintf(w, "LogAppendTime:%d", r.Timestamp.UnixMilli())
		default:
			fmt.Fprint(w, "NO_TIMESTAMP")
		}
		separate(p.offset || p.partition || p.headers || p.key || p.value)
	}
	if p.partition {
		fmt.Fprintf(w, "Partition:%d", r.Partition)
		separate(p.offset || p.headers || p.key || p.value)
	}
	if p.offset {
		fmt.Fprintf(w, "Offset:%d", r.Offset)
		separate(p.headers || p.key || p.value)
	}
	if p.headers {
		if err := p.writeHeaders(w, r); err != nil {
			return err
		}
		separate(p.key || p.value)
	}
	if p.key {
		b, err := p.bytes(p.keys, r.Key)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s", b)
		separate(p.value)
	}
	if p.value {
		b, err := p.bytes(p.values, r.Value)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s%s", b, p.lineSeparator)
	}
	return nil
}

func (p *recordPrinter) writeHeaders(w *bufio.Writer, r *kgo.Record) error {
	if len(r.Headers) == 0 {
		fmt.Fprint(w, "NO_HEADERS")
	}
	for i, h := range r.Headers {
		b, err := p.bytes(p.headerValues, h.Value)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprint(w, p.headersSeparator)
		}
		fmt.Fprintf(w, "%s:%s", h.Key, b)
	}
	return nil
}
