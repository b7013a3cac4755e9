package replica

// epochEnds is what a log knows of its leader epochs: see logstore.Log.EndOffsetForEpoch.
type epochEnds func(epoch int32) (found int32, end int64, ok bool)

// truncationOffset gives where to truncate a log that ends at end, after its leader said that its own log has leaderEpoch up to leaderEnd, and
// nothing of the epoch that this log went on with (AbstractFetcherThread.getOffsetTruncationState, KIP-101, KIP-279).
//
// If this log does not know leaderEpoch, all that it has of later epochs goes, and the leader is asked again with the epoch that is left. highWatermark is
// where nothing below can diverge, for a leader that knows nothing.
func truncationOffset(leaderEpoch int32, leaderEnd, end, highWatermark int64, own epochEnds) int64 {
	switch found, epochEnd, ok := own(leaderEpoch); {
	case leaderEnd < 0:
		return min(highWatermark, end)
	case leaderEpoch < 0 || !ok:
		return min(leaderEnd, end)
	case found != leaderEpoch:
		return min(epochEnd, end)
	default:
		return min(epochEnd, leaderEnd, end)
	}
}

// outOfRange gives what to do with a log that ends at end and whose leader has no such offset: the leader's log is leaderStart to leaderEnd
// (AbstractFetcherThread.fetchOffsetAndTruncate). The log is truncated to the offset, or emptied to begin at it, or fetched on from its end.
//
// A leader that ends earlier was elected although it was not in sync. One that begins later has deleted what would come next.
func outOfRange(end, leaderStart, leaderEnd int64) (offset int64, truncate, empty bool) {
	switch {
	case leaderEnd < end:
		return leaderEnd, true, false
	case leaderStart > end:
		return leaderStart, false, true
	}
	return end, false, false
}
