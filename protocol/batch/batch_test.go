package batch

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// sample gives a batch of n records with every kind of key, value and header.
func sample(t testing.TB, codec Codec, n int) []byte {
	t.Helper()
	b := NewBuilder(codec)
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = 7, 1, 40
	for i := range n {
		switch i % 4 {
		case 0:
			b.Add(int64(1000+i), []byte(fmt.Sprint("key", i)), bytes.Repeat([]byte("value"), i%50))
		case 1:
			b.Add(int64(1000+i), nil, nil)
		case 2:
			b.Add(int64(1000-i), []byte{}, []byte{}, RecordHeader{Key: "h"}, RecordHeader{Key: "", Value: []byte{}}, RecordHeader{Key: "k", Value: []byte("v")})
		case 3:
			b.Add(int64(1000+i), []byte("k"), bytes.Repeat([]byte{byte(i)}, 1000))
		}
	}
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBuildAndReadEveryCodec(t *testing.T) {
	var want []Record
	for r, err := range Records(sample(t, None, 200), 0) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r)
	}
	if len(want) != 200 || want[1].Key != nil || want[2].Key == nil || want[2].Headers[0].Value != nil || want[2].Headers[1].Value == nil {
		t.Fatalf("records are not what was built: %d, %+v", len(want), want[2])
	}
	for _, codec := range Codecs() {
		t.Run(codec.String(), func(t *testing.T) {
			b := sample(t, codec, 200)
			if err := CheckCRC(b); err != nil {
				t.Fatal(err)
			}
			h, err := ParseHeader(b)
			if err != nil || h.Size() != len(b) || h.Codec() != codec || h.LastOffset() != 199 || h.LastSequence() != 239 {
				t.Fatalf("header %+v, %v", h, err)
			}
			i := 0
			for r, err := range Records(b, 0) {
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(r, want[i]) {
					t.Fatalf("record %d is %+v, want %+v", i, r, want[i])
				}
				i++
			}
			info, err := Validate(b, Rules{LogAppendTime: true, NowMs: 5000})
			if err != nil || info.MaxTimestamp != 1199 || info.MaxTimestampDelta != 199 {
				t.Fatalf("info %+v, %v", info, err)
			}
		})
	}
}

func TestPlacingABatch(t *testing.T) {
	b := sample(t, Gzip, 3)
	SetOffsets(b, 1<<40, 9)
	if err := CheckCRC(b); err != nil {
		t.Fatal("offsets are outside the CRC:", err)
	}
	SetLogAppendTime(b, 777)
	if err := CheckCRC(b); err != nil {
		t.Fatal("the CRC follows the timestamp:", err)
	}
	h, _ := ParseHeader(b)
	if h.BaseOffset != 1<<40 || h.PartitionLeaderEpoch != 9 || !h.LogAppendTime() || h.MaxTimestamp != 777 || h.NextOffset() != 1<<40+3 {
		t.Fatalf("%+v", h)
	}
	for r, err := range Records(b, 0) {
		if err != nil || r.Timestamp != 777 {
			t.Fatal(r, err)
		}
	}
	b[len(b)-1] ^= 1
	var corrupt *CorruptError
	if err := CheckCRC(b); !errors.As(err, &corrupt) {
		t.Fatal("a flipped bit is a corrupt batch, got", err)
	}
}

func TestSequencesWrap(t *testing.T) {
	if got := AddSequence(1<<31-1, 1); got != 0 {
		t.Fatal(got)
	}
	if got := AddSequence(1<<31-3, 5); got != 2 {
		t.Fatal(got)
	}
}
