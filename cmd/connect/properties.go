package connect

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"klamm/server/config"
)

// Properties are those of a Java client.
type Properties map[string]string

// bootstrapServers is the property with the addresses.
const bootstrapServers = "bootstrap.servers"

// ReadProperties reads a properties file as Java's clients do.
func ReadProperties(path string) (Properties, error) {
	properties, err := config.ReadProperties(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s", path)
	}
	return properties, err
}

// notServed are properties that change whom the client believes, or what it sends, and that it cannot do: passing them over would do something different from
// what the file says. Each has what to do instead. Other properties that are unknown here do not matter to a connection.
var notServed = map[string]string{
	"bootstrap.controllers":              "name a broker with bootstrap.servers",
	"config.providers":                   "write the values themselves",
	"security.providers":                 "remove it",
	"ssl.provider":                       "remove it",
	"ssl.engine.factory.class":           "remove it",
	"ssl.cipher.suites":                  "remove it, and the safe ones of TLS 1.2 and 1.3 are used",
	"sasl.client.callback.handler.class": "write user and password into sasl.jaas.config",
	"sasl.login.class":                   "write user and password into sasl.jaas.config",
	"sasl.login.callback.handler.class":  "write user and password into sasl.jaas.config",
	"socks.proxy.host":                   "remove it",
}

// New gives what reaches the servers, or those of bootstrap.servers where none are given, with the properties. An error names the property.
func New(servers []string, properties Properties) (Config, error) {
	c := Config{Servers: servers, Properties: properties, ClientID: properties["client.id"], Rack: properties["client.rack"]}
	for _, name := range properties.names() {
		if instead, ok := notServed[name]; ok && properties[name] != "" {
			return c, fmt.Errorf("%s is not served: %s", name, instead)
		}
	}
	if len(servers) == 0 {
		var found Servers
		if err := found.Set(properties[bootstrapServers]); err != nil {
			return c, fmt.Errorf("%s: %w", bootstrapServers, err)
		}
		c.Servers = found
	}
	if lookup := properties["client.dns.lookup"]; lookup != "" && lookup != "use_all_dns_ips" {
		return c, fmt.Errorf("client.dns.lookup=%s is not served: remove it, or set use_all_dns_ips", lookup)
	}
	for name, into := range map[string]*time.Duration{
		"request.timeout.ms":                 &c.RequestTimeout,
		"default.api.timeout.ms":             &c.APITimeout,
		"socket.connection.setup.timeout.ms": &c.ConnectTimeout,
	} {
		if err := properties.milliseconds(name, into); err != nil {
			return c, err
		}
	}
	return c, c.secure(properties)
}

// secure sets TLS and SASL as security.protocol says.
func (c *Config) secure(p Properties) (err error) {
	protocol := strings.ToUpper(or(p["security.protocol"], "PLAINTEXT"))
	if !slices.Contains([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol) {
		return fmt.Errorf("security.protocol=%s is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL", p["security.protocol"])
	}
	if strings.HasSuffix(protocol, "SSL") {
		if c.TLS, err = p.tls(); err != nil {
			return err
		}
	}
	if strings.HasPrefix(protocol, "SASL") {
		c.SASL, err = p.sasl()
	}
	return err
}

// longest is the longest time that a property may say: franz-go takes no more.
const longest = 15 * time.Minute

func (p Properties) milliseconds(name string, into *time.Duration) error {
	text, ok := p[name]
	if !ok {
		return nil
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if d := time.Duration(ms) * time.Millisecond; err == nil && d >= 100*time.Millisecond && d <= longest {
		*into = d
		return nil
	}
	return fmt.Errorf("%s=%s is no number of milliseconds from 100 to %d", name, text, longest.Milliseconds())
}

func (p Properties) names() (names []string) {
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
