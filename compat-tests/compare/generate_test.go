package compare

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// generator makes requests of one API and version from the definition of the
// message. The same seed makes the same requests.
type generator struct {
	*rand.Rand
	key, version int16
	// few makes arrays short: for requests that cost the brokers something.
	few bool
}

func newGenerator(seed uint64, key, version int16) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, uint64(key)<<16|uint64(version))), key: key, version: version}
}

// request fills a request with values that brokers may take an interest in.
func (g *generator) request() kmsg.Request {
	req := kmsg.RequestForKey(g.key)
	g.fill(reflect.ValueOf(req).Elem(), kmsg.NameForKey(g.key), "")
	tame(req)
	req.SetVersion(g.version)
	return req
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// fill sets a value by the name of its field, or by its type where the field is
// nothing special.
func (g *generator) fill(v reflect.Value, api, field string) {
	if of, ok := fields[api+"."+field]; ok {
		v.Set(reflect.ValueOf(of(g)).Convert(v.Type()))
		return
	}
	if of, ok := fields[field]; ok && field != "" && reflect.TypeOf(of(g)).ConvertibleTo(v.Type()) {
		v.Set(reflect.ValueOf(of(g)).Convert(v.Type()))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if g.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			g.fill(v.Elem(), api, field)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				g.fill(v.Field(i), api, name)
			}
		}
	case reflect.Slice:
		g.array(v, api, field)
	case reflect.Array:
		v.Set(reflect.ValueOf(pick(g, [16]byte{}, placeholder("alpha"), placeholder("beta"), [16]byte{9, 9})))
	case reflect.String:
		v.SetString(pick(g, names...))
	case reflect.Bool:
		v.SetBool(g.IntN(2) == 0)
	case reflect.Int8:
		v.SetInt(pick[int64](g, 0, 0, 1, 2, 3, 4, -1, math.MaxInt8, math.MinInt8))
	case reflect.Int16:
		v.SetInt(pick[int64](g, 0, 1, 2, -1, -2, math.MaxInt16, math.MinInt16))
	case reflect.Int32:
		v.SetInt(pick[int64](g, 0, 0, 0, 1, 2, -1, -2, 7, 1000, math.MaxInt32, math.MinInt32))
	case reflect.Int64:
		v.SetInt(pick[int64](g, 0, 0, 1, 2, 3, -1, -2, -3, -4, 1000, 1001, 2000, math.MaxInt64, math.MinInt64))
	}
}

// array is null now and then, often short, and may have the same element twice.
func (g *generator) array(v reflect.Value, api, field string) {
	n := pick(g, 0, 1, 1, 1, 1, 2, 2, 3)
	if g.few {
		n = min(n, 2)
	}
	if g.IntN(16) == 0 {
		return // null, or empty where there is no null
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		if i > 0 && g.IntN(10) == 0 {
			v.Index(i).Set(v.Index(i - 1))
			continue
		}
		g.fill(v.Index(i), api, field)
	}
}

// question is a request that is as the messages are defined.
func (g *generator) question(req kmsg.Request) question {
	return question{key: g.key, version: g.version, body: req.AppendTo(nil), req: req}
}

// bend makes malformed variants of a question. Without flips it leaves out those that
// would change what the broker does.
func (g *generator) bend(q question, flips bool) (out []question) {
	add := func(how string, body []byte) {
		out = append(out, question{key: q.key, version: q.version, body: body, how: how, req: q.req})
	}
	n := len(q.body)
	if n > 0 {
		add("cut short", q.body[:g.IntN(n)])
	}
	add("with bytes behind it", append(q.body[:n:n], 1, 2, 3))
	if flexible(q.key, q.version) {
		if q.body[n-1] == 0 { // no tags of its own
			add("with an unknown tag", append(q.body[:n-1:n-1], 1, 200, 1, 3, 'x', 'y', 'z'))
			add("with a tag longer than the request", append(q.body[:n-1:n-1], 1, 200, 1, 100, 'x'))
		}
	}
	if !flips || n <= untouched {
		return out
	}
	for range 2 {
		body := append([]byte(nil), q.body...)
		at := untouched + g.IntN(n-untouched)
		body[at] = pick[byte](g, 0xff, 0x80, 0x7f, 0, 1, body[at]+1)
		add("with a byte changed", body)
	}
	if n >= untouched+4 {
		body := append([]byte(nil), q.body...)
		binary.BigEndian.PutUint32(body[untouched+g.IntN(n-untouched-3):], pick[uint32](g, 0xffffffff, 0x7fffffff, 0xfffffffe, 0x80000000))
		add("with four bytes changed", body)
	}
	return out
}

// untouched are the first bytes of a request, in which Fetch says how long to wait.
const untouched = 12
