package shape

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// Whatever kmsg writes is walked to its end, for each API and version.
func TestShapesAreThoseOfTheMessages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, api := range protocol.APIs() {
		if api.Key == protocol.KeyProduce || api.Key == protocol.KeyFetch {
			continue // decoders of our own
		}
		for v := api.Min; v <= api.Max; v++ {
			walkRandom(t, random, api.Name, v, func() Message { return kmsg.RequestForKey(api.Key) })
		}
	}
}

// So is whatever a broker answers to another.
func TestShapesAreThoseOfAnswers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, key := range []int16{
		protocol.KeyFetch, protocol.KeyListOffsets, protocol.KeyOffsetForLeaderEpoch, protocol.KeyAPIVersions,
		protocol.KeyLeaderAndISR, protocol.KeyStopReplica, protocol.KeyUpdateMetadata,
		protocol.KeyControlledShutdown, protocol.KeyAlterPartition, protocol.KeyAllocateProducerIDs,
	} {
		for v := range kmsg.RequestForKey(key).MaxVersion() + 1 {
			walkRandom(t, random, kmsg.NameForKey(key), v, func() Message { return kmsg.ResponseForKey(key) })
		}
	}
}

// walkRandom walks random messages of one kind, whole and cut off.
func walkRandom(t *testing.T, random *rand.Rand, name string, v int16, newMessage func() Message) {
	t.Helper()
	known := New(newMessage)
	for range 200 {
		m := newMessage()
		fill(random, reflect.ValueOf(m).Elem())
		m.SetVersion(v)
		body := m.AppendTo(nil)
		w := walker{rest: body, flexible: m.IsFlexible(), elements: limits.Elements, tagged: limits.Tags}
		if err := w.message(known.of(v).fields); err != nil || len(w.rest) != 0 {
			t.Fatalf("%s v%d: %v, %d of %d bytes left\n%+v", name, v, err, len(w.rest), len(body), m)
		}
		for cut := range body {
			if _, err := known.Check(v, body[:cut], limits); err == nil {
				t.Fatalf("%s v%d: cut off at %d of %d bytes it passes", name, v, cut, len(body))
			}
		}
	}
}

// limits are those of a client's request.
var limits = Limits{Elements: 100_000, Tags: 100_000}

// shapesFor are the shapes of an API's requests.
func shapesFor(key int16) *Shapes {
	return New(func() Message { return kmsg.RequestForKey(key) })
}

// fill gives each field of a message a value.
func fill(random *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "UnknownTags" && name != "Version" {
				fill(random, v.Field(i))
			}
		}
	case reflect.Pointer:
		if random.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(random, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 3))
		for i := range v.Len() {
			fill(random, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(random.Uint64N(256))
		}
	case reflect.String:
		v.SetString(strings.Repeat("s", random.IntN(200)))
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Uint8:
		v.SetUint(random.Uint64N(256))
	case reflect.Float64:
		v.SetFloat(float64(random.IntN(200)))
	default:
		v.SetInt(int64(int8(random.Uint32())))
	}
}

// Five bytes that claim four thousand million tagged fields are refused at once.
func TestTagsThatAreNotThereAreNotCounted(t *testing.T) {
	if _, err := shapesFor(protocol.KeyDescribeCluster).Check(0, []byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f}, limits); err == nil {
		t.Error("they pass")
	}
}

func TestElementsAreBounded(t *testing.T) {
	body := append([]byte{0, 0x20, 0, 0}, make([]byte, 2*2<<20)...)
	if _, err := shapesFor(protocol.KeyMetadata).Check(0, body, limits); err == nil {
		t.Error("two million topics pass")
	}
	body = append([]byte{0, 0, 0x10, 0}, make([]byte, 2*4096)...)
	if _, err := shapesFor(protocol.KeyMetadata).Check(0, body, limits); err != nil {
		t.Errorf("four thousand do not: %v", err)
	}
}
