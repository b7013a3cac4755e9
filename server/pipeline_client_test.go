package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/config"
	"klamm/server/transport"
)

const patience = await.Patience

// runningBroker is a whole broker in this process.
type runningBroker struct {
	*Broker
	t    testing.TB
	log  *syncBuffer
	stop func() error // ends the broker, once
}

// syncBuffer is what a broker logged.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// runBroker starts a broker on a free port, with its data in a directory of the
// test's. Settings are name=value.
func runBroker(t testing.TB, settings ...string) *runningBroker {
	t.Helper()
	sets := append([]string{
		"broker.id=0", "listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + filepath.Join(t.TempDir(), "data"),
		"log.initial.task.delay.ms=86400000", // records of 1970 are in use here: retention shall not come by
	}, settings...)
	cfg, _, err := config.Load(config.Options{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	b := &runningBroker{t: t, log: &syncBuffer{}}
	b.Broker, err = Start(context.Background(), cfg, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	b.stop = sync.OnceValue(func() error { return b.Stop(context.Background()) })
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *runningBroker) addr() string { return b.Addrs()[0].String() }

// topic makes a topic. Properties are name=value.
func (b *runningBroker) topic(name string, partitions int32, properties ...string) {
	b.t.Helper()
	n := cluster.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: 1}
	for _, p := range properties {
		key, value, _ := strings.Cut(p, "=")
		n.Configs = append(n.Configs, cluster.ConfigEntry{Name: key, Value: &value})
	}
	if res := b.cluster.CreateTopics(context.Background(), []cluster.NewTopic{n}, false); res[0].Err != nil {
		b.t.Fatal(res[0].Err)
	}
}

func (b *runningBroker) deleteTopic(name string) {
	b.t.Helper()
	if res := b.cluster.DeleteTopics(context.Background(), []cluster.TopicRef{{Name: name}}); res[0].Err != nil {
		b.t.Fatal(res[0].Err)
	}
}

// conns are the connections that the broker serves.
func (b *runningBroker) conns() []*transport.Conn { return b.server.sockets.Conns() }

// parked is how many fetches wait, each on a connection of its own.
func (b *runningBroker) parked() int {
	n := 0
	for _, c := range b.conns() {
		if c.State().Waiting {
			n++
		}
	}
	return n
}

// eventually waits until a condition holds that nothing announces.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	await.Until(t, what, ok)
}

// client is a client's connection with nothing between the test and the bytes.
type client struct {
	t           testing.TB
	nc          net.Conn
	br          *bufio.Reader
	correlation int32 // of the last request
	answered    int32 // of the last answer
	format      *kmsg.RequestFormatter
}

func (b *runningBroker) dial() *client { return dialTo(b.t, b.addr()) }

func dialTo(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { _ = nc.Close() })
	return &client{t: t, nc: nc, br: bufio.NewReader(nc), format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("test"))}
}

// frame is a request's bytes, with the next correlation id.
func (c *client) frame(req kmsg.Request) []byte {
	c.correlation++
	return c.format.AppendRequest(nil, req, c.correlation)
}

// send writes requests, in one piece.
func (c *client) send(reqs ...kmsg.Request) {
	c.t.Helper()
	var all []byte
	for _, r := range reqs {
		all = append(all, c.frame(r)...)
	}
	c.write(all)
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// readFrame reads one answer without its length prefix.
func (c *client) readFrame() ([]byte, error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	var size [4]byte
	if _, err := io.ReadFull(c.br, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c.br, b)
	return b, err
}

// read reads the answer to req, which must be the next one. skipped says how
// many requests before it get no answer.
func (c *client) read(req kmsg.Request, skipped int32) (kmsg.Response, error) {
	c.answered += 1 + skipped
	body, err := c.readFrame()
	if err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(body)); got != c.answered {
		return nil, fmt.Errorf("an answer to request %d, where that to %d is due", got, c.answered)
	}
	body = body[4:]
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && req.Key() != protocol.KeyAPIVersions {
		body = body[1:]
	}
	return resp, resp.ReadFrom(body)
}

// receive is read for an answer that must come.
func (c *client) receive(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	resp, err := c.read(req, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

func (c *client) ask(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	c.send(req)
	return c.receive(req)
}

// closed waits for the broker to close the connection. What it still sends is an error.
func (c *client) closed() {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	b, err := c.br.ReadByte()
	if err == nil {
		c.t.Fatalf("the broker sent %#x instead of closing the connection", b)
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		c.t.Fatal("the connection is still open")
	}
}

// alive checks that the connection is served.
func (c *client) alive() {
	c.t.Helper()
	c.ask(apiVersions())
}

func apiVersions() *kmsg.ApiVersionsRequest {
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version = 2
	return r
}

func metadata(topics ...string) *kmsg.MetadataRequest {
	r := kmsg.NewPtrMetadataRequest()
	r.Version = 9
	r.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		r.Topics = append(r.Topics, t)
	}
	return r
}

// batchOf is a batch of one record with a value of size bytes.
func batchOf(t testing.TB, size int) []byte {
	t.Helper()
	b := batch.NewBuilder(batch.None)
	b.Add(time.Now().UnixMilli(), nil, bytes.Repeat([]byte{'v'}, size))
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// produce stores one batch in a partition.
func produce(topic string, partition int32, acks int16, records []byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = 9, acks, 30_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, records
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	return r
}

// produced is the base offset in a produce answer that must be without error.
func produced(t testing.TB, resp kmsg.Response) int64 {
	t.Helper()
	p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		t.Fatalf("produce failed with code %d", p.ErrorCode)
	}
	return p.BaseOffset
}

// fetch reads a partition from an offset.
func fetch(topic string, partition int32, offset int64, maxWaitMs, minBytes int32) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version = 12
	r.ReplicaID = -1
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = maxWaitMs, minBytes, 50<<20
	r.SessionEpoch = -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = partition, offset, 50<<20
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	return r
}

// fetched is the only partition of a fetch answer.
func fetched(t testing.TB, resp kmsg.Response) kmsg.FetchResponseTopicPartition {
	t.Helper()
	f := resp.(*kmsg.FetchResponse)
	if f.ErrorCode != 0 || len(f.Topics) != 1 || len(f.Topics[0].Partitions) != 1 {
		t.Fatalf("fetch answer: %+v", f)
	}
	return f.Topics[0].Partitions[0]
}

// forever is a max_wait that no test lives to see.
const forever = 1 << 30
