package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
)

// clean fails if a line of a log has anything in it that a terminal would act on.
func clean(t testing.TB, log string) {
	t.Helper()
	if i := strings.IndexFunc(log, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) && r != unicode.ReplacementChar }); i >= 0 {
		t.Fatalf("byte %d of the log is raw: %q", i, log)
	}
	if !utf8.ValidString(log) {
		t.Fatalf("the log is no text: %q", log)
	}
}

// Names off the wire, of clients and of topics, are not printed as they come.
func TestNamesOffTheWireAreNotPrintedRaw(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	odd := "\x1b[31m\nlevel=ERROR msg=\u202eforged"
	for name, ask := range map[string]func(c *brokertest.Client){
		"a topic, without acks": func(c *brokertest.Client) { c.Write(c.Frame(brokertest.Produce(odd, 0, 0, brokertest.BatchOf(t, 10)))) },
		"a property": func(c *brokertest.Client) {
			r := kmsg.NewPtrIncrementalAlterConfigsRequest()
			one := kmsg.NewIncrementalAlterConfigsRequestResource()
			one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeBroker, "0"
			set := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			set.Name, set.Value = odd, kmsg.StringPtr(strings.Repeat(odd, 1000))
			one.Configs = append(one.Configs, set)
			r.Resources = append(r.Resources, one)
			c.Ask(r)
			c.Write([]byte{0xff, 0xff, 0xff, 0xff})
		},
		"a client": func(c *brokertest.Client) {
			body := fmt.Appendf(nil, "\x00\x03\x00\x63\x00\x00\x00\x01\x00%c%s", len(odd), odd)
			c.Write(append([]byte{0, 0, 0, byte(len(body))}, body...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := brokertest.DialTo(t, b.Addr())
			ask(c)
			c.Closed()
		})
	}
	log := b.Log.String()
	clean(t, log)
	if strings.Contains(log, "[31m\n") || strings.Count(log, "\n") > 6 || len(log) > 4000 {
		t.Errorf("the log:\n%s", log)
	}
}

// A request that is refused is told by the API's name and the client's, not by a key.
func TestRefusedRequestsAreNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		want []string
	}{
		{"a version that is not served", []byte{0, 3, 0, 99, 0, 0, 0, 1, 0, 5, 'l', 'o', 'c', 'a', 'l', 0}, []string{"Metadata v99 is not served", "client_id=local"}},
		{"an API that is not served", []byte{0, 62, 0, 1, 0, 0, 0, 1, 0, 5, 'l', 'o', 'c', 'a', 'l'}, []string{"BrokerRegistration v1 is not served", "client_id=local"}},
		{"an API that nobody knows", []byte{0x7f, 26, 0, 1, 0, 0, 0, 1, 0, 5, 'l', 'o', 'c', 'a', 'l'}, []string{"unknown API key 32538", "client_id=local"}},
		{"a body that cannot be read", []byte{0, 3, 0, 1, 0, 0, 0, 1, 0, 5, 'l', 'o', 'c', 'a', 'l', 0x7f}, []string{"Metadata v1", "client_id=local"}},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), []string{"looks like an HTTP request"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := brokertest.Run(t)
			client := b.Dial()
			if c.name != "HTTP" {
				client.Write([]byte{0, 0, 0, byte(len(c.body))})
			}
			client.Write(c.body)
			client.Closed()
			said := b.Log.String()
			for _, want := range append(c.want, client.Conn.LocalAddr().String()) {
				if !strings.Contains(said, want) {
					t.Errorf("the log does not say %q:\n%s", want, said)
				}
			}
		})
	}
}
