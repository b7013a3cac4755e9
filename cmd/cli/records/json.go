package records

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// maxLine is how long a line of JSON may be: a record of Kafka has at most 2 GiB, but nobody wants to hold that in memory several times.
const maxLine = 256 << 20

// line is a record in JSON. What has bytes that are no UTF-8 is in the field that ends in Base64, and the other one is absent.
type line struct {
	Topic         string   `json:"topic,omitempty"`
	Partition     *int32   `json:"partition,omitempty"`
	Offset        *int64   `json:"offset,omitempty"`
	Timestamp     *int64   `json:"timestamp,omitempty"` // milliseconds since 1970
	TimestampType string   `json:"timestampType,omitempty"`
	Key           field    `json:"key,omitzero"`
	KeyBase64     []byte   `json:"keyBase64,omitempty"`
	Value         field    `json:"value,omitzero"`
	ValueBase64   []byte   `json:"valueBase64,omitempty"`
	Headers       []header `json:"headers,omitempty"`
}

// header is a header in JSON.
type header struct {
	Key         field  `json:"key,omitzero"`
	KeyBase64   []byte `json:"keyBase64,omitempty"`
	Value       field  `json:"value,omitzero"`
	ValueBase64 []byte `json:"valueBase64,omitempty"`
}

// field is text or null; it may also be absent.
type field struct {
	there bool
	text  *string
}

// IsZero says that the field is absent.
func (f field) IsZero() bool { return !f.there }

// MarshalJSON writes text or null.
func (f field) MarshalJSON() ([]byte, error) {
	if f.text == nil {
		return []byte("null"), nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(*f.text)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads text or null.
func (f *field) UnmarshalJSON(data []byte) error {
	f.there = true
	return json.Unmarshal(data, &f.text)
}

// fields puts bytes where they belong.
func fields(data []byte, text *field, base64 *[]byte) {
	switch {
	case data == nil:
		text.there = true
	case utf8.Valid(data):
		s := string(data)
		*text = field{true, &s}
	default:
		*base64 = data
	}
}

// bytesOf gives the bytes of a field. what names it. A field that is absent is nil, and ok is false.
func bytesOf(what string, text field, base64 []byte) (data []byte, ok bool, err error) {
	switch {
	case text.there && base64 != nil:
		return nil, false, fmt.Errorf("it has both %s and %sBase64", what, what)
	case base64 != nil:
		return base64, true, nil
	case text.text != nil:
		return []byte(*text.text), true, nil
	}
	return nil, text.there, nil
}

// appendJSON appends a line.
func appendJSON(into []byte, r *kgo.Record) []byte {
	millis := r.Timestamp.UnixMilli()
	l := line{Topic: r.Topic, Partition: &r.Partition, Offset: &r.Offset, Timestamp: &millis, TimestampType: "CreateTime"}
	if r.Attrs.TimestampType() == 1 {
		l.TimestampType = "LogAppendTime"
	}
	fields(r.Key, &l.Key, &l.KeyBase64)
	fields(r.Value, &l.Value, &l.ValueBase64)
	for _, h := range r.Headers {
		var out header
		fields([]byte(h.Key), &out.Key, &out.KeyBase64)
		fields(h.Value, &out.Value, &out.ValueBase64)
		if h.Key == "" {
			out.Key = field{true, new(string)}
		}
		l.Headers = append(l.Headers, out)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(l) // it has nothing that JSON cannot have
	return append(into, out.Bytes()...)
}

// newJSONReader reads lines. Empty ones are passed over.
func newJSONReader(in io.Reader) Reader {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	n := 0
	return func() (*kgo.Record, error) {
		for lines.Scan() {
			n++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			r, err := parseLine(lines.Bytes())
			if err != nil {
				return nil, fmt.Errorf("line %d is no record in JSON: %w", n, err)
			}
			return r, nil
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			return nil, fmt.Errorf("line %d has more than %d bytes", n+1, maxLine)
		} else if err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
}

// parseLine reads one record. A field that it does not know is an error: a misspelt one would be lost.
func parseLine(data []byte) (*kgo.Record, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the record")
	}
	r := &kgo.Record{Topic: l.Topic, Partition: -1}
	if l.Partition != nil {
		r.Partition = *l.Partition
	}
	if l.Timestamp != nil && *l.Timestamp >= 0 {
		r.Timestamp = time.UnixMilli(*l.Timestamp)
	}
	var err error
	if r.Key, _, err = bytesOf("key", l.Key, l.KeyBase64); err != nil {
		return nil, err
	}
	var ok bool
	if r.Value, ok, err = bytesOf("value", l.Value, l.ValueBase64); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("it has no value; null is a tombstone")
	}
	for i, h := range l.Headers {
		key, ok, err := bytesOf("key", h.Key, h.KeyBase64)
		if err != nil || !ok || key == nil {
			return nil, fmt.Errorf("header %d has no key, or two", i+1)
		}
		value, _, err := bytesOf("value", h.Value, h.ValueBase64)
		if err != nil {
			return nil, fmt.Errorf("header %d: %w", i+1, err)
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(key), Value: value})
	}
	return r, nil
}
