package protocol

import "bytes"

// lookalikeBytes is how many bytes LooksLike wants to see of what came.
const lookalikeBytes = 12

// lookalikes are the first bytes of what is sent to a Kafka port by mistake. Each of them would announce a request of
// more than a gigabyte, or of a negative size, but for TLS.
var lookalikes = []struct{ begin, name string }{
	{"\x16\x03", "a TLS handshake (the client wants SSL or SASL_SSL, the listener does not)"},
	{"\x15\x03", "a TLS alert (the client wants SSL or SASL_SSL, the listener does not)"},
	{"GET ", "an HTTP request"}, {"PUT ", "an HTTP request"}, {"POST ", "an HTTP request"}, {"HEAD ", "an HTTP request"},
	{"DELETE ", "an HTTP request"}, {"OPTIONS ", "an HTTP request"}, {"CONNECT ", "an HTTP request"}, {"TRACE ", "an HTTP request"},
	{"PATCH ", "an HTTP request"}, {"PRI * HTTP/2", "an HTTP/2 request"}, {"HTTP/", "an HTTP response"},
	{"PROXY ", "a PROXY protocol header (the load balancer is to send none)"},
	{"\r\n\r\n\x00\r\nQUIT\n", "a PROXY protocol header (the load balancer is to send none)"},
	{"SSH-", "an SSH client"},
}

// LooksLike says what the first bytes of a connection are where they are known to be something else than a Kafka
// request; it is empty where they are not.
func LooksLike(first []byte) string {
	for _, l := range lookalikes {
		if bytes.HasPrefix(first, []byte(l.begin)) {
			return l.name
		}
	}
	// An SSLv2 record: two bytes of length, the type of a client's hello, and the version that the client wants.
	if len(first) >= 5 && first[0]&0x80 != 0 && first[2] == 1 && (first[3] == 3 || first[3] == 0 && first[4] == 2) {
		return "an SSLv2 handshake (the client wants SSL or SASL_SSL, the listener does not)"
	}
	return ""
}
