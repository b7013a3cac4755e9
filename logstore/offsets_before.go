package logstore

import "slices"

// What ListOffsets 0 means by these timestamps.
const (
	allOffsets  = -1
	firstOffset = -2
)

// OffsetsBefore gives offsets at which the log can be read, the latest first and at
// most most of them: the log end offset, which counts as written now unless the
// last segment is empty, and the base offset of each segment, which counts as
// written when its file was last. The first given is the latest that counts as
// written at timestampMs or before; with -1 the last of all, with -2 the first of
// the log. This is how ListOffsets found offsets before records had timestamps
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

// countBefore gives how many of all offsets lie up to the latest that counts as
// written at timestampMs or before.
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
