package transport

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/protocol/shape"
)

// largeAnswer bounds the answers to what brokers ask each other: they may have an error for each of the partitions that a request names, of
// which there may be hundreds of thousands. Others have the bound of a client's request.
const largeAnswer = 64 << 20

// maxAnswerBytes is how large the answer to a request of an API may be.
func (c *Client) maxAnswerBytes(key int16) int32 {
	if key == protocol.KeyFetch {
		return c.o.MaxFetchBytes
	}
	if api, known := protocol.Lookup(key); known && api.Sender != protocol.Clients {
		return largeAnswer
	}
	return protocol.MaxRequestBytes
}

// answerLimits bound the lists of one answer.
var answerLimits = shape.Limits{Elements: 4_000_000, Tags: 100_000}

// answerShapes has the fields of answers by the key of their API. Brokers of one process share it: it holds what messages
// look like, which is the same for all.
var answerShapes sync.Map // int16 -> *shape.Shapes

// shapesOf gives the fields of the answers of an API.
func shapesOf(key int16) *shape.Shapes {
	if s, ok := answerShapes.Load(key); ok {
		return s.(*shape.Shapes)
	}
	s, _ := answerShapes.LoadOrStore(key, shape.New(func() shape.Message { return kmsg.ResponseForKey(key) }))
	return s.(*shape.Shapes)
}

// answerBody checks the header of an answer and gives what follows it.
func answerBody(req kmsg.Request, frame []byte, correlation int32) ([]byte, error) {
	if len(frame) < 4 {
		return nil, &AnswerError{fmt.Sprintf("it has %d bytes, too few for a header", len(frame))}
	}
	if got := int32(binary.BigEndian.Uint32(frame)); got != correlation {
		return nil, &AnswerError{fmt.Sprintf("correlation id %d where %d belongs", got, correlation)}
	}
	body := frame[4:]
	if req.IsFlexible() && req.Key() != protocol.KeyAPIVersions { // KIP-511
		return skipTags(body)
	}
	return body, nil
}

// skipTags passes over the tagged fields of a header.
func skipTags(b []byte) ([]byte, error) {
	cut := &AnswerError{"its header is cut off"}
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, cut
	}
	for b = b[n:]; count > 0; count-- {
		_, tag := binary.Uvarint(b)
		if tag <= 0 {
			return nil, cut
		}
		size, n := binary.Uvarint(b[tag:])
		if n <= 0 || size > uint64(len(b)-tag-n) {
			return nil, cut
		}
		b = b[tag+n+int(size):]
	}
	return b, nil
}

// decodeAnswer reads a body into an answer, which has its version.
//
// A broker that does not serve the version of an ApiVersions answers in version 0 (KIP-511), and so the answer's version is 0
// then.
func decodeAnswer(key int16, resp kmsg.Response, body []byte) error {
	if key == protocol.KeyAPIVersions && len(body) >= 2 && int16(binary.BigEndian.Uint16(body)) == kerr.UnsupportedVersion.Code {
		resp.SetVersion(0)
	}
	if _, err := shapesOf(key).Check(resp.GetVersion(), body, answerLimits); err != nil {
		return &AnswerError{err.Error()}
	}
	if err := resp.ReadFrom(body); err != nil {
		return &AnswerError{err.Error()}
	}
	return nil
}
