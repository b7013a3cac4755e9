package protocol

import (
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/protocol/batch"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// oddCase is a request of testdata/*/odd.txt and what became of it.
type oddCase struct {
	name              string
	request, response []byte
	end               string // closed or silence, if there was no answer
}

func readOdd(t testing.TB, broker string) []oddCase {
	t.Helper()
	return readOddFile(t, filepath.Join("testdata", broker, "odd.txt"))
}

func readOddFile(t testing.TB, path string) []oddCase {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []oddCase
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || mark == "#":
		case mark == ">" || mark == "<":
			b, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			o := &all[len(all)-1]
			if mark == ">" {
				o.request = append(o.request, b...)
			} else {
				o.response = append(o.response, b...)
			}
		case line == "closed" || line == "silence":
			all[len(all)-1].end = line
		default:
			all = append(all, oddCase{name: line})
		}
	}
	return all
}

// Where the broker closes the connection we refuse to read the request or its
// version is not served; where it answers, we read it. The broker is 4.4.0, and
// 3.9.2 for the versions that only it serves.
func TestOddRequestsAreClosedOrReadAsTheBrokerDoes(t *testing.T) {
	old := map[string]oddCase{}
	for _, o := range readOdd(t, "3.9.2") {
		old[o.name] = o
	}
	newest := announcedBy(t, "4.4.0")
	for _, o := range readOdd(t, "4.4.0") {
		h, at, err := ParseRequestHeader(o.request)
		if err == nil && h.Version >= 0 && (h.Version < newest[h.Key][0] || h.Key == KeyProduce && h.Version < 3) {
			o = old[o.name]
			h, at, err = ParseRequestHeader(o.request)
		}
		readable := err == nil
		if readable {
			api, _ := Lookup(h.Key)
			readable = api.Serves(h.Version)
			if h.Key == KeyAPIVersions {
				continue // answered in any version
			}
		}
		if readable {
			r := kmsg.RequestForKey(h.Key)
			r.SetVersion(h.Version)
			switch h.Key {
			case KeyProduce:
				_, err = ParseProduce(o.request[at:], h.Version)
			case KeyFetch:
				_, err = ParseFetch(o.request[at:], h.Version)
			default:
				err = r.ReadFrom(o.request[at:])
			}
			readable = err == nil
		}
		if closed := o.end == "closed"; closed == readable {
			t.Errorf("%s: the broker closed: %v, we read it: %v (%v)", o.name, closed, readable, err)
		}
	}
}

// code gives the error of Validate the number that the server sends.
func code(err error) int16 {
	var corrupt *batch.CorruptError
	var invalid *batch.InvalidError
	var timestamp *batch.TimestampError
	var codec *batch.CodecError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &corrupt):
		return 2
	case errors.As(err, &timestamp):
		return 32
	case errors.As(err, &codec):
		return 76
	case errors.As(err, &invalid):
		return 87
	}
	return -1
}

func recordErrors(err error) []batch.RecordError {
	var invalid *batch.InvalidError
	var timestamp *batch.TimestampError
	if errors.As(err, &timestamp) {
		return timestamp.Records
	}
	if errors.As(err, &invalid) {
		return invalid.Records
	}
	return nil
}

// Where we answer otherwise than the broker on purpose, what we answer.
var oddDifferences = map[string]int16{
	"null records":                            87, // it never answers
	"a batch and 5 bytes":                     87, // it drops the bytes
	"transactional without producer id":       0,  // it asks for the request's transactional id: for the server to do
	"codec 5":                                 76, // it says UNKNOWN_SERVER_ERROR
	"offset deltas 0 and 5 that lie":          87, // it stores them
	"offset deltas 0 and 5 that lie, in gzip": 87, // UNKNOWN_SERVER_ERROR
	"gzip of something that is none":          87, // and here
	"record length of six bytes":              87,
	"snappy that ends early":                  87,
	"lz4 that ends early":                     87,
	"zstd that ends early":                    87,
	"lz4 of dependent blocks":                 87,
	"snappy and half a block":                 87,
	"S2 in place of snappy":                   87,
	"zstd that is none":                       87,
	"lz4 and a byte":                          87, // it stops reading at the end of the frame
}

