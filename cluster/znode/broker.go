package znode

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"klamm/cluster/order"
)

// Broker is the body of /brokers/ids/N. The broker's epoch is the node's Czxid.
type Broker struct {
	Endpoints []Endpoint
	// Rack is nil if the broker has none.
	Rack *string
	// JMXPort is -1 for a broker without JMX.
	JMXPort int32
	// TimestampMs is when the broker registered, in ms since 1970.
	TimestampMs int64
	// Features are those that the broker supports (KIP-584). A broker of 3.9 has none.
	Features map[string]map[string]int16
	// Version is that of a body that was read. Encode writes 5, as a broker of 2.7 and later does.
	Version int
}

// Endpoint is the advertised address of one of a broker's listeners.
type Endpoint = order.Endpoint

// Encode writes version 5 of the body. It also writes host and port, for old clients that do not know listeners:
// those of the first plaintext endpoint, or null and -1.
func (b *Broker) Encode() []byte {
	var protocols orderedStrings
	endpoints := make([]string, len(b.Endpoints))
	var host *string
	port := int32(-1)
	for i, e := range b.Endpoints {
		endpoints[i] = e.String()
		protocols = append(protocols, [2]string{e.Listener, e.SecurityProtocol})
		if host == nil && e.SecurityProtocol == "PLAINTEXT" {
			host, port = &e.Host, e.Port
		}
	}
	features := b.Features
	if features == nil {
		features = map[string]map[string]int16{}
	}
	return encode(struct {
		Features  map[string]map[string]int16 `json:"features"`
		Protocols orderedStrings              `json:"listener_security_protocol_map"`
		Endpoints []string                    `json:"endpoints"`
		Rack      *string                     `json:"rack,omitempty"`
		JMXPort   int32                       `json:"jmx_port"`
		Port      int32                       `json:"port"`
		Host      *string                     `json:"host"`
		Version   int                         `json:"version"`
		Timestamp string                      `json:"timestamp"`
	}{features, protocols, endpoints, b.Rack, b.JMXPort, port, host, 5, strconv.FormatInt(b.TimestampMs, 10)})
}

// orderedStrings is a JSON object of strings in a given order.
type orderedStrings [][2]string

// MarshalJSON keeps the order.
func (o orderedStrings) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, kv := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, encode(kv[0])...)
		b = append(b, ':')
		b = append(b, encode(kv[1])...)
	}
	return append(b, '}'), nil
}

var endpointForm = regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)

// DecodeBroker reads versions 1 (host and port), 2 (endpoints), 3 (rack), 4 (names of listeners) and 5
// (features). The error is a *DecodeError.
func DecodeBroker(id int32, data []byte) (*Broker, error) {
	path := BrokerPath(id)
	var body struct {
		Version   int                         `json:"version"`
		Host      string                      `json:"host"`
		Port      int32                       `json:"port"`
		JMXPort   int32                       `json:"jmx_port"`
		Timestamp string                      `json:"timestamp"`
		Endpoints []string                    `json:"endpoints"`
		Rack      *string                     `json:"rack"`
		Protocols map[string]string           `json:"listener_security_protocol_map"`
		Features  map[string]map[string]int16 `json:"features"`
	}
	if err := decode(path, data, &body); err != nil {
		return nil, err
	}
	broken := func(err error) error { return &DecodeError{Path: path, Data: data, Err: err} }
	if body.Version < 1 {
		return nil, broken(errors.New("unsupported version of a broker's registration"))
	}
	b := &Broker{Rack: body.Rack, JMXPort: body.JMXPort, Features: body.Features, Version: body.Version}
	b.TimestampMs, _ = strconv.ParseInt(body.Timestamp, 10, 64)
	if body.Version == 1 {
		b.Endpoints = []Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: body.Host, Port: body.Port}}
		return b, nil
	}
	for _, s := range body.Endpoints {
		e, err := parseEndpoint(s, body.Protocols)
		if err != nil {
			return nil, broken(err)
		}
		b.Endpoints = append(b.Endpoints, e)
	}
	return b, nil
}

// parseEndpoint reads LISTENER://host:port. A body before version 4 names no security protocols: the listener's
// name is the security protocol.
func parseEndpoint(s string, protocols map[string]string) (Endpoint, error) {
	m := endpointForm.FindStringSubmatch(s)
	if m == nil {
		return Endpoint{}, fmt.Errorf("endpoint %q is not LISTENER://host:port", s)
	}
	port, err := strconv.ParseInt(m[3], 10, 32)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %q: %w", s, err)
	}
	e := Endpoint{Listener: strings.ToUpper(m[1]), Host: m[2], Port: int32(port)}
	e.SecurityProtocol = e.Listener
	if protocols != nil {
		var ok bool
		if e.SecurityProtocol, ok = protocols[e.Listener]; !ok {
			return Endpoint{}, fmt.Errorf("endpoint %q has no security protocol", s)
		}
	}
	return e, nil
}
