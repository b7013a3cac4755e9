package batch

import (
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"
)

// zeros is a batch of one record of n bytes of zero.
func zeros(t testing.TB, codec Codec, n int) []byte {
	b := NewBuilder(codec)
	b.Add(0, nil, make([]byte, n))
	return build(t, b)
}

// holdLongTurn takes the long turn until the function that it gives is called.
func holdLongTurn() (giveBack func()) {
	longTurn <- struct{}{}
	return func() { <-longTurn }
}

// longWaiters waits until so many batches wait for the long turn.
func longWaiters(t *testing.T, n int32) {
	t.Helper()
	for end := time.Now().Add(time.Minute); longWaiting.Load() != n; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d wait for the long turn, not %d", longWaiting.Load(), n)
		}
	}
}

// What expands like no data does waits for its own turn, and others do not wait
// for it.
func TestBombsKeepNobodyWaiting(t *testing.T) {
	giveBack := holdLongTurn()
	done := make(chan error)
	const bombs = 20
	for range bombs {
		go func() {
			_, err := Validate(zeros(t, Gzip, 4<<20), open)
			done <- err
		}()
	}
	longWaiters(t, bombs)
	for _, codec := range Codecs() {
		if _, err := Validate(sample(t, codec, 20), open); err != nil {
			t.Errorf("%v: %v", codec, err)
		}
	}
	giveBack()
	for range bombs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	longWaiters(t, 0)
}

// What takes the long turn makes a pause after each piece, and nothing else does.
func TestBombsMakePauses(t *testing.T) {
	pauses := 0
	rules := open
	rules.Pause = func() { pauses++ }
	if _, err := Validate(zeros(t, Gzip, 4<<20), rules); err != nil || pauses < 4<<20/longPiece-1 {
		t.Errorf("%d pauses, %v", pauses, err)
	}
	d := Downconversion{Magic: 1}
	set, err := d.Append(nil, zeros(t, Gzip, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	pauses = 0
	if _, _, err := ValidateSet(set, rules); err != nil || pauses < 4<<20/longPiece-1 {
		t.Errorf("an old set: %d pauses, %v", pauses, err)
	}
	pauses = 0
	for _, codec := range Codecs() {
		if _, err := Validate(sample(t, codec, 20), rules); err != nil || pauses > 0 {
			t.Errorf("%v: %d pauses, %v", codec, pauses, err)
		}
	}
}

// Batches that are packed anew, which may take long, wait for each other alone.
func TestPackingKeepsNobodyWaiting(t *testing.T) {
	fill := func(turns chan struct{}) (empty func()) {
		for range cap(turns) {
			turns <- struct{}{}
		}
		return func() {
			for range cap(turns) {
				<-turns
			}
		}
	}
	gone := make(chan struct{})
	close(gone)
	waits := in(LZ4)
	waits.Quit = gone
	d := Downconversion{Magic: 1}
	set, err := d.Append(nil, sample(t, None, 3))
	if err != nil {
		t.Fatal(err)
	}
	empty := fill(packTurns)
	for _, codec := range []Codec{None, Gzip, Zstd} {
		if _, _, err := ValidateBatch(sample(t, codec, 20), open); err != nil {
			t.Errorf("%v is checked while others are packed anew: %v", codec, err)
		}
		if _, _, err := ValidateBatch(sample(t, codec, 20), waits); !errors.As(err, new(*BusyError)) {
			t.Errorf("%v is packed anew while there is no turn: %v", codec, err)
		}
	}
	if _, _, err := ValidateSet(set, waits); !errors.As(err, new(*BusyError)) {
		t.Errorf("a set is packed while there is no turn: %v", err)
	}
	empty()
	defer fill(quickTurns)()
	patient := make(chan struct{})
	hung := time.AfterFunc(time.Minute, func() { close(patient) })
	defer hung.Stop()
	packs := in(LZ4)
	packs.Quit = patient
	for _, codec := range []Codec{None, Gzip, Zstd} {
		if _, _, err := ValidateBatch(sample(t, codec, 20), packs); err != nil {
			t.Errorf("%v is packed anew while others are checked: %v", codec, err)
		}
	}
	if _, _, err := ValidateSet(set, packs); err != nil {
		t.Errorf("a set is packed while others are checked: %v", err)
	}
}

// A zstd frame with a large window is one for the long turn too.
func TestWideWindowsTakeTheLongTurn(t *testing.T) {
	defer holdLongTurn()()
	quit := make(chan struct{})
	rules := open
	rules.Quit = quit
	done := make(chan error)
	go func() {
		_, err := Validate(packed(Zstd, 1, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x88, 1, 0, 0}), rules)
		done <- err
	}()
	longWaiters(t, 1)
	close(quit)
	if err := <-done; !is[*BusyError](err) {
		t.Errorf("got %v", err)
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// Who waits for the long turn keeps bytes: of their number and of their bytes
// there is a bound, and who stops waits no more.
func TestWaitingForTheLongTurnIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		packed, fit int
	}{
		"by number": {100, maxLongWaiting},
		"by bytes":  {maxLongBytes / 3, 3},
		"but one":   {2 * maxLongBytes, 1},
	} {
		t.Run(name, func(t *testing.T) {
			giveBack := holdLongTurn()
			defer giveBack()
			quit := make(chan struct{})
			take := func() error {
				return inTurn(c.packed, 1<<40, false, quit, func(a turn) error {
					if !a.long {
						return errLongTurn
					}
					return nil
				})
			}
			done := make(chan error)
			for i := range c.fit {
				go func() { done <- take() }()
				longWaiters(t, int32(i+1))
			}
			if err := take(); !is[*BusyError](err) {
				t.Errorf("one too many: %v", err)
			}
			close(quit)
			for range c.fit {
				if err := <-done; !is[*BusyError](err) {
					t.Errorf("one that stops: %v", err)
				}
			}
			longWaiters(t, 0)
		})
	}
}

// A record that claims more than may come, or than can, is refused before it is
// expanded.
func TestClaimsAreNotExpanded(t *testing.T) {
	for name, c := range map[string]struct {
		codec Codec
		size  uint64
		large bool
	}{
		"gzip, more than it can expand to":   {Gzip, 1 << 28, false},
		"snappy, more than it can expand to": {Snappy, 1 << 28, false},
		"lz4, more than it can expand to":    {LZ4, 1 << 28, false},
		"zstd, more than is allowed":         {Zstd, 1 << 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := packed(c.codec, 1, mustCompress(t, c.codec, append(binary.AppendUvarint(nil, 2*c.size), make([]byte, 4<<20)...)))
			h, err := ParseHeader(b)
			if err != nil {
				t.Fatal(err)
			}
			var r cursor
			e, err := r.start(b, &h, DefaultMaxExpandedBytes, wideOne)
			if err != nil {
				t.Fatal(err)
			}
			defer e.release()
			if _, err := r.readFields(); is[*TooLargeError](err) != c.large || err == nil {
				t.Errorf("got %v", err)
			}
			if r.pulled > windowSize {
				t.Errorf("%d bytes were expanded", r.pulled)
			}
		})
	}
}

// An old client that fetches what expands to hundreds of megabytes costs no such
// memory: the message would be held whole.
func TestConvertingABombForOldClients(t *testing.T) {
	for _, codec := range []Codec{Gzip, LZ4} {
		b := zeros(t, codec, 200<<20)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := (&Downconversion{}).Append(nil, b)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 30<<20 || !is[*TooLargeError](err) {
			t.Errorf("%v: a batch of %d bytes cost %d: %v", codec, len(b), got, err)
		}
	}
}
