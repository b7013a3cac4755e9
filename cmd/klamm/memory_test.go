package main

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestCollectorLeavesTheRoomThatIsMeant keeps much memory alive, then little, in a process
// whose collector is paced.
func TestCollectorLeavesTheRoomThatIsMeant(t *testing.T) {
	t.Setenv("GOGC", "")
	keepMemorySmall()
	const much = 64 << 20
	kept := make([]byte, much)
	awaitGOGC(t, "64 MB live", func(h heap) bool { return h.live >= much })
	runtime.KeepAlive(kept)
	pointers := make([]*int, much/8)
	awaitGOGC(t, "64 MB of pointers too", func(h heap) bool { return h.scanned >= much })
	runtime.KeepAlive(pointers)
	runtime.KeepAlive(kept)
	kept, pointers = nil, nil
	awaitGOGC(t, "little lives", func(h heap) bool { return h.live < much })
}

// awaitGOGC runs collections until a heap is there that is meant, and GOGC is what the rule gives for it, to a tenth: other tests leave memory alive as
// well.
func awaitGOGC(t *testing.T, when string, meant func(heap) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		h := heapNow()
		if want := h.gogc(); meant(h) && h.set*10 >= want*9 && h.set*10 <= want*11 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("GOGC is %d (%s), want %d: %+v", h.set, when, h.gogc(), h)
		}
		runtime.GC() // the finalizer that calls pace runs some time after the collection
		time.Sleep(time.Millisecond)
	}
}

func TestGOGCByWhatLives(t *testing.T) {
	for _, c := range []struct{ live, scanned, roots, want uint64 }{
		{0, 0, 0, 400}, {1 << 20, 1 << 20, 0, 400}, {4 << 20, 4 << 20, 0, 200}, {16 << 20, 16 << 20, 0, 50},
		{64 << 20, 0, 0, 12}, {64 << 20, 16 << 20, 0, 12}, {64 << 20, 32 << 20, 0, 25}, {1 << 30, 1 << 30, 0, 50}, {1 << 31, 0, 0, 2},
		// The stacks of 10,000 connections get 40 MB of room. With 8 MB of room a collection scanned all of them for each 8 MB of garbage.
		{40 << 20, 0, 80 << 20, 33}, {10 << 20, 0, 90 << 20, 45}, {20 << 20, 20 << 20, 80 << 20, 50},
	} {
		if got := (heap{live: c.live, scanned: c.scanned, roots: c.roots}).gogc(); got != c.want {
			t.Errorf("%d bytes live, %d with pointers, %d of roots: %d %%, want %d", c.live, c.scanned, c.roots, got, c.want)
		}
	}
	if got := (heap{live: 10, objects: 14, free: 5}).unused(); got != 9 {
		t.Errorf("unused: %d bytes", got)
	}
	if got := (heap{live: 10, objects: 8, free: 5}).unused(); got != 5 { // objects are freed before live is set anew
		t.Errorf("unused: %d bytes", got)
	}
}

// TestStacksCountAsRoots: the stacks count only if heapNow asks the runtime for them. 64 goroutines keep 64 KB of stack each.
func TestStacksCountAsRoots(t *testing.T) {
	const goroutines, stack = 64, 64 << 10
	runtime.GC()
	before := heapNow().roots
	ready, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() { deep(stack, ready, end) })
	}
	for range goroutines {
		<-ready
	}
	runtime.GC()
	with := heapNow().roots
	close(end)
	wg.Wait()
	if with < before+goroutines*stack/2 {
		t.Errorf("%d bytes of roots, %d with the stacks of %d goroutines", before, with, goroutines)
	}
}

// deep waits while it uses so many bytes of stack.
func deep(bytes int, ready chan<- struct{}, end <-chan struct{}) byte {
	var frame [1024]byte
	if bytes > len(frame) {
		frame[bytes%len(frame)] = deep(bytes-len(frame), ready, end)
	} else {
		ready <- struct{}{}
		<-end
	}
	return frame[bytes%len(frame)]
}
