package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/internal/await"
	"klamm/protocol"
)

// fakePeer is a broker that does with each of its connections what serve says.
func fakePeer(t testing.TB, serve func(nc net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); served.Wait() })
	served.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = nc.Close() })
			served.Go(func() { serve(nc); _ = nc.Close() })
		}
	})
	return ln.Addr().String()
}

// dialPeer connects to a broker.
func dialPeer(t testing.TB, addr string, o ClientOptions) *Client {
	t.Helper()
	c, err := Dial(context.Background(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// readRequest reads a request and gives its frame, nil at the end of the connection.
func readRequest(nc net.Conn) []byte {
	var size [4]byte
	if _, err := io.ReadFull(nc, size[:]); err != nil {
		return nil
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(nc, frame); err != nil {
		return nil
	}
	return frame
}

// answer makes the frame of an answer, whose size may be a lie.
func answer(size int, correlation uint32, body ...byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(size))
	return append(binary.BigEndian.AppendUint32(frame, correlation), body...)
}

// answerAfterRequest serves a connection: it reads one request, sends what it was given, and closes.
func answerAfterRequest(b []byte) func(net.Conn) {
	return func(nc net.Conn) {
		if readRequest(nc) != nil {
			_, _ = nc.Write(b)
		}
	}
}

// updateMetadata is a request whose answer is two bytes after a header without tags.
func updateMetadata() kmsg.Request {
	req := kmsg.NewPtrUpdateMetadataRequest()
	req.SetVersion(5)
	return req
}

// leaderAndISR is a request whose answer has tags and lists.
func leaderAndISR() kmsg.Request {
	req := kmsg.NewPtrLeaderAndISRRequest()
	req.SetVersion(7)
	return req
}

func TestClientMeetsHostilePeers(t *testing.T) {
	huge := []byte{0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f} // no tags, error 0, and a list of four thousand million topics
	for _, c := range []struct {
		name string
		req  kmsg.Request
		sent []byte
		want error  // what the error wraps, or
		says string // what it says
	}{
		{"closes", updateMetadata(), nil, io.EOF, ""},
		{"closes within the length", updateMetadata(), []byte{0, 0}, io.ErrUnexpectedEOF, ""},
		{"closes before the header", updateMetadata(), []byte{0, 0, 0, 6}, io.ErrUnexpectedEOF, ""},
		{"closes within the body", updateMetadata(), answer(6, 1, 0), io.ErrUnexpectedEOF, ""},
		{"announces a negative length", updateMetadata(), answer(-1, 1), nil, "bytes are announced"},
		{"announces more than the API has", kmsg.NewPtrApiVersionsRequest(), answer(protocol.MaxRequestBytes+1, 1), nil, "the limit is"},
		{"announces more than an API of brokers has", updateMetadata(), answer(largeAnswer+1, 1), nil, "the limit is"},
		{"has no room for the header", updateMetadata(), []byte{0, 0, 0, 2, 0, 0}, nil, "too few for a header"},
		{"answers another request", updateMetadata(), answer(6, 7, 0, 0), nil, "correlation id 7 where 1 belongs"},
		{"answers too little", updateMetadata(), answer(5, 1, 0), nil, "ends within a field"},
		{"has no tags", leaderAndISR(), answer(4, 1), nil, "cut off"},
		{"has a tag without end", leaderAndISR(), answer(8, 1, 1, 0, 0xff, 0x7f), nil, "cut off"},
		{"claims tags that are not there", leaderAndISR(), answer(9, 1, 0xff, 0xff, 0xff, 0xff, 0x0f), nil, "cut off"},
		{"claims a list that is not there", leaderAndISR(), answer(4+len(huge), 1, huge...), nil, "ends within a field"},
		{"talks TLS", updateMetadata(), []byte("\x15\x03\x03\x00\x02\x02\x46"), nil, "TLS alert"},
		{"talks HTTP", updateMetadata(), []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, "HTTP response"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := dialPeer(t, fakePeer(t, answerAfterRequest(c.sent)), ClientOptions{Timeout: await.Patience})
			resp, err := cl.Request(context.Background(), c.req)
			wantPeerError(t, err, cl.Addr())
			if resp != nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %+v, %v; want %v, or a word on %q", resp, err, c.want, c.says)
			}
			if _, err := cl.Request(context.Background(), c.req); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection goes on after that: %v", err)
			}
		})
	}
}

