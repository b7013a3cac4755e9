package connect

import (
	"strings"
	"testing"
)

const plainLogin = `org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="a\"b=;c";`

// TestProperties gives what is served and what is not.
func TestProperties(t *testing.T) {
	for name, c := range map[string]struct {
		properties string // name=value, a line each
		refused    string // words of the error, with spaces between them; "" for none
	}{
		"nothing":                         {"", ""},
		"what does not matter":            {"key.deserializer=x\nsasl.kerberos.service.name=kafka\nmetrics.num.samples=3", ""},
		"another protocol":                {"security.protocol=TLS", "security.protocol=TLS"},
		"small letters":                   {"security.protocol=ssl", ""},
		"no time":                         {"request.timeout.ms=soon", "request.timeout.ms=soon"},
		"no time at all":                  {"request.timeout.ms=0", "request.timeout.ms=0"},
		"a provider":                      {"config.providers=file", "config.providers write"},
		"a handler":                       {"sasl.login.callback.handler.class=x", "sasl.login.callback.handler.class sasl.jaas.config"},
		"plain":                           {"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=" + plainLogin, ""},
		"scram":                           {"security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=a password='b';", ""},
		"the module of another mechanism": {"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=" + plainLogin, "PlainLoginModule SCRAM-SHA-256"},
		"no mechanism":                    {"security.protocol=SASL_PLAINTEXT", "sasl.mechanism=GSSAPI PLAIN"},
		"no login":                        {"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN", "sasl.jaas.config username"},
		"no semicolon":                    {"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=" + strings.TrimSuffix(plainLogin, ";"), "sasl.jaas.config semicolon"},
		"an open quote":                   {"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=x required username=\"alice;", "sasl.jaas.config quote"},
		"no password":                     {"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=a;", "password is missing"},
		"no trust store":                  {"security.protocol=SSL\nssl.truststore.location=/nowhere/trust.jks", "ssl.truststore /nowhere/trust.jks"},
		"no pem":                          {"security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates=hello", "ssl.truststore.certificates"},
		"old TLS":                         {"security.protocol=SSL\nssl.enabled.protocols=TLSv1.2,TLSv1.1", "TLSv1.1"},
		"no check of the host":            {"security.protocol=SSL\nssl.endpoint.identification.algorithm=", ""},
		"another check of the host":       {"security.protocol=SSL\nssl.endpoint.identification.algorithm=LDAPS", "LDAPS"},
	} {
		t.Run(name, func(t *testing.T) {
			properties := Properties{}
			for line := range strings.Lines(c.properties) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				properties[name] = value
			}
			_, err := New([]string{"127.0.0.1:1"}, properties)
			if (err != nil) != (c.refused != "") {
				t.Fatalf("%v", err)
			}
			for word := range strings.FieldsSeq(c.refused) {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if err != nil && strings.Contains(err.Error(), "alice") {
				t.Errorf("%q says who logs in", err)
			}
		})
	}
}

// TestJAAS reads what stands in quotes.
func TestJAAS(t *testing.T) {
	l, err := parseJAAS(plainLogin)
	if err != nil || l.options["username"] != "alice" || l.options["password"] != `a"b=;c` {
		t.Errorf("%v, %v", l, err)
	}
}
