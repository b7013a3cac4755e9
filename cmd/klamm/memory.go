package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A broker keeps little alive: some kilobytes for each partition and connection, and buffers
// that are used again. By default Go lets the heap grow to twice what lives before it collects. Where
// little lives, that is too little room between two collections; where large buffers live, it wastes
// memory. A collection costs the time to look through everything that may hold pointers. Buffers hold
// none; the stacks of ten thousand connections do. So the room between two collections is half of
// what a collection looks through, and spareHeap at least.
const (
	spareHeap   = 8 << 20 // bytes
	leastGOGC   = 2       // with 0 Go would collect all the time
	mostGOGC    = 400
	quietAfter  = 30 * time.Second
	poolsKeep   = 2        // a sync.Pool forgets what nobody took for so many collections
	unusedBytes = 16 << 20 // a quiet broker gives memory back when more than this, and more than what lives, is unused
)

// keepMemorySmall sets the room between two collections as said above, for as long as the process
// lives. When there was no collection for quietAfter, it empties the pools, and gives unused memory back
// to the system. It does nothing where the environment sets GOGC.
func keepMemorySmall() {
	if os.Getenv("GOGC") != "" {
		return
	}
	go func() {
		last, quiet := heapNow(), 0
		for range time.Tick(quietAfter) {
			if heapNow().cycles != last.cycles {
				quiet = 0
			} else if quiet++; quiet <= poolsKeep {
				runtime.GC()
			}
			if h := heapNow(); quiet > 0 && h.unused() > max(unusedBytes, h.live) {
				debug.FreeOSMemory()
			}
			last = heapNow()
		}
	}()
	pace(&collection{})
}

// collection is garbage as soon as it is made: it is freed with the next collection.
type collection struct{ _ [16]byte }

// pace sets the room up to the next collection, which calls it again.
func pace(*collection) {
	h := heapNow()
	if want := h.gogc(); want*10 > h.set*11 || want*10 < h.set*9 { // SetGCPercent takes the heap's lock, so small changes are not worth it
		debug.SetGCPercent(int(want))
	}
	runtime.SetFinalizer(&collection{}, pace)
}

// heap is what the runtime says of its heap, in bytes, and of its collector.
type heap struct {
	live, scanned, objects, free uint64 // after the last collection; of it, with pointers; now, with garbage; not in use and not given back
	roots                        uint64 // stacks and globals, which a collection looks through as well
	cycles, set                  uint64 // collections so far; GOGC
}

func heapNow() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/gogc:percent"}, {Name: "/gc/scan/heap:bytes"},
		{Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(samples)
	n := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heap{live: n(0), objects: n(1), free: n(2), cycles: n(3), set: n(4), scanned: n(5), roots: n(6) + n(7)}
}

// unused is how many bytes would be free after a collection.
func (h heap) unused() uint64 { return h.free + max(h.objects, h.live) - h.live }

// gogc is the room, in percent of what lives and of the roots: Go counts both.
func (h heap) gogc() uint64 {
	return min(max(max(spareHeap, (h.scanned+h.roots)/2)*100/max(h.live+h.roots, 1), leastGOGC), mostGOGC)
}
