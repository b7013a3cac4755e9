package batch

import (
	"errors"
	"runtime"
	"sync/atomic"
)

// A client sends 30 KB and asks for gigabytes to be expanded, over as many
// connections as it likes. So compressed batches are checked in turns: as many at
// a time as there are processors, which takes nothing from anybody and bounds
// the memory that codecs take; and what expands like no data does gives its turn
// up and waits for the one that there is for such, in which it makes way for all
// others again and again. So no number of them keeps a normal batch waiting for
// longer than a few milliseconds, nor takes more than one processor. What is packed
// anew has turns of its own: at the highest levels that takes seconds, for which those
// do not wait whose batches are only checked.

const (
	// A batch that expands to more than both, its bytes times quickRatio and
	// quickBytes, is one for the long turn. Text seldom gets to the ratio, and the
	// batches of clients seldom to the bytes.
	quickBytes = 1 << 20
	quickRatio = 32
	// maxLongWaiting is how many batches may wait for the long turn, and
	// maxLongBytes how many bytes they may have together, but for the first. The
	// rest are told to come again.
	maxLongWaiting = 64
	maxLongBytes   = 8 << 20
	// longPiece is after how many expanded bytes a pause is made in the long turn. They
	// take from 0.1 ms (zstd) to 1 ms (gzip).
	longPiece = 256 << 10
)

var (
	quickTurns  = make(chan struct{}, runtime.GOMAXPROCS(0))
	packTurns   = make(chan struct{}, runtime.GOMAXPROCS(0))
	longTurn    = make(chan struct{}, 1)
	longWaiting atomic.Int32
	longBytes   atomic.Int64
)

// BusyError says that too many batches wait to be expanded, or that whoever
// sent this one is gone: REQUEST_TIMED_OUT, after which a client tries again.
type BusyError struct{}

func (*BusyError) Error() string { return "too many batches wait to be expanded" }

// pauser gives what lets others go first in the long turn.
func (r *Rules) pauser() func() {
	if r.Pause != nil {
		return r.Pause
	}
	return runtime.Gosched
}

// turn is what a check of a compressed batch is allowed.
type turn struct {
	limit int64 // of what the records expand to
	long  bool  // wide windows may be made, and others are let through now and then
}

// errLongTurn says that a batch cannot be checked in a quick turn.
var errLongTurn = errors.New("the batch takes a long turn")

// inTurn calls check when it is the turn of a batch of so many packed bytes,
// whose records may expand to limit bytes: once, or twice if the quick turn is
// not enough. check forgets what it found the first time. With quit closed
// nothing is waited for. pack says that check packs what it expands.
func inTurn(packed int, limit int64, pack bool, quit <-chan struct{}, check func(turn) error) error {
	turns := quickTurns
	if pack {
		turns = packTurns
	}
	quick := max(quickBytes, int64(packed)*quickRatio)
	select {
	case turns <- struct{}{}:
	case <-quit:
		return &BusyError{}
	}
	err := check(turn{limit: min(quick, limit)})
	<-turns
	if !takesLonger(err) || quick >= limit && err != errLongTurn {
		return err
	}
	defer longWaiting.Add(-1)
	defer longBytes.Add(-int64(packed))
	waiting := longWaiting.Add(1)
	if bytes := longBytes.Add(int64(packed)); waiting > maxLongWaiting || waiting > 1 && bytes > maxLongBytes {
		return &BusyError{}
	}
	select {
	case longTurn <- struct{}{}:
	case <-quit:
		return &BusyError{}
	}
	defer func() { <-longTurn }()
	return check(turn{limit: limit, long: true})
}

// takesLonger tells an error that a larger limit may mend.
func takesLonger(err error) bool {
	if err == nil {
		return false
	}
	large, ok := err.(*TooLargeError)
	return ok && large.Expanded || err == errLongTurn
}

// ratios are the most that one byte of a codec's can expand to. zstd says "and
// again" for 128 KB in four bytes: it has no bound of use.
var ratios = [Zstd + 1]int64{Gzip: 1032, Snappy: snappyRatio, LZ4: 255}

// ceiling is what so many packed bytes can expand to at most, or more; 0 where there is no bound.
func ceiling(codec Codec, packed int) int64 {
	if ratios[codec] == 0 {
		return 0
	}
	return int64(packed)*ratios[codec] + windowSize
}
