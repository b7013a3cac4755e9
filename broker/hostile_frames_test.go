package broker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/protocol"
)

// What is no Kafka request costs the client its connection, and the broker one
// line that repeats nothing of it raw.
func TestGarbageClosesItsConnectionOnly(t *testing.T) {
	hello := func() []byte {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		go func() {
			_ = tls.Client(near, &tls.Config{ServerName: "klamm", MinVersion: tls.VersionTLS12}).HandshakeContext(context.Background())
		}()
		b := make([]byte, 4096)
		n, _ := far.Read(b)
		return b[:n]
	}()
	for name, sent := range map[string][]byte{
		"negative size":       {0xff, 0xff, 0xff, 0xff},
		"size over the limit": {0x7f, 0xff, 0xff, 0xff},
		"TLS":                 hello,
		"HTTP":                []byte("GET / HTTP/1.1\r\nHost: \x1b[31mklamm\r\n\r\n"),
		"an empty frame":      {0, 0, 0, 0},
		"noise":               append([]byte{0, 0, 0, 60}, bytes.Repeat([]byte{0x1b, '\n', 0xfe}, 20)...),
	} {
		t.Run(name, func(t *testing.T) {
			b := brokertest.Run(t)
			other := b.Dial()
			c := b.Dial()
			before := b.Log.String()
			c.Write(sent)
			c.Closed()
			other.Alive()
			lines := strings.TrimSpace(strings.TrimPrefix(b.Log.String(), before))
			if strings.Count(lines, "\n") != 0 || !strings.Contains(lines, c.Conn.LocalAddr().String()) {
				t.Errorf("logged:\n%s", lines)
			}
			if strings.IndexFunc(lines, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) >= 0 || strings.Contains(lines, "Host:") {
				t.Errorf("logged what the client sent: %q", lines)
			}
		})
	}
}

func TestRequestByteByByte(t *testing.T) {
	b := brokertest.Run(t)
	c := b.Dial()
	for _, x := range c.Frame(brokertest.Metadata()) {
		c.Write([]byte{x})
	}
	c.Receive(brokertest.Metadata())
}

func TestHalfARequestThenReset(t *testing.T) {
	b := brokertest.Run(t)
	c := b.Dial()
	f := c.Frame(brokertest.Metadata("t"))
	c.Write(f[:len(f)/2])
	await.Until(t, "the connection is there", func() bool { return len(b.Conns()) == 1 })
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Conn.Close()
	await.Until(t, "the connection is gone", func() bool { return len(b.Conns()) == 0 })
	b.Dial().Alive()
}

// Many clients that err fill no log.
func TestLinesAboutClientsAreBounded(t *testing.T) {
	b := brokertest.Run(t)
	const n = 200
	begun := time.Now()
	for range n {
		c := brokertest.DialTo(t, b.Addr())
		c.Write([]byte{0xff, 0xff, 0xff, 0xff})
		c.Closed()
	}
	seconds := int(time.Since(begun).Seconds()) + 2 // that began meanwhile
	if lines := strings.Count(b.Log.String(), "a request could not be read"); lines == 0 || lines > seconds*linesASecond {
		t.Errorf("%d lines in %d seconds", lines, seconds)
	}
}

// oddRequest is a request that no well-behaved client sends, and what a
// reference broker did.
type oddRequest struct {
	name            string
	request, answer []byte
	end             string // closed or silence where there was no answer
}

