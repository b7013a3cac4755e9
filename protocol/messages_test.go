package protocol

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"klamm/protocol/batch"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Where we answer to a message set otherwise than 3.9.2 on purpose, what we answer.
var oddSetDifferences = map[string]int16{
	"null set":                              87, // it never answers
	"empty set":                             87, // it stores nothing and says 0: for the server to do
	"5 bytes":                               2,  // it acknowledges what it drops, here and below
	"a message cut short":                   2,
	"a message and one cut short":           2,
	"a message and 5 bytes":                 2,
	"gzip of a message cut short":           87,
	"bytes after the value":                 87,
	"a batch of magic 2 in zstd":            76, // from Produce 3 on it says so too
	"codec 5":                               76, // UNKNOWN_SERVER_ERROR, here and below
	"size 14 of magic 1":                    87,
	"gzip of something that is none":        87,
	"gzip cut short":                        87,
	"lz4 of magic 1 with a wrong checksum":  87,
	"timestamp -50":                         32,
	"key longer than the message":           87,
	"key of size -16":                       87,
	"append time, not packed, no timestamp": 32,
}

func oddSets(t testing.TB) []oddCase {
	all := readOddFile(t, filepath.Join("testdata", "3.9.2", "odd-messages.txt"))
	if len(all) < 100 {
		t.Fatalf("%d odd message sets", len(all))
	}
	return all
}

// What is stored as messages before magic 2 is refused as the broker refuses it.
func TestOddMessageSetsGetTheBrokersErrors(t *testing.T) {
	for _, o := range oddSets(t) {
		t.Run(o.name, func(t *testing.T) {
			_, name, _ := strings.Cut(o.name, ": ")
			set, topic := producedSet(t, o.request)
			_, info, err := batch.ValidateSet(set, batch.Rules{NoZstd: true, NowMs: 1_795_000_000_000,
				TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: math.MaxInt64,
				KeyRequired: topic == "golden-compacted", LogAppendTime: topic == "golden-stamped"})
			got := code(err)
			if want, differs := oddSetDifferences[name]; differs {
				if got != want {
					t.Fatalf("%d is answered and not %d: %v", got, want, err)
				}
				return
			}
			if o.end != "" {
				t.Fatalf("%s, and here %v", o.end, err)
			}
			answer := kmsg.NewPtrProduceResponse()
			answer.Version = 2
			if err := answer.ReadFrom(o.response[4:]); err != nil {
				t.Fatal(err)
			}
			if want := answer.Topics[0].Partitions[0].ErrorCode; want != got {
				t.Fatalf("the broker answers %d, here it is %d: %v", want, got, err)
			}
			if err == nil && info.Header.Count == 0 {
				t.Fatal("nothing would be stored")
			}
		})
	}
}

// producedSet gives what a captured Produce request holds.
func producedSet(t testing.TB, request []byte) (set []byte, topic string) {
	h, at, err := ParseRequestHeader(request)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseProduce(request[at:], h.Version)
	if err != nil {
		t.Fatal(err)
	}
	return r.Topics[0].Partitions[0].Records, r.Topics[0].Name
}

// conversion is one file of testdata/3.9.2/messages.
type conversion struct {
	name  string
	set   []byte
	code  int16
	given map[int16][]byte // by version of Fetch
}

func conversions(t testing.TB) []conversion {
	paths, err := filepath.Glob(filepath.Join("testdata", "3.9.2", "messages", "*.txt"))
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d conversions, %v", len(paths), err)
	}
	var all []conversion
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := conversion{name: strings.TrimSuffix(filepath.Base(path), ".txt"), given: map[int16][]byte{}}
		version := int16(0)
		for line := range strings.Lines(string(text)) {
			mark, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			b, _ := hex.DecodeString(rest)
			switch mark {
			case ">":
				c.set = append(c.set, b...)
			case "<":
				c.given[version] = append(c.given[version], b...)
			case "error":
				_, err = fmt.Sscan(rest, &c.code)
			case "fetch":
				_, err = fmt.Sscan(rest, &version)
			}
			if err != nil {
				t.Fatalf("%s: %q: %v", path, line, err)
			}
		}
		all = append(all, c)
	}
	return all
}

