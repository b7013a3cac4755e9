package batch

import (
	"errors"
	"runtime"
	"sync/atomic"
)

// A client can send 30 KB that expand to gigabytes, over as many connections as it
// likes. So a compressed batch is checked when it gets a turn. There are three kinds:
//
//   - quick turns, as many as there are processors. That slows nobody down, and
//     bounds the memory of the codecs;
//   - the long turn, of which there is one. A batch that expands like no data does
//     gives its quick turn up and waits for it. In the long turn a check pauses again
//     and again, so that all others go first. However many such batches there are, a
//     normal one waits for a few milliseconds at most, and they take one processor at most;
//   - turns of batches that are recompressed, which takes seconds at the highest
//     levels. Batches that are only checked do not wait for them.

const (
	// A batch takes the long turn if it expands to more than quickBytes and to more
	// than quickRatio times its size. Text seldom reaches the ratio, and the batches
	// of clients seldom reach the bytes.
	quickBytes = 1 << 20
	quickRatio = 32
	// maxLongWaiting is how many batches may wait for the long turn, and
	// maxLongBytes how many bytes all but the first may have together. The others
	// fail with a BusyError.
	maxLongWaiting = 64
	maxLongBytes   = 8 << 20
	// longPiece is the number of expanded bytes between two pauses in the long turn.
	// Expanding them takes from 0.1 ms (zstd) to 1 ms (gzip).
	longPiece = 256 << 10
)

// Who has a turn, and who waits for the long one. Brokers of one process share it: the turns bound what the checks take of
// the machine's processors and of the process's memory.
var (
	quickTurns  = make(chan struct{}, runtime.GOMAXPROCS(0))
	packTurns   = make(chan struct{}, runtime.GOMAXPROCS(0))
	longTurn    = make(chan struct{}, 1)
	longWaiting atomic.Int32
	longBytes   atomic.Int64
)

// BusyError says that too many batches wait to be expanded, or that the client
// that sent this one is gone: REQUEST_TIMED_OUT, after which a client retries.
type BusyError struct{}

func (*BusyError) Error() string { return "too many batches wait to be expanded" }

// pauser gives the function that lets others go first in the long turn.
func (r *Rules) pauser() func() {
	if r.Pause != nil {
		return r.Pause
	}
	return runtime.Gosched
}

// turn is what a check of a compressed batch is allowed.
type turn struct {
	limit int64 // of what the records expand to
	long  bool  // large zstd windows may be allocated, and others go first now and then
}

// errLongTurn says that a batch cannot be checked in a quick turn.
var errLongTurn = errors.New("the batch takes a long turn")

// inTurn waits for the turn of a batch of so many packed bytes, whose records may
// expand to limit bytes, and calls check: once, or twice if the quick turn is not
// enough. In the second call check must begin anew. Once quit is closed inTurn waits
// no more. pack says that check recompresses what it expands.
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

// takesLonger says whether a check failed for a limit that the long turn does not have.
func takesLonger(err error) bool {
	if err == nil {
		return false
	}
	large, ok := err.(*TooLargeError)
	return ok && large.Expanded || err == errLongTurn
}

// ratios has, by codec, how many bytes one packed byte expands to at most. zstd
// repeats 128 KB in four bytes, so that it has no useful bound.
var ratios = [Zstd + 1]int64{Gzip: 1032, Snappy: snappyRatio, LZ4: 255}

// ceiling gives an upper bound of what so many packed bytes expand to; 0 where there is none.
func ceiling(codec Codec, packed int) int64 {
	if ratios[codec] == 0 {
		return 0
	}
	return int64(packed)*ratios[codec] + windowSize
}
