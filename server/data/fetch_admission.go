package data

import (
	"strconv"
	"time"

	"klamm/protocol"
	"klamm/server/request"
)

const (
	// leastFetchPartition is how many bytes a partition takes in a request at least.
	leastFetchPartition = 16
	// maxFetching bounds the partitions of all large fetches that are being served or
	// wait, but for those of peers. Each takes some 500 bytes. A fetch for which that
	// leaves no room waits for heldFetch before it is parsed, and then for a place; it is
	// then answered at once.
	maxFetching = 50_000
	// heldFetch is how long a fetch is held back.
	heldFetch = 200 * time.Millisecond
)

// admit begins the fetch with the partitions that it names. It scans a body that may name many, since begin has to know before the request takes
// memory how many they are, and whose.
func (f *fetchContext) admit() (err error) {
	body := f.call.Body
	size := len(body) / leastFetchPartition
	if size > maxFetchTargets {
		f.req.ReplicaID, size, err = protocol.ScanFetch(body, f.version, f.call.MaxPartitions())
	}
	if err == nil && size > protocol.MaxPartitions && f.req.ReplicaID < 0 { // a consumer on a listener for brokers
		err = &protocol.MalformedError{What: "Fetch request", Reason: "more than " + strconv.Itoa(protocol.MaxPartitions) + " partitions for a consumer"}
	}
	if err != nil {
		return err
	}
	return f.begin(size)
}

// begin counts size more partitions for this fetch, and free uncounts them. If too many
// partitions are under way, begin holds the fetch back. It neither counts nor holds back a
// peer's: producers wait until the peer has their records, and peers have few fetchers.
func (f *fetchContext) begin(size int) error {
	s := f.server
	f.size += size
	if size <= maxFetchTargets || f.held || f.fromPeer() {
		return nil
	}
	if s.fetching.Add(int64(size)) <= maxFetching {
		f.uncount(size)
		return nil
	}
	s.fetching.Add(-int64(size))
	conn := f.call.Conn
	s.limits.Hit("partitions of fetches", "a fetch of many partitions is held back", "client", conn.RemoteAddr().String())
	if err := conn.Park(s.now().Add(heldFetch), nil); err != nil {
		return err
	}
	done, err := s.places.Take(request.WaitsForNothing, conn.Quit())
	if err != nil {
		return err
	}
	f.held = true
	f.ends = append(f.ends, done)
	return nil
}

// grew counts the partitions that a follower's fetch looks at besides those that it was begun with. It is not held back for them.
func (f *fetchContext) grew() {
	more := len(f.targets) - f.size
	if more <= maxFetchTargets || f.held || f.fromPeer() {
		return
	}
	f.size += more
	f.server.fetching.Add(int64(more))
	f.uncount(more)
}

// uncount has free uncount partitions.
func (f *fetchContext) uncount(size int) {
	s := f.server
	f.ends = append(f.ends, func() { s.fetching.Add(-int64(size)) })
}
