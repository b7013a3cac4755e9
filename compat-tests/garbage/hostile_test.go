package garbage

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// orders tell the process of the hostile connections what to do. The process works until
// its standard input ends, and writes what it did to its standard output.
type orders struct {
	Addr        string
	Seed        uint64
	Connections int
	Rate        int // visits a second over all connections; 0 for as many as can be
	Topics      int
	Kinds       string        // a regular expression that selects from kinds
	ByteEvery   time.Duration // between the bytes of the connections that crawl
	APIs        []servedAPI
}

type servedAPI struct{ Key, Min, Max int16 }

// deeds are what the hostile connections did.
type deeds struct {
	Visits, Connections, Requests, Bytes, Answers, Refused int64
	ByKind                                                 map[string]int64
}

// hostile is one of the connections: it visits the broker again and again.
type hostile struct {
	*target
	rng   *rand.Rand
	nc    net.Conn
	deeds *deeds
	stop  context.Context
	there *sync.WaitGroup // of those that stay, see visitAll
}

// kinds are the ways to behave badly; weight says how often a connection chooses one,
// relative to the others.
var kinds = []struct {
	name   string
	weight int
	visit  func(h *hostile)
}{
	{"noise", 6, func(h *hostile) { h.send(noise(h.rng, 1+h.rng.IntN(3000))); h.answer() }},
	{"TLS", 2, func(h *hostile) { h.send(hello()); h.answer() }},
	{"HTTP", 2, func(h *hostile) {
		h.send([]byte("POST / HTTP/1.1\r\nHost: \x1b[31mklamm\r\nContent-Length: 9999999\r\n\r\n"))
		h.answer()
	}},
	{"length prefix", 4, func(h *hostile) { h.send(binary.BigEndian.AppendUint32(nil, uint32(odd32(h.rng)))); h.linger(500) }},
	{"100 MB claimed", 3, func(h *hostile) {
		h.send(binary.BigEndian.AppendUint32(nil, 100_000_000))
		h.send(noise(h.rng, h.rng.IntN(200_000)))
		h.linger(1000)
	}},
	{"frames that never end", 3, func(h *hostile) {
		f := frame(h.request(h.rng))
		h.send(f[:h.rng.IntN(len(f))])
		h.linger(2000)
	}},
	{"large frames that never end", 1, func(h *hostile) {
		f := frame(make([]byte, 1<<20))
		h.send(f[:len(f)-1])
		h.linger(1500)
	}},
	{"byte by byte", 3, func(h *hostile) {
		for _, b := range frame(h.request(h.rng)) {
			if !h.send([]byte{b}) {
				return
			}
			h.linger(40)
			if h.rng.IntN(50) == 0 {
				return
			}
		}
	}},
	{"silence", 2, func(h *hostile) { h.linger(3000) }},
	{"storm", 4, func(h *hostile) {
		for range 20 {
			if h.rng.IntN(2) == 0 {
				h.send(frame(h.request(h.rng)))
			}
			h.close()
			if !h.dial() {
				return
			}
		}
	}},
	{"good requests", 12, func(h *hostile) { h.ask(5, func() []byte { return h.request(h.rng) }) }},
	{"mutated requests", 20, func(h *hostile) { h.ask(5, func() []byte { return mutate(h.rng, h.request(h.rng)) }) }},
	{"mutated lengths", 6, func(h *hostile) { h.ask(3, func() []byte { return hugeArrays(h.rng, h.request(h.rng)) }) }},
	{"keys and versions", 6, func(h *hostile) {
		h.ask(3, func() []byte {
			r := h.request(h.rng)
			binary.BigEndian.PutUint16(r[2*h.rng.IntN(2):], uint16(odd32(h.rng)))
			return r
		})
	}},
	{"broken batches", 20, func(h *hostile) {
		h.ask(5, func() []byte { return h.produce(h.rng, int16(3+h.rng.IntN(10)), brokenBatch(h.rng)) })
	}},
	{"old message sets", 8, func(h *hostile) {
		h.ask(2, func() []byte { return h.produce(h.rng, int16(h.rng.IntN(3)), oldSet(h.rng)) })
	}},
	{"bombs", 8, func(h *hostile) {
		h.ask(2, func() []byte { return h.produce(h.rng, int16(3+h.rng.IntN(10)), bombBatch(h.rng)) })
	}},
	{"answers never read", 4, (*hostile).neverRead},
}

