package replica

import "math"

// unread has the sizes of what lies between the high watermark and the log end offset, so that a move of the high watermark says how many
// bytes it makes readable. While a follower lags far behind, sizes are added up. Then a move counts too many bytes: a fetch that
// waits for them reads in vain and waits again, but none sleeps on bytes that are readable.
type unread struct{ runs []run }

// run is a piece of the log. Its bytes count as soon as the high watermark is past start, and once more with each move until it is at end.
type run struct{ start, end, bytes int64 }

// maxRuns bounds the runs of a partition.
const maxRuns = 64

// add notes an append that ends at an offset, past the high watermark hw. Of two appends the later one may come first.
func (u *unread) add(hw, end, bytes int64) {
	last := len(u.runs) - 1
	switch {
	case last < 0:
		u.runs = append(u.runs, run{hw, end, bytes})
		return
	case end > u.runs[last].end && len(u.runs) < maxRuns:
		u.runs = append(u.runs, run{u.runs[last].end, end, bytes})
		return
	case end > u.runs[last].end:
		u.runs[last].end = end
	}
	for i := range u.runs {
		if r := &u.runs[i]; end <= r.end {
			r.bytes += bytes
			return
		}
	}
}

// take gives the bytes that a move of the high watermark makes readable.
func (u *unread) take(hw int64) (bytes int64) {
	past := 0
	for i := range u.runs {
		r := &u.runs[i]
		if r.start >= hw {
			break
		}
		bytes += r.bytes
		if r.end > hw {
			r.start = hw
			break
		}
		past++
	}
	if past > 0 {
		u.runs = append(u.runs[:0], u.runs[past:]...)
	}
	return bytes
}

// reset forgets all runs but one, for a piece of a log whose single sizes are not known. bytes are those of the whole log.
func (u *unread) reset(hw, end, bytes int64) {
	u.runs = u.runs[:0]
	if hw < end {
		u.runs = append(u.runs, run{hw, end, min(bytes, math.MaxInt32)}) // no fetch waits for more
	}
}
