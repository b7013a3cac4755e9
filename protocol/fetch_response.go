package protocol

import (
	"fmt"
	"math"
)

// Records are the batches of one partition in a Fetch answer. Only their size
// matters here: the bytes may stay in a file until they are sent.
type Records interface {
	// Size is the number of bytes, the same at every call.
	Size() int
}

// FetchResponse is the answer to a Fetch request.
type FetchResponse struct {
	ThrottleMs    int32
	ErrorCode     int16 // of the session, from version 7
	SessionID     int32
	Topics        []FetchTopicResponse
	NodeEndpoints []NodeEndpoint // of the leaders named, from version 16
}

// FetchTopicResponse has a name up to version 12 and an id from 13.
type FetchTopicResponse struct {
	Name       string
	ID         UUID
	Partitions []FetchPartitionResponse
}

// FetchPartitionResponse is one partition's part of the answer. NewFetchPartitionResponse
// makes one whose numbers all mean "none".
type FetchPartitionResponse struct {
	Index                int32
	ErrorCode            int16
	HighWatermark        int64
	LastStableOffset     int64
	LogStartOffset       int64                // from version 5
	AbortedTransactions  []AbortedTransaction // nil is a null: read_uncommitted
	PreferredReadReplica int32                // -1 for none, from version 11
	Records              Records              // nil for no bytes
	NullRecords          bool                 // no bytes are encoded as null
	DivergingEpoch       *EpochEndOffset      // nil for none, from version 12
	CurrentLeader        *Leader              // nil for none, from version 12
	SnapshotID           *EpochEndOffset      // nil for none, from version 12
}

// AbortedTransaction tells a consumer to drop a producer's records from FirstOffset
// up to its abort marker.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// EpochEndOffset is where a leader epoch ends.
type EpochEndOffset struct {
	Epoch     int32
	EndOffset int64
}

// NewFetchPartitionResponse gives an answer without records, offsets and a
// preferred replica. With an error code its list of aborted transactions is empty
// and not null, as Apache's broker sends it, whatever the isolation level.
func NewFetchPartitionResponse(index int32, errorCode int16) FetchPartitionResponse {
	p := FetchPartitionResponse{Index: index, ErrorCode: errorCode, HighWatermark: -1,
		LastStableOffset: -1, LogStartOffset: -1, PreferredReadReplica: -1}
	if errorCode != 0 {
		p.AbortedTransactions = []AbortedTransaction{}
	}
	return p
}

// Piece is a part of an encoded answer: bytes, or else records for the caller
// to send.
type Piece struct {
	Bytes   []byte
	Records Records
}

// FetchEncoder encodes Fetch answers without touching records. It may encode the next
// answer once the pieces of the last one have been sent. Not safe for concurrent use.
type FetchEncoder struct {
	w      writer
	cuts   []cut
	pieces []Piece
}

// cut says that records belong before the byte at.
type cut struct {
	at      int
	records Records
}

// Encode gives the whole frame of an answer, length prefix and header included, as
// pieces in the order in which they are sent, and their size in bytes together. It
// fails only for answers of more than 2 GiB.
func (e *FetchEncoder) Encode(version int16, correlationID int32, resp *FetchResponse) (int, []Piece, error) {
	api, _ := Lookup(KeyFetch)
	e.cuts = e.cuts[:0]
	e.w = writer{b: BeginResponse(e.w.b[:0], api, version, correlationID), flex: version >= 12}
	w := &e.w
	if version >= 1 {
		w.int32(resp.ThrottleMs)
	}
	if version >= 7 {
		w.int16(resp.ErrorCode)
		w.int32(resp.SessionID)
	}
	w.length(len(resp.Topics))
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if version >= 13 {
			w.uuid(t.ID)
		} else {
			w.string(t.Name)
		}
		w.length(len(t.Partitions))
		for j := range t.Partitions {
			e.partition(&t.Partitions[j], version)
		}
		w.noTags()
	}
	if version >= 16 {
		w.endpoints(resp.NodeEndpoints)
	} else {
		w.noTags()
	}
	return e.finish()
}

func (e *FetchEncoder) partition(p *FetchPartitionResponse, version int16) {
	w := &e.w
	w.int32(p.Index)
	w.int16(p.ErrorCode)
	w.int64(p.HighWatermark)
	if version >= 4 {
		w.int64(p.LastStableOffset)
	}
	if version >= 5 {
		w.int64(p.LogStartOffset)
	}
	if version >= 4 {
		w.aborted(p.AbortedTransactions)
	}
	if version >= 11 {
		w.int32(p.PreferredReadReplica)
	}
	size := 0
	if p.Records != nil {
		size = p.Records.Size()
	}
	if p.NullRecords {
		size = -1
	}
	w.length(size)
	if size > 0 {
		e.cuts = append(e.cuts, cut{at: len(w.b), records: p.Records})
	}
	if w.flex {
		w.fetchTags(p)
	}
}

func (w *writer) aborted(transactions []AbortedTransaction) {
	if transactions == nil {
		w.length(-1)
		return
	}
	w.length(len(transactions))
	for _, a := range transactions {
		w.int64(a.ProducerID)
		w.int64(a.FirstOffset)
		w.noTags()
	}
}

// fetchTags writes the tagged fields of a partition.
func (w *writer) fetchTags(p *FetchPartitionResponse) {
	n := uint32(0)
	for _, set := range [...]bool{p.DivergingEpoch != nil, p.CurrentLeader != nil, p.SnapshotID != nil} {
		if set {
			n++
		}
	}
	w.uvarint(n)
	if d := p.DivergingEpoch; d != nil {
		w.uvarint(0)
		w.uvarint(4 + 8 + 1)
		w.int32(d.Epoch)
		w.int64(d.EndOffset)
		w.noTags()
	}
	if p.CurrentLeader != nil {
		w.leader(1, p.CurrentLeader)
	}
	if s := p.SnapshotID; s != nil {
		w.uvarint(2)
		w.uvarint(8 + 4 + 1)
		w.int64(s.EndOffset)
		w.int32(s.Epoch)
		w.noTags()
	}
}

// finish cuts the encoded bytes where records belong and writes the length
// prefix. The bytes do not move any more now.
func (e *FetchEncoder) finish() (int, []Piece, error) {
	b := e.w.b
	size := len(b)
	clear(e.pieces) // forgets the last answer's records
	e.pieces = e.pieces[:0]
	from := 0
	for _, c := range e.cuts {
		size += c.records.Size()
		e.pieces = append(e.pieces, Piece{Bytes: b[from:c.at]}, Piece{Records: c.records})
		from = c.at
	}
	clear(e.cuts)
	e.pieces = append(e.pieces, Piece{Bytes: b[from:]})
	if size-4 > math.MaxInt32 {
		return 0, nil, fmt.Errorf("a Fetch answer of %d bytes does not fit a frame", size)
	}
	n := uint32(size - 4)
	b[0], b[1], b[2], b[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return size, e.pieces, nil
}