// hugeArrays puts a huge number where a length may stand.
func hugeArrays(rng *rand.Rand, r []byte) []byte {
	at := 10 + rng.IntN(max(1, len(r)-14))
	binary.BigEndian.PutUint32(r[min(at, len(r)-4):], []uint32{0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 0xffffff0f}[rng.IntN(5)])
	return r
}

func frame(request []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)
}

// hello is what a TLS client says first.
var hello = sync.OnceValue(func() []byte {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() { _ = tls.Client(near, &tls.Config{ServerName: "klamm"}).Handshake() }() // ends with the pipe
	b := make([]byte, 4096)
	n, _ := far.Read(b)
	return b[:n]
})

// hostileMain is the process of the hostile connections.
func hostileMain(text string) {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	stop, cancel := context.WithCancel(context.Background())
	g := &target{addr: o.Addr, topics: o.Topics}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the process that started this one, however that ends
		time.AfterFunc(2*time.Minute, func() { os.Exit(3) })
		for o.Kinds == "" && (!g.answered.Load() || !g.refused.Load()) { // a machine that is busy with other things may take long
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	for _, a := range o.APIs {
		g.apis = append(g.apis, kmsg.ApiVersionsResponseApiKey{ApiKey: a.Key, MinVersion: a.Min, MaxVersion: a.Max})
	}
	bombs()
	oldBombs()
	answers := json.NewEncoder(os.Stdout) // errors do not matter: a reader that is gone needs nothing
	_ = answers.Encode(true)              // it begins
	total := deeds{ByKind: map[string]int64{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range o.Connections {
		all.Go(func() {
			h := &hostile{target: g, rng: rand.New(rand.NewPCG(o.Seed, uint64(i))), deeds: &deeds{ByKind: map[string]int64{}}, stop: stop}
			h.run(o)
			mu.Lock()
			defer mu.Unlock()
			total.add(h.deeds)
		})
	}
	for i := range crawlers {
		all.Go(func() {
			h := &hostile{target: g, rng: rand.New(rand.NewPCG(o.Seed, uint64(1<<32+i))), deeds: &deeds{ByKind: map[string]int64{}}, stop: stop}
			h.crawl(o.ByteEvery)
			mu.Lock()
			defer mu.Unlock()
			total.add(h.deeds)
		})
	}
	all.Wait()
	_ = answers.Encode(&total)
}

func (d *deeds) add(o *deeds) {
	d.Visits += o.Visits
	d.Connections += o.Connections
	d.Requests += o.Requests
	d.Bytes += o.Bytes
	d.Answers += o.Answers
	d.Refused += o.Refused
	for k, n := range o.ByKind {
		d.ByKind[k] += n
	}
}

// run visits until it is told to stop.
func (h *hostile) run(o orders) {
	meant := regexp.MustCompile(o.Kinds)
	weights := 0
	for _, k := range kinds {
		if meant.MatchString(k.name) {
			weights += k.weight
		}
	}
	for h.stop.Err() == nil {
		if o.Rate > 0 { // each connection's share, spread at random
			mean := time.Duration(float64(time.Second) * float64(o.Connections) / float64(o.Rate))
			h.pause(time.Duration(h.rng.ExpFloat64() * float64(mean)))
		}
		if h.nc == nil && !h.dial() {
			h.pause(100 * time.Millisecond)
			continue
		}
		n := h.rng.IntN(weights)
		for _, k := range kinds {
			if !meant.MatchString(k.name) {
				continue
			}
			if n -= k.weight; n < 0 {
				h.deeds.Visits++
				h.deeds.ByKind[k.name]++
				k.visit(h)
				break
			}
		}
		if h.rng.IntN(3) > 0 {
			h.close()
		}
	}
	h.close()
}

// crawlers is how many connections send a byte now and then all the while, beside those that visit.
const crawlers = 20

// crawl sends requests byte by byte and waits in between.
func (h *hostile) crawl(every time.Duration) {
	for h.stop.Err() == nil {
		if h.nc == nil && !h.dial() {
			h.pause(100 * time.Millisecond)
			continue
		}
		h.deeds.ByKind["crawling"]++
		for _, b := range frame(h.request(h.rng)) {
			if !h.send([]byte{b}) {
				break
			}
			h.deeds.ByKind["bytes of those that crawl"]++
			if h.pause(every); h.stop.Err() != nil {
				break
			}
		}
		h.close()
	}
}

func (h *hostile) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-h.stop.Done():
	}
}

func (h *hostile) dial() bool {
	d := net.Dialer{Timeout: time.Minute} // thousands may dial at once, and few wait in the broker's backlog
	nc, err := d.DialContext(h.stop, "tcp", h.addr)
	if err != nil {
		return false
	}
	h.nc = nc
	h.deeds.Connections++
	return true
}

// close ends the connection with a reset.
func (h *hostile) close() {
	if h.nc == nil {
		return
	}
	if tcp, ok := h.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a port in TIME_WAIT could not be used again, and there are not enough ports
	}
	_ = h.nc.Close()
	h.nc = nil
}

