package logstore

import "slices"

// These timestamps have a special meaning in ListOffsets 0.
const (
	allOffsets  = -1 // all offsets
	firstOffset = -2 // the first offset of the log
)

// OffsetsBefore gives offsets at which a client can begin to read, in descending order,
// and no more than most. The offsets are the base offset of each segment, or the log start
// offset where that is higher, and the log end offset unless the last segment is empty. A
// base offset has the time at which the segment's file was last written, and the log end
// offset has the time nowMs.
//
// The result begins at the largest offset whose time is timestampMs or earlier. With a
// timestampMs of -1 it begins at the largest offset of all, and with -2 it is the first
// offset. ListOffsets found offsets this way before records had timestamps
// (UnifiedLog.legacyFetchOffsetsBefore).
func (l *Log) OffsetsBefore(timestampMs int64, most int, nowMs int64) (offsets []int64, err error) {
	err = l.retryMoved(func(v view) error {
		offsets = make([]int64, 0, len(v.segments)+1)
		for _, s := range v.segments {
			offsets = append(offsets, max(s.base, v.start))
		}
		if v.last > 0 {
			offsets = append(offsets, v.end)
		}
		n, err := v.countBefore(len(offsets), timestampMs, nowMs)
		offsets = offsets[:n]
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(offsets)
	return offsets[:min(len(offsets), max(most, 0))], nil
}

// countBefore gives how many of the offsets, in ascending order, OffsetsBefore may give: those
// up to the largest whose time is timestampMs or earlier.
func (v *view) countBefore(all int, timestampMs, nowMs int64) (int, error) {
	switch timestampMs {
	case allOffsets:
		return all, nil
	case firstOffset:
		return 1, nil
	}
	if all > len(v.segments) && nowMs <= timestampMs {
		return all, nil
	}
	for n := len(v.segments); n > 0; n-- {
		s := v.segments[n-1]
		info, err := s.fs.Stat(s.path(logSuffix))
		if err != nil {
			return 0, goneIsRetired(err)
		}
		if info.ModTime().UnixMilli() <= timestampMs {
			return n, nil
		}
	}
	return 0, nil
}