// The batch validator gives the broker's own errors, for topics with each of the
// settings that matter to it.
func TestOddBatchesGetTheBrokersErrors(t *testing.T) {
	for _, broker := range brokers {
		n := 0
		for _, o := range readOdd(t, broker) {
			where, name, ok := strings.Cut(o.name, ": ")
			if !ok || !strings.HasPrefix(where, "Produce ") {
				continue
			}
			n++
			t.Run(broker+"/"+o.name, func(t *testing.T) {
				h, at, err := ParseRequestHeader(o.request)
				if err != nil {
					t.Fatal(err)
				}
				r, err := ParseProduce(o.request[at:], h.Version)
				if err != nil {
					t.Fatal(err)
				}
				rules := batch.Rules{NoZstd: h.Version < 7, NowMs: 1_795_000_000_000,
					TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: 3_600_000,
					KeyRequired:   r.Topics[0].Name == "golden-compacted",
					LogAppendTime: r.Topics[0].Name == "golden-stamped"}
				if broker == "3.9.2" {
					rules.TimestampAfterMaxMs = math.MaxInt64
				}
				_, err = batch.Validate(r.Topics[0].Partitions[0].Records, rules)
				if want, differs := oddDifferences[name]; differs && code(err) == want {
					return
				}
				if o.end != "" {
					t.Fatalf("%s, and here %v", o.end, err)
				}
				answer := kmsg.NewPtrProduceResponse()
				answer.Version = h.Version
				body := o.response[4:]
				if h.Version >= 9 {
					body = body[1:]
				}
				if err := answer.ReadFrom(body); err != nil {
					t.Fatal(err)
				}
				p := answer.Topics[0].Partitions[0]
				if code(err) != p.ErrorCode {
					t.Fatalf("the broker answers %d, here it is %d: %v", p.ErrorCode, code(err), err)
				}
				got := recordErrors(err)
				if len(got) != len(p.ErrorRecords) {
					t.Fatalf("the broker names %d records, here it is %d", len(p.ErrorRecords), len(got))
				}
				for i := range got {
					if got[i].Index != p.ErrorRecords[i].RelativeOffset {
						t.Errorf("record error %d is about %d, the broker's about %d", i, got[i].Index, p.ErrorRecords[i].RelativeOffset)
					}
				}
			})
		}
		if n < 100 {
			t.Fatalf("%d odd batches of %s", n, broker)
		}
	}
}

// announcedBy gives the ranges that a broker announces.
func announcedBy(t *testing.T, broker string) map[int16][2]int16 {
	g := readGolden(t, filepath.Join("testdata", broker, "18-ApiVersions-04.hex"))
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.Version = 4
	if err := answer.ReadFrom(g.response[4:]); err != nil {
		t.Fatal(err)
	}
	announced := map[int16][2]int16{}
	for _, k := range answer.ApiKeys {
		announced[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return announced
}

// The table's ranges go from the lowest version that 3.9.2 announces to the
// highest of 4.4.0. What only one of them knows has that one's range.
func TestTableIsTheBrokersTable(t *testing.T) {
	old, newest := announcedBy(t, "3.9.2"), announcedBy(t, "4.4.0")
	for _, a := range APIs() {
		low, high := old[a.Key], newest[a.Key]
		if _, known := old[a.Key]; !known {
			low = high
		}
		if _, known := newest[a.Key]; !known {
			high = low
		}
		if low[0] != a.Min || high[1] != a.Max {
			t.Errorf("%s: %d to %d in the table, 3.9.2 announces %v and 4.4.0 %v", a.Name, a.Min, a.Max, low, high)
		}
	}
}
