package garbage

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// cheapElements is how many elements and tagged fields these requests have: as many as fit into a megabyte or two, and more
// than klamm reads.
const cheapElements = 120_000

// cheapRequest is a request that is small on the wire and large in memory.
type cheapRequest struct {
	name string
	body []byte // header and body
}

// cheapRequests makes a request with very many elements for each list of a message, nested ones too, and one with very many
// tagged fields for each of its structs.
func cheapRequests(key, version int16) (all []cheapRequest) {
	for _, at := range placesIn(reflect.TypeOf(kmsg.RequestForKey(key)).Elem(), nil) {
		body := enlarged(key, version, at)
		if len(body) > cheapElements { // or the version does not have it
			all = append(all, cheapRequest{fmt.Sprintf("%s v%d: %s", kmsg.NameForKey(key), version, strings.Join(at, ".")), body})
		}
	}
	return all
}

// enlarged is a request with very many elements at one place.
func enlarged(key, version int16, at []string) []byte {
	req := kmsg.RequestForKey(key)
	enlarge(reflect.ValueOf(req).Elem(), at)
	if produce, ok := req.(*kmsg.ProduceRequest); ok {
		produce.Acks = 1 // without acks there would be no answer to wait for
	}
	req.SetVersion(version)
	header := binary.BigEndian.AppendUint16(nil, uint16(key))
	header = binary.BigEndian.AppendUint16(header, uint16(version))
	header = append(header, 0, 0, 0, 1, 0xff, 0xff)
	if req.IsFlexible() {
		header = append(header, 0)
	}
	return req.AppendTo(header)
}

// placesIn are the paths to the lists of a message and to its tagged fields.
func placesIn(t reflect.Type, path []string) (all [][]string) {
	switch t.Kind() {
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Struct {
			return placesIn(t.Elem(), path)
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil
		}
		return append(placesIn(t.Elem(), path), path)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			at := append(append([]string(nil), path...), f.Name)
			if f.Type == reflect.TypeFor[kmsg.Tags]() {
				all = append(all, at)
			} else if f.IsExported() {
				all = append(all, placesIn(f.Type, at)...)
			}
		}
	}
	return all
}

// manyTags are tagged fields of no bytes each, which nobody knows.
var manyTags = sync.OnceValue(func() (tags kmsg.Tags) {
	for i := range uint32(cheapElements) {
		tags.Set(1000+i, nil)
	}
	return tags
})

// enlarge makes one list of a message large, or one set of tagged fields, with one element in each list on the way there.
func enlarge(v reflect.Value, path []string) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice {
		n := 1
		if len(path) == 0 {
			n = cheapElements
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		if len(path) > 0 {
			enlarge(v.Index(0), path)
		}
		return
	}
	if v.Type() == reflect.TypeFor[kmsg.Tags]() {
		v.Set(reflect.ValueOf(manyTags()))
		return
	}
	enlarge(v.FieldByName(path[0]), path[1:])
}

// sendCheap sends one request on a connection of its own and waits until the broker closes that, or answers.
func sendCheap(addr string, request []byte) (answered bool, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return false, err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	_, _ = nc.Write(frame(request)) // it may be refused before it is all there
	n, err := io.ReadFull(nc, make([]byte, 4))
	if err != nil && os.IsTimeout(err) {
		return false, fmt.Errorf("neither answered nor closed: %w", err)
	}
	return n == 4, nil
}

// TestWhatIsCheapOnTheWireCostsLittle sends each of them, for each API and version that is served, before anything is known of
// the client. The broker refuses all of them and its memory does not grow by more than the one request at a time.
func TestWhatIsCheapOnTheWireCostsLittle(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"auto.create.topics.enable": "false"}})
	w := &world{broker: b}
	apis := servedBy(t, b.Addr)
	before := w.rss()
	sent := 0
	for _, a := range apis {
		for v := a.Min; v <= a.Max; v++ {
			if harness.Small() && v > a.Min && v < a.Max {
				continue
			}
			for _, r := range cheapRequests(a.Key, v) {
				sent++
				answered, err := sendCheap(b.Addr, r.body)
				if err != nil {
					t.Fatalf("%s: %v", r.name, err)
				}
				if answered && a.Key > 1 { // Produce and Fetch answer for what is in their own bounds
					t.Errorf("%s: a request of %d elements is answered", r.name, cheapElements)
				}
			}
		}
	}
	if sent < 300 {
		t.Errorf("only %d requests were made", sent)
	}
	servedBy(t, b.Addr)
	if cost := w.peak() - before; cost > raced(maxCost) {
		t.Errorf("%d requests cost %d MB", sent, cost>>20)
	} else {
		t.Logf("%d requests: %.1f MB", sent, float64(cost)/(1<<20))
	}
}

// taggedApiVersions is an ApiVersions request with n tagged fields of no bytes, two bytes each on the wire.
func taggedApiVersions(n int) []byte {
	b := []byte{0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0, 2, 'c', 2, '1'}
	b = binary.AppendUvarint(b, uint64(n))
	return append(b, strings.Repeat("\x05\x00", n)...)
}

// The control: one request of ApiVersions, before anybody has logged in, of a size that socket.request.max.bytes allows, ends
// Apache Kafka 3.9.2 or the thread that reads its requests for want of memory. klamm refuses it by its size.
func TestTaggedFieldsThatEndTheReference(t *testing.T) {
	request := taggedApiVersions(45 << 20)
	k := harness.Start(t, harness.Options{Broker: "klamm"})
	w := &world{broker: k}
	before := w.rss()
	if answered, err := sendCheap(k.Addr, request); answered || err != nil {
		t.Errorf("klamm answered: %t, %v", answered, err)
	}
	if cost := w.peak() - before; cost > raced(16<<20) {
		t.Errorf("klamm's memory grew by %d MB", cost>>20)
	}
	servedBy(t, k.Addr)

	a := harness.Start(t, harness.Options{Broker: "apache"})
	_, _ = sendCheap(a.Addr, request) // answered or not: its log says how it went
	for end := time.Now().Add(time.Minute); !strings.Contains(a.Log(), "java.lang.OutOfMemoryError"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("Apache Kafka 3.9.2 has memory enough: the control shows nothing")
		}
	}
	a.Kill()
}
