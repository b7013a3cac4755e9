package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

// rottenBatch is the batch that rots in these tests, amid the second of several segments.
const rottenBatch = 14

// rotWorld is a log of several sealed segments on a disk.
type rotWorld struct {
	disk *vfs.Mem
	o    Options
	all  []stored
	said bytes.Buffer
	log  *Log   // as it was written; closed when clean
	path string // of the segment that rots
	pos  int64  // where in it the batch begins
}

func newRotWorld(t *testing.T, clean bool) *rotWorld {
	t.Helper()
	return newRotWorldAt(t, clean, func(i int) int64 { return testNow + int64(10*i) })
}

// newRotWorldAt has batch i stamped with times.
func newRotWorldAt(t *testing.T, clean bool, at func(i int) int64) *rotWorld {
	t.Helper()
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 1000, 300
	w := &rotWorld{disk: newMemDisk(t)}
	w.o = testOptions(w.disk, c)
	l := mustOpen(t, w.o)
	w.log = l
	for i := range 24 {
		data := build(t, spec{count: 2, size: 40, ts: at(i), idem: true, pid: 1, seq: int32(2 * i), payload: fmt.Sprintf("value %d", i)})
		a := []Append{toAppend(t, data)}
		l.Append(a, 0, testNow)
		ok(t, a[0].Result.Err)
		w.all = append(w.all, stored{a[0].Header, data})
	}
	ok(t, l.Flush(l.EndOffset()))
	v := l.snapshot()
	s := v.segments[v.floor(w.all[rottenBatch].h.BaseOffset)]
	if s.base == 0 || s == v.active() || s.base == w.all[rottenBatch].h.BaseOffset {
		t.Fatal("the batch is not amid a sealed segment")
	}
	w.path = s.path(logSuffix)
	for _, b := range w.all[:rottenBatch] {
		if b.h.BaseOffset >= s.base {
			w.pos += int64(len(b.data))
		}
	}
	w.o.RecoveryPoint, w.o.Clean = l.RecoveryPoint(), clean
	if clean {
		ok(t, l.Close())
	}
	w.o.Logger = slog.New(slog.NewTextHandler(&w.said, nil))
	return w
}

// rot changes bytes of the batch.
func (w *rotWorld) rot(t *testing.T, change func(b []byte)) {
	t.Helper()
	b := bytes.Clone(w.all[rottenBatch].data)
	change(b)
	ok(t, w.disk.Rot(w.path, b, w.pos))
}

// write has somebody else write into the segment.
func (w *rotWorld) write(t *testing.T, change func(b []byte)) {
	t.Helper()
	b := bytes.Clone(w.all[rottenBatch].data)
	change(b)
	f, err := w.disk.Open(w.path)
	ok(t, err)
	_, err = f.WriteAt(b, w.pos)
	ok(t, errors.Join(err, f.Close()))
}

var rots = map[string]func(b []byte){
	"a value":          func(b []byte) { b[len(b)-3] ^= 1 },
	"the CRC":          func(b []byte) { b[17] ^= 0x80 },
	"the length":       func(b []byte) { b[11] += 3 },
	"the length, huge": func(b []byte) { b[8] = 0x70 },
	"the magic":        func(b []byte) { b[16] = 9 },
	"the offset":       func(b []byte) { b[3] = 1 },
	"the offset, back": func(b []byte) { clear(b[:8]) },
	"all":              func(b []byte) { clear(b) },
	"a part":           func(b []byte) { clear(b[5:40]) },
}

// TestRotCostsTheReadThatMeetsIt has a batch of a sealed segment rot while the log is closed: the log opens, what stands
// before and behind the batch can be read, and the batch gives an error that says where it is.
func TestRotCostsTheReadThatMeetsIt(t *testing.T) {
	for name, change := range rots {
		for _, clean := range []bool{true, false} {
			for _, index := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, clean %t, index %t", name, clean, index), func(t *testing.T) {
					w := newRotWorld(t, clean)
					w.rot(t, change)
					if !index {
						ok(t, w.disk.Remove(strings.TrimSuffix(w.path, logSuffix)+indexSuffix))
					}
					l := mustOpen(t, w.o)
					if l.EndOffset() != 48 || l.StartOffset() != 0 {
						t.Fatalf("offsets %d to %d", l.StartOffset(), l.EndOffset())
					}
					w.readsAllElse(t, l)
					w.readsAllElse(t, l)
					if n := strings.Count(w.said.String(), "corrupt batch"); n != 1 || !strings.Contains(w.said.String(), w.path) {
						t.Errorf("it is said %d times where it is:\n%s", n, w.said.String())
					}
				})
			}
		}
	}
}

