package garbage

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// target is what the hostile connections know of the broker: an address, what
// it serves, and topics that nobody else uses.
type target struct {
	addr   string
	apis   []kmsg.ApiVersionsResponseApiKey
	topics int

	answered, refused atomic.Bool // one of the connections got an answer, was refused
}

// topic is one of the hostile connections' own topics.
func (g *target) topic(rng *rand.Rand) string { return "hostile-" + strconv.Itoa(rng.IntN(g.topics)) }

// request makes a request of any API and version that is served, with its header and
// without the length prefix. Each field holds something that may stand there.
func (g *target) request(rng *rand.Rand) []byte {
	for {
		a := g.apis[rng.IntN(len(g.apis))]
		r := g.requestOf(rng, kmsg.RequestForKey(a.ApiKey), a.MinVersion+int16(rng.IntN(int(a.MaxVersion-a.MinVersion)+1)))
		// Most requests are small: bytes that are really sent may take memory, and the
		// test is about bytes that are only claimed.
		if len(r) < maxRequest || rng.IntN(100) == 0 && len(r) < 8*maxRequest {
			return r
		}
	}
}

// maxRequest bounds most requests, in bytes.
const maxRequest = 128 << 10

func (g *target) requestOf(rng *rand.Rand, r kmsg.Request, version int16) []byte {
	r.SetVersion(version)
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Name != "Version" {
			g.fill(rng, v.Field(i), v.Type().Field(i).Name, 0)
		}
	}
	g.tame(rng, r)
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID(rng)))
	return f.AppendRequest(nil, r, int32(rng.Uint32()))[4:]
}

// tame takes out of a request what is valid and would spoil the run: thousands of topics,
// waits longer than the run, and records that are stored for ever.
func (g *target) tame(rng *rand.Rand, r kmsg.Request) {
	switch r := r.(type) {
	case *kmsg.ProduceRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				r.Topics[i].Partitions[j].Records = g.records(rng, r.Version)
			}
		}
	case *kmsg.CreateTopicsRequest:
		r.ValidateOnly = rng.IntN(50) > 0
	case *kmsg.DeleteTopicsRequest: // only mutations make names of topics that exist
		for i := range r.TopicNames {
			r.TopicNames[i] = "x" + r.TopicNames[i]
		}
		for i := range r.Topics {
			if r.Topics[i].Topic != nil {
				*r.Topics[i].Topic = "x" + *r.Topics[i].Topic
			}
		}
	case *kmsg.FetchRequest:
		r.MaxWaitMillis = int32(rng.IntN(300))
	}
}

// records makes what a Produce request of that version carries, seldom valid records.
func (g *target) records(rng *rand.Rand, version int16) []byte {
	switch rng.IntN(8) {
	case 0:
		return noise(rng, rng.IntN(300))
	case 1:
		return goodBatch(rng).encode()
	case 2:
		return nil
	case 3, 4:
		if version < 3 {
			return oldSet(rng)
		}
		return bombBatch(rng)
	}
	if version < 3 {
		return oldSet(rng)
	}
	return brokenBatch(rng)
}

// produce is a Produce request with given records for a topic that is there.
func (g *target) produce(rng *rand.Rand, version int16, records []byte) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(version)
	r.Acks, r.TimeoutMillis = int16(rng.IntN(3)-1), 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = g.topic(rng)
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return kmsg.NewRequestFormatter().AppendRequest(nil, r, int32(rng.Uint32()))[4:]
}

// fill puts something into a field, by its kind and name.
func (g *target) fill(rng *rand.Rand, v reflect.Value, name string, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int8:
		v.SetInt(int64(int8(odd32(rng))))
	case reflect.Int16:
		v.SetInt(int64(int16(odd32(rng))))
	case reflect.Int32, reflect.Int64:
		v.SetInt(g.number(rng, name))
	case reflect.Float64:
		v.SetFloat(rng.NormFloat64())
	case reflect.String:
		v.SetString(g.text(rng, name))
	case reflect.Pointer:
		if rng.IntN(4) > 0 && depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			g.fill(rng, v.Elem(), name, depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			if v.Index(i).Kind() == reflect.Uint8 {
				v.Index(i).SetUint(uint64(rng.UintN(256)))
			}
		}
	case reflect.Slice:
		g.fillSlice(rng, v, name, depth)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && v.Type().Field(i).Name != "UnknownTags" {
				g.fill(rng, v.Field(i), v.Type().Field(i).Name, depth+1)
			}
		}
	}
}

