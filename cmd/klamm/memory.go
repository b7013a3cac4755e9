package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A broker keeps little memory alive: some kilobytes for each partition and connection, and buffers
// that it reuses. By default Go starts a collection when the heap has grown to twice its live size. With
// a small live heap that leaves too little room between two collections; with large live buffers it
// wastes memory. The time that a collection takes depends on how much memory it has to scan for pointers.
// Buffers hold no pointers, but the stacks of ten thousand connections do. So the broker makes the room
// between two collections half of the memory that a collection scans, and at least spareHeap.
const (
	spareHeap   = 8 << 20 // bytes
	leastGOGC   = 2       // with 0 Go would collect all the time
	mostGOGC    = 400
	quietAfter  = 30 * time.Second
	poolsKeep   = 2        // a sync.Pool drops what nobody took during this many collections
	unusedBytes = 16 << 20 // an idle broker gives memory back when the unused memory is larger than this and than the live heap
)

// keepMemorySmall sets the room between two collections by the rule above, for the life of the process.
// When no collection has run for quietAfter, it empties the pools and gives unused memory back to the
// operating system. It does nothing if the environment sets GOGC.
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

// collection is garbage as soon as it is made. The next collection runs its finalizer, which is
// how pace learns of that collection.
type collection struct{ _ [16]byte }

// pace sets GOGC for the time until the next collection, and has that collection call pace again.
func pace(*collection) {
	h := heapNow()
	if want := h.gogc(); want*10 > h.set*11 || want*10 < h.set*9 { // a change under a tenth is not worth SetGCPercent, which takes the heap's lock
		debug.SetGCPercent(int(want))
	}
	runtime.SetFinalizer(&collection{}, pace)
}

// heap is what the runtime reports of its heap, in bytes, and of its collector.
//
//   - live is the size of the live objects at the last collection, and scanned the part of
//     the heap that a collection scans for pointers;
//   - objects is the size of all objects now, garbage included;
//   - free is the memory that is neither in use nor given back to the operating system.
type heap struct {
	live, scanned, objects, free uint64
	roots                        uint64 // the stacks and globals, which a collection scans as well
	cycles, set                  uint64 // the number of collections so far, and GOGC in percent
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

// unused gives how many bytes would be free after a collection.
func (h heap) unused() uint64 { return h.free + max(h.objects, h.live) - h.live }

// gogc gives the room between two collections as GOGC takes it: in percent of the live heap and the roots.
func (h heap) gogc() uint64 {
	return min(max(max(spareHeap, (h.scanned+h.roots)/2)*100/max(h.live+h.roots, 1), leastGOGC), mostGOGC)
}
