package cluster

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"

	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/peer"
	"klamm/cluster/znode"
	"klamm/internal/await"
)

// TestSuspicionThatComesAfterTheReturn: a broker that accepted connections again while its registration was read stayed suspected.
func TestSuspicionThatComesAfterTheReturn(t *testing.T) {
	b := newSessionBroker(t, func(o *Options) {
		o.ControlPlaneListener, o.InterBrokerListener = "PLAINTEXT", "PLAINTEXT"
		o.Dial = func(context.Context, order.Endpoint) (peer.Conn, error) { return nil, errors.New("nobody is there") }
		o.BrokerChannel = func(order.LiveBroker) controller.Channel { return lone{} }
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	host, text, _ := net.SplitHostPort(ln.Addr().String())
	port, _ := strconv.Atoi(text)
	join := func(id int32, port int) {
		t.Helper()
		body := znode.Broker{Endpoints: []znode.Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: host, Port: int32(port)}}, JMXPort: -1}
		if _, err := b.other.Create(t.Context(), znode.BrokerPath(id), body.Encode(), meta.Ephemeral); err != nil {
			t.Fatal(err)
		}
		await.Until(t, "the broker knows another", func() bool { return b.broker.Metadata().Broker(id) != nil })
	}
	join(2, port)
	p, err := b.broker.suspects.registration(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	b.broker.suspects.judge(p) // which listens, so that nobody will say that it is back
	join(3, port+1)            // the metadata that have it were made after that
	if b.broker.Metadata().Broker(2) == nil {
		t.Error("a broker that lives stays suspected")
	}
}