// wantPeerError wants an error that names the broker and the request.
func wantPeerError(t *testing.T, err error, addr string) {
	t.Helper()
	if pe, ok := errors.AsType[*PeerError](err); !ok || pe.Addr != addr || pe.Request == "" {
		t.Fatalf("got %v, want a PeerError with the address %s and the request", err, addr)
	}
}

// A broker that answers another for each of hundreds of thousands of partitions is heard, whatever was asked.
func TestBoundsOfAnswersBetweenBrokers(t *testing.T) {
	c := &Client{o: ClientOptions{MaxFetchBytes: 5}}
	between := []string{"LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown", "AlterPartition", "AllocateProducerIds", "ListOffsets", "OffsetForLeaderEpoch"}
	for _, api := range protocol.APIs() {
		want := int32(8 << 20)
		switch {
		case api.Name == "Fetch":
			want = 5
		case slices.Contains(between, api.Name):
			want = 64 << 20
		}
		if got := c.maxAnswerBytes(api.Key); got != want {
			t.Errorf("an answer to %s may have %d bytes, want %d", api.Name, got, want)
		}
	}
}

func TestClientStopsWaitingAtItsTimeout(t *testing.T) {
	unhurried := func(_ context.Context, addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
	cl := dialPeer(t, fakePeer(t, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }), ClientOptions{Dial: unhurried, Timeout: 20 * time.Millisecond})
	if _, err := cl.Request(context.Background(), updateMetadata()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a time-out", err)
	}
}

