package records

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// all are byte strings of every kind.
func all() [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return [][]byte{nil, {}, []byte("text"), []byte("<größe>&\u2028\x00\x1b\n\"\\"), {0xff}, every, []byte("\ufffd"), []byte(strings.Repeat("x", 100_000))}
}

// TestJSONKeepsEverything writes records with every kind of key, value and header, and reads them back.
func TestJSONKeepsEverything(t *testing.T) {
	write, err := NewWriter(JSON)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	var records []*kgo.Record
	for _, key := range all() {
		for _, value := range all() {
			r := &kgo.Record{Topic: "t", Partition: int32(len(records)), Timestamp: time.UnixMilli(1_700_000_000_123), Key: key, Value: value}
			r.Headers = []kgo.RecordHeader{{Key: string(key), Value: value}, {Key: "same"}, {Key: "same", Value: key}}
			text, records = write(text, r), append(records, r)
		}
	}
	if n := bytes.Count(text, []byte("\n")); n != len(records) {
		t.Fatalf("%d lines of %d records", n, len(records))
	}
	read, err := NewReader(JSON, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range records {
		got, err := read()
		if err != nil {
			t.Fatal(i, err)
		}
		same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
		ok := same(got.Key, want.Key) && same(got.Value, want.Value) && got.Timestamp.Equal(want.Timestamp) && got.Topic == want.Topic && got.Partition == want.Partition && len(got.Headers) == 3
		for j := 0; ok && j < 3; j++ {
			ok = got.Headers[j].Key == want.Headers[j].Key && same(got.Headers[j].Value, want.Headers[j].Value)
		}
		if !ok {
			t.Errorf("record %d: %.100q = %.100q, %.300q\nwant %.100q = %.100q, %.300q", i, got.Key, got.Value, got.Headers, want.Key, want.Value, want.Headers)
		}
	}
	if _, err := read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last record: %v", err)
	}
}

// TestWhatIsNoRecord gives lines that are wrong, each after a good one.
func TestWhatIsNoRecord(t *testing.T) {
	for text, words := range map[string]string{
		`{"key":"a"}`:                                "no value",
		`{"value":"a","valu":"b"}`:                   `"valu"`,
		`{"value":"a","valueBase64":"YQ=="}`:         "both value and valueBase64",
		`{"valueBase64":"***"}`:                      "base64",
		`{"value":1}`:                                "number",
		`{"value":"a"} {"value":"b"}`:                "something follows",
		`hello`:                                      "invalid character",
		`{"value":"a","partition":"0"}`:              "partition",
		`{"value":"a","headers":[{"value":"x"}]}`:    "header 1 has no key",
		`{"value":"a","headers":[{"key":"x"},null]}`: "header 2 has no key",
	} {
		read, err := NewReader(JSON, strings.NewReader("{\"value\":\"good\"}\n\n"+text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := read(); err != nil || string(r.Value) != "good" || r.Key != nil || r.Partition != -1 || !r.Timestamp.IsZero() {
			t.Fatalf("%+v, %v", r, err)
		}
		if r, err := read(); err == nil || !strings.Contains(err.Error(), "line 3 ") || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %+v, %v: want %q", text, r, err, words)
		}
	}
}

// TestTemplates writes and reads by templates.
func TestTemplates(t *testing.T) {
	want := kgo.Record{Topic: "t", Partition: 3, Offset: 7, Timestamp: time.UnixMilli(1_700_000_000_123), Key: []byte("k\n\x00"), Value: []byte("v\xff %v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("\n")}}}
	template := `%p %o %d %K{big32}%k%V{big32}%v%H{byte}%h{%K{byte}%k%V{byte}%v}`
	write, err := NewWriter(template)
	if err != nil {
		t.Fatal(err)
	}
	text := write(write(nil, &want), &want)
	read, err := NewReader(template, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if got.Partition != 3 || !got.Timestamp.Equal(want.Timestamp) || !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) || !reflect.DeepEqual(got.Headers, want.Headers) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
	}
	if _, err := read(); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"xml", "", "%q", "%v{", "%v{hexx}"} {
		if _, err := NewWriter(bad); err == nil {
			t.Errorf("%q writes", bad)
		}
		if _, err := NewReader(bad, strings.NewReader("")); err == nil {
			t.Errorf("%q reads", bad)
		}
	}
	read, err = NewReader(`%k\t%v\n`, strings.NewReader("a\tb\nc d\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := read(); err != nil || string(r.Key) != "a" || string(r.Value) != "b" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := read(); err == nil || !strings.Contains(err.Error(), "record 2 does not fit") {
		t.Errorf("%+v, %v", r, err)
	}
	read, err = NewReader(`%v\n`, strings.NewReader("a\n\nlast"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "", "last"} {
		if r, err := read(); err != nil || string(r.Value) != want {
			t.Errorf("%+v, %v, want %q", r, err, want)
		}
	}
}
