package compare

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// headers sends requests whose header is wrong, or has more than the usual one.
func (p *pair) headers() {
	for _, key := range slices.Sorted(maps.Keys(p.served)) {
		r := p.served[key]
		if !p.asks(key) {
			continue
		}
		for _, v := range []int16{-1, math.MinInt16, 99, math.MaxInt16} {
			p.ask(question{key: key, version: v, how: "a version that there is not"})
		}
		v := r[0]
		req := kmsg.RequestForKey(key)
		req.SetVersion(v)
		for _, id := range []struct {
			how   string
			bytes []byte
		}{
			{"no client id", []byte{0xff, 0xff}},
			{"a client id below null", []byte{0xff, 0xfe}},
			{"an empty client id", []byte{0, 0}},
			{"a client id that is no text", []byte{0, 3, 0xff, 0, 0x80}},
			{"a long client id", append([]byte{0x75, 0x30}, strings.Repeat("x", 30000)...)},
			{"a client id cut short", []byte{0x75, 0x30, 'x'}},
		} {
			h := append(header(key, v, 0)[:beforeClientID:beforeClientID], id.bytes...)
			if flexible(key, v) {
				h = append(h, 0)
			}
			if _, changes := changers[kmsg.Key(key)]; !changes {
				p.ask(question{key: key, version: v, header: h, body: req.AppendTo(nil), how: id.how})
			}
		}
		for n := beforeClientID - 2; n > beforeClientID-5; n-- {
			p.ask(question{key: key, version: v, header: append(header(key, v, 0)[:beforeClientID:beforeClientID], 0)[:max(n, 8)], how: "a header cut short"})
		}
	}
	for _, key := range []int16{-1, math.MinInt16, 100, 4242, math.MaxInt16, 52, 53, 54, 55, 59, 62, 63, 64} {
		if *only == "" {
			p.ask(question{key: key, header: append(binary.BigEndian.AppendUint16(nil, uint16(key)), 0, 0, 0, 0, 0, 0, 0, 0), how: fmt.Sprintf("key %d", key)})
		}
	}
	p.headerTags()
}

// beforeClientID is how long a header is before its client id.
const beforeClientID = 8

// headerTags asks with tags in the header, which nobody knows.
func (p *pair) headerTags() {
	for _, key := range slices.Sorted(maps.Keys(p.served)) {
		r := p.served[key]
		if !p.asks(key) || !flexible(key, r[1]) {
			continue
		}
		if _, changes := changers[kmsg.Key(key)]; changes {
			continue
		}
		req := kmsg.RequestForKey(key)
		tame(req)
		req.SetVersion(r[1])
		h := header(key, r[1], 0)
		h = append(h[:len(h)-1:len(h)-1], 2, 0, 1, 'x', 200, 1, 2, 'y', 'z')
		p.ask(question{key: key, version: r[1], header: h, body: req.AppendTo(nil), how: "tags in the header"})
	}
}

// sessions goes through the life of a fetch session, in versions with names and
// with ids.
func (p *pair) sessions() {
	if !p.asks(int16(kmsg.Fetch)) {
		return
	}
	for _, v := range []int16{7, 11, 12, 13, 17} {
		p.session(v)
	}
}

func (p *pair) session(version int16) {
	epoch := int32(0)
	ask := func(how string, v int16, forget, topics []string) {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.SessionEpoch = 1<<20, epoch
		if epoch != 0 {
			req.SessionID = sessionPlaceholder
		}
		for _, t := range topics {
			req.Topics = append(req.Topics, fetch(t, 0, nil).Topics...)
		}
		for _, t := range forget {
			f := kmsg.NewFetchRequestForgottenTopic()
			f.Topic, f.TopicID, f.Partitions = t, placeholder(t), []int32{0}
			req.ForgottenTopics = append(req.ForgottenTopics, f)
		}
		req.SetVersion(v)
		p.ask(question{key: req.Key(), version: v, body: req.AppendTo(nil), req: req, how: "session: " + how})
		epoch++
	}
	other := version ^ 1
	if version < 12 {
		other = 13
	}
	ask("begun", version, nil, []string{"alpha", "empty", "none"})
	ask("nothing new", version, nil, nil)
	ask("a partition more", version, nil, []string{"rec"})
	p.change(writing(produce("rec", 0, batch(nil, 1000))))
	ask("a record more", version, nil, nil)
	ask("asked from the beginning", version, nil, []string{"alpha"})
	ask("two forgotten", version, []string{"alpha", "none"}, nil)
	ask("one forgotten that is not there", version, []string{"beta"}, nil)
	ask("named the other way", other, nil, nil)
	epoch = 9
	ask("an epoch too far", version, nil, nil)
	epoch = 7
	ask("the epoch that is due", version, nil, []string{"trimmed"})
	ask("all forgotten", version, []string{"empty", "rec", "trimmed"}, nil)
	ask("closed", version, nil, nil)
}

// writing is a Produce that both take.
func writing(req *kmsg.ProduceRequest) question {
	req.SetVersion(9)
	return question{key: req.Key(), version: 9, body: req.AppendTo(nil), req: req}
}
