// Capture asks a running Apache Kafka one request of each API and version in the
// table and keeps both sides' bytes as golden files. See ../README.
//
//	go run ./protocol/testdata/capture 127.0.0.1:9092 protocol/testdata/3.9.2 127.0.0.1:2181
package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"klamm/protocol"
	"klamm/protocol/batch"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topic = "golden"
	group = "golden"
)

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("klamm-golden"))

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		log.Fatal("usage: capture host:port directory [zookeeper]")
	}
	c := &capture{addr: os.Args[1], dir: os.Args[2], ranges: map[int16][2]int16{}}
	must(os.MkdirAll(c.dir, 0o755))
	c.conn = c.dial()
	c.learnRanges()
	c.setUp()
	if len(os.Args) == 4 {
		c.readEpoch(os.Args[3])
	}
	for _, api := range ordered() {
		served, ok := c.ranges[api.Key]
		if !ok {
			continue
		}
		for v := max(api.Min, served[0]); v <= min(api.Max, served[1]); v++ {
			r := requestOf(api.Key)
			r.SetVersion(v)
			c.fill(r, v)
			c.keep(api, v, r)
		}
	}
	c.oddCases("odd.txt", c.odds())
	if c.ranges[protocol.KeyProduce][0] == 0 && c.ranges[protocol.KeyFetch][0] == 0 {
		c.oddCases("odd-messages.txt", c.oddMessages())
		c.conversions()
	}
}

type capture struct {
	addr, dir string
	conn      net.Conn
	ranges    map[int16][2]int16
	id        [16]byte
	epoch     int64 // of the broker's registration
}

// ordered gives the table with what brokers say to each other at its end, since that changes what the broker knows of the cluster.
func ordered() []protocol.API {
	all := protocol.APIs()
	slices.SortStableFunc(all, func(a, b protocol.API) int {
		switch pa, pb := ofPeers(a.Key), ofPeers(b.Key); {
		case pa == pb:
			return 0
		case pb:
			return -1
		}
		return 1
	})
	return all
}

func ofPeers(key int16) bool {
	api, known := protocol.Lookup(key)
	return known && api.Sender == protocol.Brokers
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (c *capture) dial() net.Conn {
	conn, err := net.Dial("tcp", c.addr)
	must(err)
	return conn
}

// exchange sends a frame and gives the frame that comes back, both without
// their length prefixes.
func exchange(conn net.Conn, frame []byte) ([]byte, error) {
	must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	if _, err := conn.Write(frame); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(conn, b)
	return b, err
}

func (c *capture) ask(r kmsg.Request) kmsg.Response {
	b, err := exchange(c.conn, formatter.AppendRequest(nil, r, 1))
	must(err)
	resp := r.ResponseKind()
	b = b[4:]
	if api, _ := protocol.Lookup(r.Key()); api.TaggedResponseHeader(r.GetVersion()) {
		b = b[1:]
	}
	must(resp.ReadFrom(b))
	return resp
}

func (c *capture) learnRanges() {
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, "klamm-golden", "1"
	for _, k := range c.ask(r).(*kmsg.ApiVersionsResponse).ApiKeys {
		c.ranges[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
}

func (c *capture) setUp() {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.Version = 5
	r.Topics = append(r.Topics, newTopic(topic))
	compacted, stamped := newTopic("golden-compacted"), newTopic("golden-stamped")
	compacted.Configs[0].Name, compacted.Configs[0].Value = "cleanup.policy", kmsg.StringPtr("compact")
	stamped.Configs[0].Name, stamped.Configs[0].Value = "message.timestamp.type", kmsg.StringPtr("LogAppendTime")
	r.Topics = append(r.Topics, compacted, stamped)
	c.ask(r)
	m := kmsg.NewPtrMetadataRequest()
	m.Version = 12
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	m.Topics = append(m.Topics, t)
	for range 50 { // until it has a leader
		resp := c.ask(m).(*kmsg.MetadataResponse).Topics[0]
		c.id = resp.TopicID
		init := kmsg.NewPtrInitProducerIDRequest()
		init.TransactionTimeoutMillis = 1000
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKey = group
		if resp.ErrorCode == 0 && resp.Partitions[0].ErrorCode == 0 && resp.Partitions[1].ErrorCode == 0 &&
			c.ask(init).(*kmsg.InitProducerIDResponse).ErrorCode == 0 &&
			c.ask(find).(*kmsg.FindCoordinatorResponse).ErrorCode == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	log.Fatal("the broker does not get ready")
}

func newTopic(name string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, 2, 1
	conf := kmsg.NewCreateTopicsRequestTopicConfig()
	conf.Name, conf.Value = "retention.ms", kmsg.StringPtr("-1")
	t.Configs = append(t.Configs, conf)
	return t
}

func lines(mark string, b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		n := min(48, len(b))
		fmt.Fprintf(&s, "%s %s\n", mark, hex.EncodeToString(b[:n]))
		b = b[n:]
	}
	return s.String()
}

// requestOf makes a request of an API, of a type whose bytes are Apache Kafka's.
func requestOf(key int16) kmsg.Request {
	if key == protocol.KeyStopReplica {
		return protocol.NewStopReplicaRequest()
	}
	return kmsg.RequestForKey(key)
}

// frameOf gives the frame of a request, with its length prefix. kmsg makes an empty one of ControlledShutdown 0, whose header ends with
// the correlation id.
func frameOf(r kmsg.Request) []byte {
	if r.Key() != protocol.KeyControlledShutdown || r.GetVersion() != 0 {
		return formatter.AppendRequest(nil, r, 4242)
	}
	b := r.AppendTo([]byte{0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 4242 >> 8, 4242 & 0xff})
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// keep sends r and writes the file of its API and version. There is none where
// the broker closes the connection: 4.4.0 announces Produce from 0 and reads it
// from 3 on.
func (c *capture) keep(api protocol.API, v int16, r kmsg.Request) {
	frame := frameOf(r)
	resp, err := exchange(c.conn, frame)
	if errors.Is(err, io.EOF) {
		c.conn = c.dial()
		return
	}
	if err != nil {
		log.Fatalf("%s %d: %v", api.Name, v, err)
	}
	text := fmt.Sprintf("# %s %d: a request (>) and its answer (<), without length prefixes\n", api.Name, v) +
		lines(">", frame[4:]) + lines("<", resp)
	name := fmt.Sprintf("%02d-%s-%02d.hex", api.Key, api.Name, v)
	must(os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644))
}

// records gives a batch as a client sends it.
func records(timestamp int64) []byte {
	b := batch.NewBuilder(batch.Gzip)
	b.Add(timestamp, []byte("key"), []byte("value"), batch.RecordHeader{Key: "h"})
	b.Add(timestamp+1, nil, nil)
	out, err := b.Build()
	must(err)
	return out
}

// odd is a request that a well-behaved client does not send.
type odd struct {
	name  string
	frame []byte // with length prefix
}

func (c *capture) oddCases(name string, odds []odd) {
	var out strings.Builder
	fmt.Fprintf(&out, "# What the broker does with odd requests: the request (>), then its answer (<), closed, or silence for 2 s.\n")
	for _, o := range odds {
		conn := c.dial()
		fmt.Fprintf(&out, "\n%s\n%s", o.name, lines(">", o.frame[4:]))
		resp, err := exchange(conn, o.frame)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			fmt.Fprintln(&out, "silence")
		case err != nil:
			fmt.Fprintln(&out, "closed")
		default:
			out.WriteString(lines("<", resp))
		}
		conn.Close()
	}
	must(os.WriteFile(filepath.Join(c.dir, name), []byte(out.String()), 0o644))
}
