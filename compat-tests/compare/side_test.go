package compare

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// patience bounds how long an answer is waited for before it counts as none. It is more than
// the 30 s that requests give a broker, which it may take on a busy machine.
const patience = 40 * time.Second

// side is one of the two brokers, and a connection to it.
type side struct {
	name        string
	broker      *harness.Broker
	nc          net.Conn
	correlation int32
	// ids are the topics' ids by name, names the same the other way round.
	ids   map[string][16]byte
	names map[[16]byte]string
	// session is the id of the last fetch session that was answered.
	session int32
}

// question is one request as both sides get it. The ids of topics and fetch sessions,
// which each broker chooses itself, stand in it as placeholders.
type question struct {
	key, version int16
	body         []byte
	// req is what body says; nil where it is malformed.
	req kmsg.Request
	// how says what was done to the bytes of req, or how the request is to be
	// understood; empty for a request that is as the messages are defined.
	how string
	// after is the question whose consequences this one asks for.
	after string
	// header stands for the usual header when it is set: everything before the body.
	header []byte
}

// outcome is what a broker did.
type outcome struct {
	resp kmsg.Response
	// end says what came instead of an answer.
	end string
}

// These ends come instead of an answer.
const (
	closed   = "the connection is closed"
	silent   = "no answer"
	skipped  = "no answer, and the next request is answered"
	unlikely = "an answer that cannot be read"
)

// placeholder is the id of a topic in a question.
func placeholder(topic string) (id [16]byte) {
	copy(id[:], "\xfe\xfd@"+topic+"................")
	return id
}

// sessionPlaceholder is the fetch session of the last answer in a question.
const sessionPlaceholder int32 = 0x5e551013

// fill puts the broker's own ids in the place of placeholders.
func (s *side) fill(body []byte) []byte {
	for name, id := range s.ids {
		ph := placeholder(name)
		body = bytes.ReplaceAll(body, ph[:], id[:])
	}
	return bytes.ReplaceAll(body, binary.BigEndian.AppendUint32(nil, uint32(sessionPlaceholder)), binary.BigEndian.AppendUint32(nil, uint32(s.session)))
}

func (s *side) dial() error {
	if s.nc != nil {
		return nil
	}
	nc, err := net.Dial("tcp", s.broker.Addr)
	s.nc = nc
	return err
}

func (s *side) hangUp() {
	if s.nc != nil {
		_ = s.nc.Close()
		s.nc = nil
	}
}

// header is the usual one for a request.
func header(key, version int16, correlation int32) []byte {
	h := binary.BigEndian.AppendUint16(nil, uint16(key))
	h = binary.BigEndian.AppendUint16(h, uint16(version))
	h = binary.BigEndian.AppendUint32(h, uint32(correlation))
	h = append(h, 0, 7)
	h = append(h, "compare"...)
	if flexible(key, version) {
		h = append(h, 0)
	}
	return h
}

func flexible(key, version int16) bool {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return false
	}
	req.SetVersion(version)
	return req.IsFlexible()
}

func frame(header, body []byte) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(len(header)+len(body)))
	return append(append(f, header...), body...)
}

// ask sends a question and gives the outcome. Where a request may have no answer, ask
// sends a second request behind it that always has one.
func (s *side) ask(q question) outcome {
	if err := s.dial(); err != nil {
		return outcome{end: fmt.Sprintf("no connection: %v", err)}
	}
	s.correlation++
	mine := s.correlation
	h := q.header
	if h == nil {
		h = header(q.key, q.version, mine)
	} else {
		h = bytes.Clone(h)
		binary.BigEndian.PutUint32(h[4:], uint32(mine))
	}
	out := frame(h, s.fill(q.body))
	probe := int32(-1)
	if q.key == int16(kmsg.Produce) {
		s.correlation++
		probe = s.correlation
		out = append(out, frame(header(int16(kmsg.ApiVersions), 0, probe), nil)...)
	}
	_ = s.nc.SetDeadline(time.Now().Add(patience))
	if _, err := s.nc.Write(out); err != nil {
		s.hangUp()
		return outcome{end: closed}
	}
	body, end := s.answerTo(mine, probe)
	if end != "" {
		if end != skipped {
			s.hangUp()
		}
		return outcome{end: end}
	}
	if probe >= 0 {
		if _, end := s.answerTo(probe, -1); end != "" {
			s.hangUp()
			return outcome{end: "an answer, and then " + end}
		}
	}
	return s.read(q, body)
}

// answerTo reads the answer of a correlation id. end is skipped when the answer of the
// probe comes first.
func (s *side) answerTo(correlation, probe int32) (body []byte, end string) {
	var size [4]byte
	_, err := io.ReadFull(s.nc, size[:])
	if err == nil {
		body = make([]byte, binary.BigEndian.Uint32(size[:]))
		_, err = io.ReadFull(s.nc, body)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, silent
	}
	if err != nil {
		return nil, closed
	}
	switch got := int32(binary.BigEndian.Uint32(body)); got {
	case correlation:
		return body[4:], ""
	case probe:
		return nil, skipped
	default:
		return nil, fmt.Sprintf("the answer to request %d for that to %d", got, correlation)
	}
}

// read takes an answer apart. Its bytes have to be those that kmsg makes of it.
func (s *side) read(q question, body []byte) outcome {
	resp := kmsg.ResponseForKey(q.key)
	if resp == nil {
		return outcome{end: fmt.Sprintf("an answer: %x", clip(body))}
	}
	resp.SetVersion(q.version)
	if q.key == int16(kmsg.ApiVersions) {
		if len(body) > 1 && body[1] == 35 { // UNSUPPORTED_VERSION is told in version 0
			resp.SetVersion(0)
		}
	} else if resp.IsFlexible() {
		if body[0] != 0 {
			return outcome{end: unlikely + ": tags in the header"}
		}
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		return outcome{end: unlikely + ": " + err.Error()}
	}
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		return outcome{resp: resp, end: fmt.Sprintf("written otherwise: %x for %x", clip(body), clip(again))}
	}
	if f, ok := resp.(*kmsg.FetchResponse); ok && f.SessionID != 0 {
		s.session = f.SessionID
	}
	return outcome{resp: resp}
}

func clip(b []byte) []byte { return b[:min(len(b), 200)] }

// call asks for something that has to be answered, in a version.
func (s *side) call(req kmsg.Request, version int16) (kmsg.Response, error) {
	req.SetVersion(version)
	o := s.ask(question{key: req.Key(), version: version, body: req.AppendTo(nil)})
	if o.resp == nil {
		return nil, fmt.Errorf("%s: %s v%d: %s", s.name, kmsg.NameForKey(req.Key()), version, o.end)
	}
	return o.resp, nil
}

// learn asks for the topics' ids, and gives the number of partitions of each topic.
func (s *side) learn() (map[string]int, error) {
	req := kmsg.NewPtrMetadataRequest()
	resp, err := s.call(req, 12)
	if err != nil {
		return nil, err
	}
	s.ids, s.names = map[string][16]byte{}, map[[16]byte]string{}
	counts := map[string]int{}
	for _, t := range resp.(*kmsg.MetadataResponse).Topics {
		s.ids[*t.Topic], s.names[t.TopicID] = t.TopicID, *t.Topic
		counts[*t.Topic] = len(t.Partitions)
	}
	return counts, nil
}

// versions asks for what a broker announces.
func (s *side) versions() (map[int16][2]int16, error) {
	resp, err := s.call(kmsg.NewPtrApiVersionsRequest(), 0)
	if err != nil {
		return nil, err
	}
	out := map[int16][2]int16{}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		out[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return out, nil
}