func oddRequests(t *testing.T, broker string) (all []oddRequest) {
	text, err := os.ReadFile(filepath.Join("..", "protocol", "testdata", broker, "odd.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range strings.Split(string(text), "\n\n") {
		name, rest, _ := strings.Cut(one, "\n")
		if strings.HasPrefix(name, "#") {
			continue
		}
		o := oddRequest{name: name}
		for _, line := range strings.Split(rest, "\n") {
			mark, digits, _ := strings.Cut(line, " ")
			octets, err := hex.DecodeString(digits)
			switch {
			case mark == ">" && err == nil:
				o.request = append(o.request, octets...)
			case mark == "<" && err == nil:
				o.answer = append(o.answer, octets...)
			default:
				o.end += mark
			}
		}
		all = append(all, o)
	}
	return all
}

// Unknown keys, versions that are not served and bodies that do not fit: Apache
// Kafka 4.4.0 was asked, and 3.9.2 in versions that only it serves, and we do as
// it does.
func TestOddRequestsAsTheReferenceAnswers(t *testing.T) {
	old := map[string]oddRequest{}
	for _, o := range oddRequests(t, "3.9.2") {
		old[o.name] = o
	}
	b := brokertest.Run(t)
	b.Topic("klamm-golden", 1)
	n := 0
	for _, o := range oddRequests(t, "4.4.0") {
		if of := old[o.name]; o.end == "closed" && of.end == "" && len(of.request) > 4 {
			api, ok := protocol.Lookup(int16(binary.BigEndian.Uint16(of.request)))
			if ok && api.Serves(int16(binary.BigEndian.Uint16(of.request[2:]))) {
				o = of
			}
		}
		if o.end == "silence" || strings.Contains(o.name, "batch") {
			continue
		}
		n++
		t.Run(o.name, func(t *testing.T) {
			c := brokertest.DialTo(t, b.Addr())
			c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(o.request))), o.request...))
			if o.end == "closed" {
				c.Closed()
				return
			}
			got, err := c.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if len(o.answer) < 40 && strings.HasPrefix(o.name, "ApiVersions") && !bytes.Equal(got, o.answer) {
				t.Errorf("got  %x\nwant %x", got, o.answer)
			}
			if len(got) < 4 || !bytes.Equal(got[:4], o.answer[:4]) {
				t.Errorf("answered %x", got)
			}
		})
	}
	if n < 15 {
		t.Errorf("only %d odd requests were found", n)
	}
}

// A client that never reads its answers is not read from either, before what it
// is owed takes much memory; and it does not keep a stop from ending.
func TestClientThatNeverReads(t *testing.T) {
	for name, ask := range map[string]func(b *brokertest.Broker, c *brokertest.Client) []byte{
		"answers made at once": func(_ *brokertest.Broker, c *brokertest.Client) []byte { return c.Frame(brokertest.Metadata("many")) },
		"acknowledgements from aside": func(_ *brokertest.Broker, c *brokertest.Client) []byte {
			return c.Frame(brokertest.Produce("synced", 0, -1, brokertest.BatchOf(c.T, 1)))
		},
		"records": func(_ *brokertest.Broker, c *brokertest.Client) []byte {
			return c.Frame(brokertest.Fetch("synced", 0, 0, 0, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := brokertest.Run(t, "socket.send.buffer.bytes=16384", "socket.receive.buffer.bytes=16384")
			b.Topic("many", 20)
			b.Topic("synced", 1, "flush.messages=1")
			brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("synced", 0, 1, brokertest.BatchOf(t, 100_000))))
			c := b.Dial()
			_ = c.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
			_ = c.Conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
			one := ask(b, c)
			stuck := make(chan int)
			go func() {
				sent := 0
				for ; sent < 200_000; sent++ {
					// Only a connection that is not read from lets this pass.
					_ = c.Conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
					if _, err := c.Conn.Write(one); err != nil {
						break
					}
				}
				stuck <- sent
			}()
			if sent := <-stuck; sent == 200_000 {
				t.Fatal("everything was read")
			}
			for _, k := range b.Conns() {
				if st := k.State(); st.Owed > 512 || st.Held > 256<<10+200_000 {
					t.Errorf("%d answers of %d bytes are kept", st.Owed, st.Held)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel() // gives it no time
			b.Server().Settle(ctx)
			if err := b.Server().Shutdown(ctx); err == nil {
				t.Error("a stop found everything answered")
			}
		})
	}
}

// Each client is told the address that its own connection came in on, where the
// broker listens on all and nothing else is configured.
func TestAddressOfTheConnectionIsTold(t *testing.T) {
	for _, listen := range []string{"0.0.0.0", "[::]", ""} {
		t.Run(listen, func(t *testing.T) {
			b := brokertest.Run(t, "listeners=PLAINTEXT://"+listen+":0,OTHER://127.0.0.1:0",
				"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT")
			_, port, err := net.SplitHostPort(b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
				c := brokertest.DialTo(t, net.JoinHostPort(host, port))
				if got := c.Ask(brokertest.Metadata()).(*kmsg.MetadataResponse).Brokers; len(got) != 1 || got[0].Host != host {
					t.Errorf("a client of %s is told %+v", host, got)
				}
			}
			other := brokertest.DialTo(t, b.Addrs()[1].String())
			got := other.Ask(brokertest.Metadata()).(*kmsg.MetadataResponse).Brokers
			if want := b.Addrs()[1].(*net.TCPAddr).Port; len(got) != 1 || got[0].Host != "127.0.0.1" || int(got[0].Port) != want {
				t.Errorf("a client of the other listener is told %+v", got)
			}
		})
	}
}