func TestClientStopsWaitingWhenItsContextEnds(t *testing.T) {
	asked := make(chan struct{})
	cl := dialPeer(t, fakePeer(t, func(nc net.Conn) {
		readRequest(nc)
		close(asked)
		readRequest(nc)
	}), ClientOptions{Timeout: await.Patience})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	if _, err := cl.Request(ctx, updateMetadata()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if _, err := cl.Request(context.Background(), updateMetadata()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the next answer may be the first one's, and yet: %v", err)
	}
}

// A context that has ended before the request is sent costs nothing.
func TestClientOutlivesARequestThatItDidNotSend(t *testing.T) {
	cl := dialPeer(t, fakePeer(t, answerAfterRequest(answer(6, 1, 0, 0))), ClientOptions{Timeout: await.Patience})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := cl.Request(ended, updateMetadata()); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	if _, err := cl.Request(context.Background(), updateMetadata()); err != nil {
		t.Error(err)
	}
}

// Each request waits until the one before it is answered: the peer never finds two.
func TestClientHasOneRequestUnderWay(t *testing.T) {
	const requests = 20
	cl := dialPeer(t, fakePeer(t, func(nc net.Conn) {
		for i := uint32(1); readRequest(nc) != nil; i++ {
			_ = nc.SetReadDeadline(time.Now().Add(time.Millisecond))
			if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				return // a second one came
			}
			_ = nc.SetReadDeadline(time.Time{})
			_, _ = nc.Write(answer(6, i, 0, 0))
		}
	}), ClientOptions{Timeout: await.Patience})
	var asking sync.WaitGroup
	for range requests {
		asking.Go(func() {
			if _, err := cl.Request(context.Background(), updateMetadata()); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
}

func TestClientKnowsThatItsAnswerHasBegun(t *testing.T) {
	asked, begin, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	cl := dialPeer(t, fakePeer(t, func(nc net.Conn) {
		readRequest(nc)
		close(asked)
		<-begin
		_, _ = nc.Write(answer(6, 1, 0))
		<-end
		_, _ = nc.Write([]byte{0})
		readRequest(nc)
	}), ClientOptions{Timeout: await.Patience})
	answered := make(chan error, 1)
	go func() {
		_, err := cl.Request(context.Background(), updateMetadata())
		answered <- err
	}()
	<-asked
	if cl.Answering() {
		t.Error("before the answer")
	}
	close(begin)
	await.Until(t, "the answer begins", cl.Answering)
	close(end)
	if err := <-answered; err != nil || cl.Answering() {
		t.Errorf("after the answer: %v", err)
	}
}

func TestCloseEndsTheRequestUnderWay(t *testing.T) {
	asked := make(chan struct{})
	cl := dialPeer(t, fakePeer(t, func(nc net.Conn) {
		readRequest(nc)
		close(asked)
		readRequest(nc)
	}), ClientOptions{Timeout: await.Patience})
	go func() { <-asked; cl.Close() }()
	if _, err := cl.Request(context.Background(), updateMetadata()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// An answer that is announced and not sent has no buffer of its size, whatever an API may have.
func TestAnnouncedAnswersCostNothing(t *testing.T) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(17)
	cl := dialPeer(t, fakePeer(t, answerAfterRequest(answer(200<<20, 1, 0))), ClientOptions{Timeout: await.Patience})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := cl.Fetch(context.Background(), req)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want io.ErrUnexpectedEOF", err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 1<<20 {
		t.Errorf("%d bytes were allocated", made)
	}
}

// serveFetches answers each Fetch with the records, at most count times.
func serveFetches(records []byte, count int) func(net.Conn) {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(17)
	topic := kmsg.NewFetchResponseTopic()
	part := kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches = records
	topic.Partitions = append(topic.Partitions, part)
	resp.Topics = append(resp.Topics, topic)
	body := resp.AppendTo([]byte{0})
	frame := answer(4+len(body), 0, body...)
	return func(nc net.Conn) {
		for i := 1; i <= count && readRequest(nc) != nil; i++ {
			binary.BigEndian.PutUint32(frame[4:], uint32(i))
			_, _ = nc.Write(frame)
		}
	}
}

// The records of an answer are good until its release, also while the next request is under way.
func TestFetchedRecordsAreGoodUntilTheirRelease(t *testing.T) {
	records := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	cl := dialPeer(t, fakePeer(t, serveFetches(records, 3)), ClientOptions{Timeout: await.Patience})
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(17)
	var held [][]byte
	for range 3 {
		resp, release, err := cl.Fetch(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		held = append(held, resp.Topics[0].Partitions[0].RecordBatches)
	}
	for i, got := range held {
		if !bytes.Equal(got, records) {
			t.Errorf("the records of answer %d have changed", i)
		}
	}
}

// From the second answer on, records go from the socket into one buffer.
func TestRepeatedFetchesDoNotCopyRecords(t *testing.T) {
	records := make([]byte, 1<<20)
	cl := dialPeer(t, fakePeer(t, serveFetches(records, 50)), ClientOptions{Timeout: await.Patience})
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(17)
	fetch := func() {
		_, release, err := cl.Fetch(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	fetch()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 49 {
		fetch()
	}
	runtime.ReadMemStats(&after)
	// Any new copy of the records would take 1 MiB. Without one there are some hundred bytes, the bookkeeping of a request.
	if made := (after.TotalAlloc - before.TotalAlloc) / 49; made > 64<<10 {
		t.Errorf("%d bytes were allocated for each answer of 1 MiB", made)
	}
	if room := cl.room(1 << 30); room < 1<<20 {
		t.Errorf("the next answer begins with a buffer of %d bytes", room)
	}
}

// A broker that does not serve the version answers an ApiVersions in version 0.
func TestAPIVersionsIsReadInVersion0(t *testing.T) {
	cl := dialPeer(t, fakePeer(t, answerAfterRequest(answer(16, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2))), ClientOptions{Timeout: await.Patience})
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(3)
	resp, err := cl.Request(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if r := resp.(*kmsg.ApiVersionsResponse); r.ErrorCode != 35 || len(r.ApiKeys) != 1 || r.ApiKeys[0].MaxVersion != 2 {
		t.Errorf("got %+v", r)
	}
}

func BenchmarkClientFetch(b *testing.B) {
	for _, size := range []int{100, 1 << 20} {
		b.Run(byteSize(size), func(b *testing.B) {
			resp := kmsg.NewPtrFetchResponse()
			resp.SetVersion(17)
			topic := kmsg.NewFetchResponseTopic()
			part := kmsg.NewFetchResponseTopicPartition()
			part.RecordBatches = make([]byte, size)
			topic.Partitions = append(topic.Partitions, part)
			resp.Topics = append(resp.Topics, topic)
			frame := answer(0, 0, resp.AppendTo([]byte{0})...)
			binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
			cl := dialPeer(b, fakePeer(b, func(nc net.Conn) {
				in := make([]byte, 4096)
				for i := uint32(1); ; i++ {
					if _, err := nc.Read(in); err != nil {
						return
					}
					binary.BigEndian.PutUint32(frame[4:], i)
					if _, err := nc.Write(frame); err != nil {
						return
					}
				}
			}), ClientOptions{})
			req := kmsg.NewPtrFetchRequest()
			req.SetVersion(17)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				_, release, err := cl.Fetch(ctx, req)
				if err != nil {
					b.Fatal(err)
				}
				release()
			}
		})
	}
}

func byteSize(n int) string {
	if n < 1<<20 {
		return "small"
	}
	return "1MiB"
}