// readsAllElse reads from every offset, little and much.
func (w *rotWorld) readsAllElse(t *testing.T, l *Log) {
	t.Helper()
	for _, size := range []int{1, 300, 1 << 20} {
		for i, b := range w.all {
			r, err := l.Read(b.h.BaseOffset, size, 1<<62, true)
			if i == rottenBatch {
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.Path != w.path || corrupt.Position != w.pos || corrupt.Offset != b.h.BaseOffset || errors.As(err, new(*DirError)) {
					t.Fatalf("reading what rotted: %d bytes, %v", r.Len, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("batch %d, %d bytes: %v", i, size, err)
			}
			got := readBytes(t, &r)
			r.Release()
			for at := i; len(got) > 0; at++ {
				if at == rottenBatch || !bytes.HasPrefix(got, w.all[at].data) {
					t.Fatalf("batch %d read in %d bytes from batch %d is not what was written", at, size, i)
				}
				got = got[len(w.all[at].data):]
			}
		}
	}
}

// TestLookupByTimeGetsPastRot looks for all times in a log with a rotten batch: each lookup that met it wrote the indexes
// anew, and failed or gave an offset that rotted.
func TestLookupByTimeGetsPastRot(t *testing.T) {
	for name, change := range rots {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, index %t", name, index), func(t *testing.T) {
				w := newRotWorld(t, true)
				w.rot(t, change)
				if !index {
					ok(t, w.disk.Remove(strings.TrimSuffix(w.path, logSuffix)+indexSuffix))
					ok(t, w.disk.Remove(strings.TrimSuffix(w.path, logSuffix)+timeIndexSuffix))
				}
				l := mustOpen(t, w.o)
				for range 5 {
					for i, b := range w.all {
						want := b.h.BaseOffset
						if i == rottenBatch {
							want = w.all[i+1].h.BaseOffset
						}
						got, found, err := l.OffsetForTimestamp(testNow + int64(10*i))
						if err != nil || !found || got.Offset != want {
							t.Fatalf("the time of batch %d: %+v, found %t, %v, want offset %d", i, got, found, err, want)
						}
					}
					if got, found, err := l.MaxTimestampOffset(); err != nil || !found || got.Offset != 47 {
						t.Fatalf("the largest time: %+v, found %t, %v", got, found, err)
					}
				}
				w.saidOnce(t)
			})
		}
	}
}

// TestLookupOfWhatRottedIsAnError looks for a time that no other batch reaches. Of a batch whose header rotted it need
// not be known that it had one; no other record's offset may be given.
func TestLookupOfWhatRottedIsAnError(t *testing.T) {
	for name, change := range rots {
		t.Run(name, func(t *testing.T) {
			w := newRotWorldAt(t, true, func(i int) int64 {
				if i == rottenBatch {
					return testNow + 1_000_000
				}
				return testNow + int64(10*i)
			})
			w.rot(t, change)
			l := mustOpen(t, w.o)
			headerIsWell := name == "a value" || name == "the CRC"
			for range 5 {
				for what, look := range map[string]func() (TimestampOffset, bool, error){
					"its time":         func() (TimestampOffset, bool, error) { return l.OffsetForTimestamp(testNow + 500_000) },
					"the largest time": l.MaxTimestampOffset,
				} {
					var corrupt *CorruptError
					got, found, err := look()
					switch {
					case errors.As(err, &corrupt) && corrupt.Path == w.path && corrupt.Position == w.pos:
					case headerIsWell || err != nil: // else indexes that were written anew know nothing of it
						t.Fatalf("%s: %+v, %v", what, got, err)
					case what == "its time" && found, what != "its time" && got.Offset != 47:
						t.Fatalf("%s: %+v", what, got)
					}
				}
			}
			if headerIsWell {
				w.saidOnce(t)
			} else if n := strings.Count(w.said.String(), "and is rebuilt"); n > 1 {
				t.Errorf("indexes are written anew %d times", n)
			}
		})
	}
}

// saidOnce checks that the log says once where the corrupt batch is, and that indexes were rebuilt at most once.
func (w *rotWorld) saidOnce(t *testing.T) {
	t.Helper()
	said := w.said.String()
	if n := strings.Count(said, "corrupt batch"); n != 1 || !strings.Contains(said, w.path) || strings.Count(said, "and is rebuilt") > 1 {
		t.Errorf("it is said %d times where it is:\n%s", n, said)
	}
}

