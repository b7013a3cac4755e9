package protocol

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"testing"
)

// endless gives the same frame again and again.
type endless struct {
	frame []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.frame[e.at:])
	e.at = (e.at + n) % len(e.frame)
	return n, nil
}

// produceBody is a request of one megabyte for four partitions of one topic.
func produceBody(version int16) []byte {
	r := produceRequest(version)
	r.TransactionID = nil
	r.Topics = r.Topics[:1]
	for i := range r.Topics[0].Partitions {
		r.Topics[0].Partitions[i].Records = make([]byte, 1<<18)
	}
	return r.AppendTo(nil)
}

// steady is what a connection does again and again, by name. Each is to
// allocate nothing once it has run.
func steady(t testing.TB) map[string]func() {
	body := produceBody(12)
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	small := append(binary.BigEndian.AppendUint32(nil, 100), make([]byte, 100)...)
	read := func(frame []byte) func() {
		r := bufio.NewReaderSize(&endless{frame: frame}, 4096)
		return func() {
			b, err := ReadFrame(r, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
	}
	head := readGolden(t, "testdata/4.4.0/01-Fetch-18.hex").request
	fetchBody := fetchRequest(11).AppendTo(nil)
	var h RequestHeader
	var p ProduceRequest
	var fetch FetchRequest
	var e FetchEncoder
	answer := fetchResponse()
	produced := &ProduceResponse{Topics: []ProduceTopicResponse{{Name: "one", Partitions: make([]ProducePartitionResponse, 4)}}}
	var dst []byte
	return map[string]func(){
		"ReadFrame/1MB":  read(frame),
		"ReadFrame/100B": read(small),
		"RequestHeader": func() {
			if _, err := h.Parse(head); err != nil {
				t.Fatal(err)
			}
		},
		"ParseProduce": func() {
			if err := p.Parse(body, 12); err != nil {
				t.Fatal(err)
			}
		},
		"ParseFetch": func() {
			if err := fetch.Parse(fetchBody, 11, MaxPartitions); err != nil {
				t.Fatal(err)
			}
		},
		"AppendProduceResponse": func() { dst = AppendProduceResponse(dst[:0], 12, produced) },
		"EncodeFetch": func() {
			if _, _, err := e.Encode(12, 1, answer); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		return // the race detector empties pools at random
	}
	for name, f := range steady(t) {
		f()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkProtocol(b *testing.B) {
	for name, f := range steady(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// What one request leaves behind does not show in the next.
func TestParseUsesAgainWhatItHas(t *testing.T) {
	var r ProduceRequest
	for _, v := range []int16{13, 3, 9} {
		body := produceRequest(v).AppendTo(nil)
		if err := r.Parse(body, v); err != nil {
			t.Fatal(err)
		}
		fresh, _ := ParseProduce(body, v)
		if got, want := r.toKmsg().AppendTo(nil), fresh.toKmsg().AppendTo(nil); !bytes.Equal(got, want) {
			t.Fatalf("version %d: %x, want %x", v, got, want)
		}
	}
}
