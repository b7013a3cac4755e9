package protocol

import (
	"math"
	"strconv"
)

// FetchRequest is a Fetch request of version 0 to 18.
//
// What the versions changed: 1 the throttle time in the answer; 2 messages of magic 1;
// 3 a limit for the whole answer; 4 record batches of magic 2, and the isolation level; 5 log start offsets; 7 sessions
// (KIP-227); 9 leader epochs; 10 zstd; 11 racks; 12 flexible, and truncation by
// epoch; 13 topic ids in place of names; 15 the replica as a tagged field; 16 leaders
// in the answer; 17 directory ids; 18 the follower's high watermark.
type FetchRequest struct {
	Version      int16
	ClusterID    *string
	ReplicaID    int32 // -1 for a consumer
	ReplicaEpoch int64 // -1 if not sent
	MaxWaitMs    int32
	MinBytes     int32
	MaxBytes     int32 // math.MaxInt32 before version 3
	Isolation    int8  // 0 read_uncommitted, 1 read_committed
	SessionID    int32 // 0 for none
	SessionEpoch int32 // -1 for none
	Topics       []FetchTopic
	Forgotten    []ForgottenTopic
	Rack         string
}

// FetchTopic has a name up to version 12 and an id from 13.
type FetchTopic struct {
	Name       string
	ID         UUID
	Partitions []FetchPartition
}

// FetchPartition is a partition to fetch from.
type FetchPartition struct {
	Index              int32
	CurrentLeaderEpoch int32 // -1 if not known
	FetchOffset        int64
	LastFetchedEpoch   int32 // -1 for a consumer
	LogStartOffset     int64 // -1 for a consumer
	MaxBytes           int32
	ReplicaDirectoryID UUID
	HighWatermark      int64 // math.MaxInt64 if not sent
}

// ForgottenTopic names partitions that a session drops.
type ForgottenTopic struct {
	Name       string
	ID         UUID
	Partitions []int32
}

// ParseFetch reads the body of a client's Fetch request. See FetchRequest.Parse.
func ParseFetch(body []byte, version int16) (*FetchRequest, error) {
	r := new(FetchRequest)
	return r, r.Parse(body, version, MaxPartitions)
}

// Parse reads the body of a Fetch request into r. It reuses r's slices, and its
// strings where they are equal, so that a caller that keeps a part of r must copy it.
// Nothing in r points into body. Parse ignores bytes after the request, as Apache's
// broker does. Every failure is a *MalformedError; to name more than maxPartitions, with
// those to forget, is one.
func (r *FetchRequest) Parse(body []byte, version int16, maxPartitions int) error {
	_, err := r.parse(body, version, maxPartitions, false)
	return err
}

// ScanFetch reads the body of a Fetch request as Parse does, and gives the replica that sends it, -1 for a consumer, and how many partitions
// it names, with those to forget. It keeps none of them, so that a request of many partitions can wait until there is memory for it.
func ScanFetch(body []byte, version int16, maxPartitions int) (replicaID int32, partitions int, err error) {
	var r FetchRequest
	partitions, err = r.parse(body, version, maxPartitions, true)
	return r.ReplicaID, partitions, err
}

func (r *FetchRequest) parse(body []byte, version int16, maxPartitions int, scans bool) (partitions int, err error) {
	if version < 0 || version > 18 {
		return 0, &MalformedError{What: "Fetch request", Reason: "version " + strconv.Itoa(int(version)) + " is not read"}
	}
	d := reader{b: body, what: "Fetch request", flex: version >= 12, most: maxPartitions, scans: scans}
	*r = FetchRequest{Version: version, ReplicaID: -1, ReplicaEpoch: -1, SessionEpoch: -1,
		Topics: r.Topics[:0], Forgotten: r.Forgotten[:0], Rack: r.Rack}
	if version < 15 {
		r.ReplicaID = d.int32()
	}
	r.MaxWaitMs = d.int32()
	r.MinBytes = d.int32()
	r.MaxBytes = math.MaxInt32
	if version >= 3 {
		r.MaxBytes = d.int32()
	}
	if version >= 4 {
		r.Isolation = d.int8()
	}
	if version >= 7 {
		r.SessionID = d.int32()
		r.SessionEpoch = d.int32()
	}
	r.topics(&d)
	if version >= 7 {
		r.forgotten(&d)
	}
	if version >= 11 {
		r.Rack = d.string(r.Rack)
	} else {
		r.Rack = ""
	}
	r.tags(&d)
	if d.failed() {
		return 0, d.error()
	}
	return d.total, nil
}

func (r *FetchRequest) topics(d *reader) {
	for n := d.array(2, max(maxTopics, d.most)); n > 0 && !d.failed(); n-- {
		r.Topics = add(d, r.Topics)
		t := &r.Topics[len(r.Topics)-1]
		t.Name, t.ID = d.topic(t.Name, r.Version)
		t.Partitions = t.Partitions[:0]
		for n := d.partitions(16); n > 0 && !d.failed(); n-- {
			t.Partitions = add(d, t.Partitions)
			t.Partitions[len(t.Partitions)-1].read(d, r.Version)
		}
		d.skipTags()
	}
}

func (r *FetchRequest) forgotten(d *reader) {
	for n := d.array(2, max(maxTopics, d.most)); n > 0 && !d.failed(); n-- {
		r.Forgotten = add(d, r.Forgotten)
		t := &r.Forgotten[len(r.Forgotten)-1]
		t.Name, t.ID = d.topic(t.Name, r.Version)
		t.Partitions = t.Partitions[:0]
		for n := d.partitions(4); n > 0 && !d.failed(); n-- {
			t.Partitions = add(d, t.Partitions)
			t.Partitions[len(t.Partitions)-1] = d.int32()
		}
		d.skipTags()
	}
}

// topic reads how Fetch names a topic; old is the name that was there before.
func (r *reader) topic(old string, version int16) (string, UUID) {
	if version >= 13 {
		return "", r.uuid()
	}
	return r.string(old), UUID{}
}

func (p *FetchPartition) read(d *reader, version int16) {
	*p = FetchPartition{CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, LogStartOffset: -1, HighWatermark: math.MaxInt64}
	p.Index = d.int32()
	if version >= 9 {
		p.CurrentLeaderEpoch = d.int32()
	}
	p.FetchOffset = d.int64()
	if version >= 12 {
		p.LastFetchedEpoch = d.int32()
	}
	if version >= 5 {
		p.LogStartOffset = d.int64()
	}
	p.MaxBytes = d.int32()
	for n := d.tagCount(); n > 0 && !d.failed(); n-- {
		tag, size := d.tag()
		switch {
		case tag == 0 && version >= 17:
			p.ReplicaDirectoryID = d.uuid()
		case tag == 1 && version >= 18:
			p.HighWatermark = d.int64()
		default:
			d.skip(size)
		}
	}
}

// tags reads the tagged fields of the request itself.
func (r *FetchRequest) tags(d *reader) {
	for n := d.tagCount(); n > 0 && !d.failed(); n-- {
		tag, size := d.tag()
		switch {
		case tag == 0:
			r.ClusterID = d.nullableString()
		case tag == 1 && r.Version >= 15:
			r.ReplicaID = d.int32()
			r.ReplicaEpoch = d.int64()
			d.skipTags()
		default:
			d.skip(size)
		}
	}
}