// TestRotInTheActiveSegmentIsFound has what another process wrote to the segment that is active rot.
func TestRotInTheActiveSegmentIsFound(t *testing.T) {
	w := newRotWorld(t, true)
	w.o.Config.SegmentBytes = 1 << 20
	l := mustOpen(t, w.o)
	v := l.snapshot()
	last := len(w.all) - 1
	for w.path, w.pos = v.active().path(logSuffix), 0; w.all[last].h.BaseOffset > v.active().base; last-- {
	}
	f, err := w.disk.Open(w.path)
	ok(t, err)
	_, err = f.WriteAt([]byte{1}, int64(len(w.all[last].data)-1))
	ok(t, err)
	ok(t, appendOne(t, l, build(t, spec{ts: testNow}), 0, testNow).Err)
	if _, err := l.Read(w.all[last].h.BaseOffset, 1<<20, 1<<62, true); !errors.As(err, new(*CorruptError)) {
		t.Errorf("read: %v", err)
	}
	if r, err := l.Read(48, 1<<20, 1<<62, true); err != nil || r.Len == 0 {
		t.Errorf("what was appended since: %v", err)
	}
}

// TestCorruptSegmentKeepsNoPartitionFromOpening has a segment rot that the producers' state is read from.
func TestCorruptSegmentKeepsNoPartitionFromOpening(t *testing.T) {
	for name, change := range rots {
		w := newRotWorld(t, false)
		w.rot(t, change)
		for file := range strings.FieldsSeq(memNames(t, w.disk, testDir)) {
			if strings.HasSuffix(file, snapshotSuffix) {
				ok(t, w.disk.Remove(testDir+"/"+file))
			}
		}
		l, err := OpenLog(w.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p := l.ActiveProducers(); len(p) != 1 || p[0].LastSequence != 47 {
			t.Errorf("%s: producers %+v", name, p)
		}
		w.readsAllElse(t, l)
	}
}

// TestRotBelowTheRecoveryPointIsNoTornEnd has the segment that is scanned after a kill rot before the point up to which all was on
// the disk: before, the log was cut there.
func TestRotBelowTheRecoveryPointIsNoTornEnd(t *testing.T) {
	for name, change := range rots {
		w := newRotWorld(t, false)
		w.rot(t, change)
		w.o.RecoveryPoint = w.all[rottenBatch+1].h.NextOffset()
		l := mustOpen(t, w.o)
		if l.EndOffset() != 48 {
			t.Errorf("%s: the log ends at %d", name, l.EndOffset())
			continue
		}
		w.readsAllElse(t, l)
		w.o.RecoveryPoint = w.all[rottenBatch].h.BaseOffset // now it may be a torn end
		if l = mustOpen(t, w.o); l.EndOffset() != w.all[rottenBatch].h.BaseOffset {
			t.Errorf("%s: the log ends at %d, it should be cut", name, l.EndOffset())
		}
	}
}

func TestSegmentsAreDoubtedAgain(t *testing.T) {
	w := newRotWorld(t, true)
	l := mustOpen(t, w.o)
	readAll(t, l, 0, 1<<20)
	w.rot(t, rots["a value"])
	readAll(t, l, 0, 1<<20) // it was found right a moment ago
	l.RecheckSegments()
	w.readsAllElse(t, l)
}

// TestWhoWritesIntoASealedSegmentIsNotBelieved has somebody write into a segment that was found right,
// and into one that was just sealed.
func TestWhoWritesIntoASealedSegmentIsNotBelieved(t *testing.T) {
	w := newRotWorld(t, true)
	l := mustOpen(t, w.o)
	readAll(t, l, 0, 1<<20)
	w.write(t, rots["a value"])
	w.readsAllElse(t, l)

	w = newRotWorld(t, false)
	w.write(t, rots["a value"])
	w.readsAllElse(t, w.log)
}

// TestCheckedParts compares what is remembered with a map of all bytes.
func TestCheckedParts(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	var c checked
	var model [200]bool
	for range 2000 {
		from := r.Int64N(190)
		p := span{from, from + 1 + r.Int64N(10)}
		if r.IntN(50) == 0 {
			c.forget()
			model = [200]bool{}
		}
		if r.IntN(2) == 0 {
			c.add(p)
			for i := p.from; i < p.to; i++ {
				model[i] = true
			}
			if !c.covers(p, time.Time{}) {
				t.Fatalf("seed %d: %v was just added", seed, p)
			}
			continue
		}
		all := true
		for i := p.from; i < p.to; i++ {
			all = all && model[i]
		}
		if c.covers(p, time.Time{}) && !all {
			t.Fatalf("seed %d: %v was not checked", seed, p)
		}
	}
}

// TestWhatWasAppendedIsReadUnchecked has who reads a segment that was sealed a moment ago
// not pay for its CRCs once more.
func TestWhatWasAppendedIsReadUnchecked(t *testing.T) {
	w := newRotWorld(t, false)
	v := w.log.snapshot()
	for i, s := range v.segments {
		if !s.checked.covers(span{0, s.size.Load()}, time.Time{}) && i < len(v.segments)-1 {
			t.Errorf("segment %d is to be checked before it is read", s.base)
		}
	}
	w.rot(t, rots["a value"])
	w.log.RecheckSegments()
	w.readsAllElse(t, w.log)
}
