package protocol

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"testing"
)

// goldenRequests calls add with the golden requests of one API, or of all (-1),
// and with the odd ones that can be read.
func goldenRequests(f *testing.F, key int16, add func(h RequestHeader, frame, body []byte)) {
	for _, broker := range brokers {
		for _, g := range goldens(f, broker) {
			h, at, err := ParseRequestHeader(g.request)
			if err != nil {
				f.Fatal(err)
			}
			if key == -1 || key == h.Key {
				add(h, g.request, g.request[at:])
			}
		}
		for _, o := range readOdd(f, broker) {
			if h, at, err := ParseRequestHeader(o.request); err == nil && (key == -1 || key == h.Key) {
				add(h, o.request, o.request[at:])
			}
		}
	}
}

func FuzzRequestHeader(f *testing.F) {
	goldenRequests(f, -1, func(_ RequestHeader, frame, _ []byte) { f.Add(frame) })
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, at, err := ParseRequestHeader(frame)
		if err != nil {
			var malformed *MalformedError
			var unknown *UnknownAPIError
			if !errors.As(err, &malformed) && !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			return
		}
		if at > len(frame) {
			t.Fatalf("the body begins at %d of %d", at, len(frame))
		}
		// What was read says the same when it is written again.
		b := binary.BigEndian.AppendUint16(nil, uint16(h.Key))
		b = binary.BigEndian.AppendUint16(b, uint16(h.Version))
		b = binary.BigEndian.AppendUint32(b, uint32(h.CorrelationID))
		if h.ClientID == nil {
			b = append(b, 0xff, 0xff)
		} else {
			b = binary.BigEndian.AppendUint16(b, uint16(len(*h.ClientID)))
			b = append(b, *h.ClientID...)
		}
		if api, _ := Lookup(h.Key); api.IsFlexible(h.Version) {
			b = append(b, 0)
		}
		again, _, err := ParseRequestHeader(b)
		if err != nil || !reflect.DeepEqual(h, again) {
			t.Fatalf("%+v reads as %+v when written again, %v", h, again, err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x05hello\x00\x00\x00\x00"), int32(100), 3)
	f.Add([]byte("\xff\xff\xff\xffhello"), int32(100), 1)
	f.Add([]byte("\x00\x10\x00\x00hello"), int32(1<<30), 100)
	f.Fuzz(func(t *testing.T, stream []byte, most int32, chunk int) {
		r := bufio.NewReaderSize(&chunks{b: stream, n: max(chunk, 1)}, 16)
		for at := 0; ; {
			b, err := ReadFrame(r, most)
			if err != nil {
				var size *FrameSizeError
				if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.As(err, &size) {
					t.Fatal(err)
				}
				if err == io.EOF && at != len(stream) {
					t.Fatalf("the end was seen at %d of %d", at, len(stream))
				}
				return
			}
			n := int(binary.BigEndian.Uint32(stream[at:]))
			if !bytes.Equal(b.B, stream[at+4:at+4+n]) {
				t.Fatalf("the frame at %d is %x", at, b.B)
			}
			at += 4 + n
			b.Release()
		}
	})
}

// chunks gives n bytes at a time.
type chunks struct {
	b []byte
	n int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

func FuzzParseProduce(f *testing.F) {
	goldenRequests(f, KeyProduce, func(h RequestHeader, _, body []byte) { f.Add(h.Version, body) })
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		r, err := ParseProduce(body, version)
		if err != nil {
			var malformed *MalformedError
			if !errors.As(err, &malformed) {
				t.Fatal(err)
			}
			return
		}
		total := 0
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				total += 5 + len(p.Records)
			}
		}
		if total+2*len(r.Topics) > len(body) {
			t.Fatalf("%d topics with %d bytes of partitions were read from %d bytes", len(r.Topics), total, len(body))
		}
		again, err := ParseProduce(r.toKmsg().AppendTo(nil), version)
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%+v reads as %+v when written again, %v", r, again, err)
		}
	})
}

func FuzzParseFetch(f *testing.F) {
	goldenRequests(f, KeyFetch, func(h RequestHeader, _, body []byte) { f.Add(h.Version, body) })
	for v := int16(4); v <= 18; v++ {
		f.Add(v, fetchRequest(v).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		r, err := ParseFetch(body, version)
		if err != nil {
			var malformed *MalformedError
			if !errors.As(err, &malformed) {
				t.Fatal(err)
			}
			return
		}
		total := 2 * (len(r.Topics) + len(r.Forgotten))
		for _, topic := range r.Topics {
			total += 16 * len(topic.Partitions)
		}
		for _, topic := range r.Forgotten {
			total += 4 * len(topic.Partitions)
		}
		if total > len(body) {
			t.Fatalf("what takes %d bytes was read from %d", total, len(body))
		}
		again, err := ParseFetch(r.toKmsg().AppendTo(nil), version)
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%+v reads as %+v when written again, %v", r, again, err)
		}
	})
}
