package groupcoord

import (
	"errors"
	"sync"

	"klamm/protocol/batch"
)

// memLog is a Log in memory.
type memLog struct {
	appended func([]byte)

	mu      sync.Mutex
	batches [][]byte
	end     int64
	most    int   // bytes that a batch may have; 0 for the default
	hold    bool  // what is appended is not committed
	fail    error // nothing can be appended
	waiting []func(error)
	broken  error          // nothing can be read
	rotten  map[int64]bool // by base offset, batches that are not intact
	stuck   chan struct{}  // nil, or closed when reading goes on
}

func (l *memLog) Append(b []byte, done func(error)) (int64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, false, l.fail
	}
	if l.most > 0 && len(b) > l.most {
		return 0, false, ErrRecordsTooLarge
	}
	h, err := batch.ParseHeader(b)
	if err != nil {
		return 0, false, err
	}
	base := l.end
	batch.SetOffsets(b, base, 1)
	l.batches = append(l.batches, b)
	l.end += int64(h.Count)
	if l.appended != nil {
		l.appended(b)
	}
	if l.hold {
		l.waiting = append(l.waiting, done)
	}
	return base, !l.hold, nil
}

func (l *memLog) MaxBatchBytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most > 0 {
		return l.most
	}
	return 1 << 20
}

func (l *memLog) Flush() error { return nil }

func (l *memLog) Offsets() (start, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return 0, l.end
}

func (l *memLog) Read(offset int64, most int, buf []byte) ([]byte, error) {
	l.mu.Lock()
	stuck := l.stuck
	l.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return nil, l.broken
	}
	out := buf[:0]
	for _, b := range l.batches {
		h, err := batch.ParseHeader(b)
		if err != nil {
			return nil, err
		}
		if h.LastOffset() < offset {
			continue
		}
		if l.rotten[h.BaseOffset] {
			if len(out) == 0 {
				return nil, ErrCorrupt
			}
			break
		}
		if len(out) > 0 && len(out)+len(b) > most {
			break
		}
		out = append(out, b...)
	}
	return out, nil
}

// turn sets whether batches that are appended from now on wait to be committed, or fail.
func (l *memLog) turn(hold bool, fail error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold, l.fail = hold, fail
}

// set carries out the command "log" of a script.
func (l *memLog) set(a arguments) {
	l.mu.Lock()
	if a.has("hold") {
		l.hold = true
	}
	if name := a.text("fail", ""); name != "" {
		l.fail = errorNames[name]
	}
	if a.has("broken") {
		l.broken = errors.New("input/output error")
	}
	if a.has("rotten") {
		l.rotten = map[int64]bool{int64(a.number("rotten", 0)): true}
	}
	if a.has("most") {
		l.most = int(a.number("most", 0))
	}
	if a.has("stuck") {
		l.stuck = make(chan struct{})
	}
	if a.has("read") {
		close(l.stuck)
		l.stuck = nil
	}
	if a.has("work") {
		l.hold, l.fail, l.broken, l.most = false, nil, nil, 0
	}
	var waiting []func(error)
	if a.has("commit") {
		waiting, l.waiting = l.waiting, nil
	}
	l.mu.Unlock()
	for _, done := range waiting {
		done(errorNames[a.text("commit", "")])
	}
}