// A message set becomes the batch that the broker makes of it: to the byte where
// nothing is packed, and otherwise the same header and records, for packed bytes
// are the library's.
func TestMessageSetsAreStoredAsTheBrokerDoes(t *testing.T) {
	for _, c := range conversions(t) {
		t.Run(c.name, func(t *testing.T) {
			stamped := strings.HasSuffix(c.name, "-to-append-time")
			got, _, err := batch.ValidateSet(bytes.Clone(c.set), batch.Rules{LogAppendTime: stamped, NowMs: 1_795_000_000_000,
				TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: math.MaxInt64})
			if code(err) != c.code {
				t.Fatalf("the broker answers %d, here it is %v", c.code, err)
			}
			if err != nil {
				return
			}
			want := c.given[4]
			h, err := batch.ParseHeader(want)
			if err != nil {
				t.Fatal(err)
			}
			batch.SetOffsets(got, h.BaseOffset, h.PartitionLeaderEpoch)
			if stamped {
				batch.SetLogAppendTime(got, h.MaxTimestamp)
			}
			if h.Codec() == batch.None {
				same(t, "stored batch", got, want)
				return
			}
			ours, err := batch.ParseHeader(got)
			if err != nil || batch.CheckCRC(got) != nil {
				t.Fatal(err, batch.CheckCRC(got))
			}
			ours.CRC, ours.Length = h.CRC, h.Length
			if ours != h {
				t.Errorf("%+v, want %+v", ours, h)
			}
			if a, b := allRecords(t, got), allRecords(t, want); !reflect.DeepEqual(a, b) {
				t.Errorf("%+v, want %+v", a, b)
			}
		})
	}
}

func allRecords(t *testing.T, b []byte) (all []batch.Record) {
	t.Helper()
	for r, err := range batch.Records(b, 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// What Fetch 3 and 1 are given for a stored batch is what the broker gives.
func TestBatchesAreGivenToOldFetchesAsTheBrokerDoes(t *testing.T) {
	for _, c := range conversions(t) {
		for version, magic := range map[int16]int8{3: 1, 1: 0} {
			t.Run(fmt.Sprint(c.name, "/", version), func(t *testing.T) {
				if c.code != 0 {
					return
				}
				d := batch.Downconversion{Magic: magic}
				got, err := d.Append(nil, c.given[4])
				if err != nil {
					t.Fatal(err)
				}
				want := c.given[version]
				if h, _ := batch.ParseHeader(c.given[4]); h.Codec() == batch.None {
					// The broker pads what became smaller: see LazyDownConversionRecordsSend.
					same(t, "messages", got, want[:min(len(got), len(want))])
					return
				}
				size := batch.Overhead + int(int32(uint32(want[8])<<24|uint32(want[9])<<16|uint32(want[10])<<8|uint32(want[11])))
				if size > len(want) {
					t.Fatalf("the broker's wrapper has %d bytes of %d", len(want), size)
				}
				// All but what depends on how well the bytes were packed: sizes and CRC.
				const fields = 30
				ours, theirs := bytes.Clone(got[:fields]), bytes.Clone(want[:fields])
				if magic == 0 {
					ours, theirs = ours[:22], theirs[:22]
				}
				for _, b := range [][]byte{ours, theirs} {
					clear(b[8:16])
				}
				same(t, "wrapper", ours, theirs)
				if a, b := allMessages(t, got), allMessages(t, want[:size]); !reflect.DeepEqual(a, b) || len(a) == 0 {
					t.Errorf("%+v, want %+v", a, b)
				}
			})
		}
	}
}

func allMessages(t *testing.T, set []byte) (all []batch.Record) {
	t.Helper()
	for r, err := range batch.Messages(set, 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}