func (g *target) fillSlice(rng *rand.Rand, v reflect.Value, name string, depth int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(noise(rng, rng.IntN(50)))
		return
	}
	n := rng.IntN(4)
	if rng.IntN(50) == 0 {
		n = rng.IntN(300)
	}
	if depth > 2 {
		n = min(n, 3)
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		g.fill(rng, v.Index(i), name, depth+1)
	}
}

// number is one of 32 bits that a field may hold: mostly small, else odd.
func (g *target) number(rng *rand.Rand, name string) int64 {
	switch name {
	case "TimeoutMillis":
		return int64(rng.IntN(1000))
	case "NumPartitions", "Count": // one or two, or what nobody can want
		return []int64{-1, 0, 1, 2, math.MaxInt32, math.MinInt32, 1 << 24}[rng.IntN(7)]
	case "ResourceType":
		return 2
	}
	if rng.IntN(3) > 0 {
		return int64(rng.IntN(4)) - 1
	}
	return int64(odd32(rng))
}

// text is a string that a field may hold.
func (g *target) text(rng *rand.Rand, name string) string {
	switch name {
	case "Topic", "Topics", "TopicNames", "ResourceName":
		if rng.IntN(5) > 0 {
			return g.topic(rng)
		}
	case "Name", "ConfigNames":
		if rng.IntN(2) == 0 {
			return []string{"retention.ms", "cleanup.policy", "max.message.bytes", "segment.bytes", "compression.type"}[rng.IntN(5)]
		}
	}
	switch rng.IntN(4) {
	case 0:
		return string(noise(rng, rng.IntN(40)))
	case 1:
		return string(noise(rng, rng.IntN(20_000)))
	}
	return strconv.Itoa(rng.IntN(100))
}

// clientID is a name that nobody wants to read in a log.
func clientID(rng *rand.Rand) string {
	return []string{"", "kgo", "\x1b[2J\x1b[31mred", "a\nlevel=ERROR msg=forged", string(noise(rng, 30)), string(noise(rng, 5000))}[rng.IntN(6)]
}

// odd32 is a number that breaks code that does not check it.
func odd32(rng *rand.Rand) int32 {
	switch rng.IntN(4) {
	case 0:
		return []int32{0, 1, -1, -2, math.MaxInt32, math.MinInt32, math.MaxInt16, math.MaxInt16 + 1, 255, 256, 127, 128, 100_000_000}[rng.IntN(13)]
	case 1:
		return 1 << rng.IntN(31)
	case 2:
		return int32(rng.IntN(2000))
	}
	return int32(rng.Uint32())
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// mutate changes something in a copy of b.
func mutate(rng *rand.Rand, b []byte) []byte {
	b = append([]byte(nil), b...)
	for range 1 + rng.IntN(4) {
		if len(b) < 8 {
			return append(b, noise(rng, 8)...)
		}
		at := rng.IntN(len(b) - 4)
		if rng.IntN(2) == 0 {
			at = rng.IntN(min(len(b)-4, 100)) // lengths stand in front
		}
		switch rng.IntN(7) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			binary.BigEndian.PutUint32(b[at:], uint32(odd32(rng)))
		case 2:
			binary.BigEndian.PutUint16(b[at:], uint16(odd32(rng)))
		case 3: // a long varint
			for i := range min(rng.IntN(11), len(b)-at) {
				b[at+i] = 0xff
			}
		case 4:
			b = b[:at]
		case 5:
			b = append(b, noise(rng, rng.IntN(30))...)
		case 6:
			b = append(b[:at:at], append(noise(rng, 1+rng.IntN(8)), b[at:]...)...)
		}
	}
	return b
}
