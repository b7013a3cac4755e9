package transport

import "testing"

// What comes when nothing is left waits, and is let go when its connection ends.
func TestNothingLeftLetsNobodyIn(t *testing.T) {
	b := newByteBudget(100)
	never := make(chan struct{})
	if !b.take(150, never, func() { t.Error("waits with something left") }) {
		t.Fatal("nobody is let in")
	}
	quit := make(chan struct{})
	close(quit)
	waited := 0
	if b.take(1, quit, func() { waited++ }) || waited != 1 {
		t.Errorf("a request was let in with nothing left, or did not say that it waits (%d times)", waited)
	}
	b.giveBack(150)
	if !b.take(1, quit, func() { t.Error("waits with all left") }) {
		t.Error("nobody is let in")
	}
}
