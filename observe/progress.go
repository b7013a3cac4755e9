package observe

import (
	"slices"
	"sort"
)

// Progress remembers when a log's end passed which offsets, so that a consumer's lag can be told in seconds: the timestamps of records are their
// producers'. It holds few points, and those of long ago are further apart: a time is wrong by a small part of its age. The caller sees to it that one
// goroutine at a time uses it. The zero Progress knows nothing.
type Progress struct {
	points []progressPoint // by offset and time in order
}

// progressPoint says that records from an offset on were appended from a time on.
type progressPoint struct{ offset, ms int64 }

const (
	// progressMost is how many points are kept: some 1.5 KB.
	progressMost = 96
	// progressEveryMs is how far apart the newest points are.
	progressEveryMs = 250
)

// Add takes in that the record with an offset, and those after it, were appended at a time, in ms since 1970. Calls come in the order of the offsets.
func (p *Progress) Add(offset, ms int64) {
	if n := len(p.points); n > 0 && (ms-p.points[n-1].ms < progressEveryMs || offset <= p.points[n-1].offset) {
		return
	}
	if len(p.points) >= progressMost {
		p.thin(ms)
	}
	p.points = append(p.points, progressPoint{offset, ms})
}

// thin drops the point whose neighbours are nearest to each other, measured by how long ago it was.
func (p *Progress) thin(nowMs int64) {
	least, at := 0.0, 1
	for i := 1; i+1 < len(p.points); i++ {
		gap := float64(p.points[i+1].ms-p.points[i-1].ms) / float64(max(nowMs-p.points[i].ms, 1))
		if i == 1 || gap < least {
			least, at = gap, i
		}
	}
	p.points = slices.Delete(p.points, at, at+1)
}

// At gives the time at which an offset was appended, in ms since 1970, between the points around it. It gives false for an offset before the first
// point.
func (p *Progress) At(offset int64) (ms int64, known bool) {
	if len(p.points) == 0 || offset < p.points[0].offset {
		return 0, false
	}
	i := sort.Search(len(p.points), func(i int) bool { return p.points[i].offset > offset })
	was := p.points[i-1]
	if i == len(p.points) {
		return was.ms, true
	}
	next := p.points[i]
	return was.ms + int64(float64(next.ms-was.ms)*float64(offset-was.offset)/float64(next.offset-was.offset)), true
}

// Forget drops what is known, where a log is cut or another broker led meanwhile.
func (p *Progress) Forget() { p.points = nil }