// send writes, and reports whether that went well.
func (h *hostile) send(b []byte) bool {
	if h.nc == nil {
		return false
	}
	_ = h.nc.SetWriteDeadline(time.Now().Add(2 * time.Second))
	n, err := h.nc.Write(b)
	h.deeds.Bytes += int64(n)
	if err != nil {
		h.close()
	}
	return err == nil
}

// ask sends up to n requests and then reads their answers.
func (h *hostile) ask(n int, request func() []byte) {
	n = 1 + h.rng.IntN(n)
	for range n {
		if !h.send(frame(request())) {
			return
		}
		h.deeds.Requests++
	}
	for range n {
		if !h.answer() {
			return
		}
	}
}

// answer reads one answer, if one comes.
func (h *hostile) answer() bool { return h.answerWithin(2 * time.Second) }

func (h *hostile) answerWithin(d time.Duration) bool {
	if h.nc == nil {
		return false
	}
	_ = h.nc.SetReadDeadline(time.Now().Add(d))
	br := bufio.NewReaderSize(h.nc, 16)
	var size [4]byte
	if _, err := io.ReadFull(br, size[:]); err != nil {
		h.noteRefused()
		h.close()
		return false
	}
	if _, err := io.CopyN(io.Discard, br, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
		h.close()
		return false
	}
	h.deeds.Answers++
	h.answered.Store(true)
	return true
}

func (h *hostile) noteRefused() {
	h.deeds.Refused++
	h.refused.Store(true)
}

// linger stays for up to ms, unless the broker closes the connection before.
func (h *hostile) linger(ms int) {
	if h.nc == nil {
		return
	}
	_ = h.nc.SetReadDeadline(time.Now().Add(time.Duration(h.rng.IntN(ms)) * time.Millisecond))
	if _, err := h.nc.Read(make([]byte, 1)); err != nil {
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
			h.noteRefused()
			h.close()
		}
	}
}

// neverRead sends requests until the broker takes no more, and stays.
func (h *hostile) neverRead() {
	_ = h.nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	request := frame(h.request(h.rng))
	for range 200 {
		_ = h.nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := h.nc.Write(request)
		h.deeds.Bytes += int64(n)
		if err != nil {
			break
		}
		h.deeds.Requests++
	}
	h.pause(time.Duration(h.rng.IntN(2000)) * time.Millisecond)
	h.close()
}
