package protocol

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

// What is no Kafka request, and begins as something that is known, is named by what it is and not by the
// size that its first bytes would announce.
func TestWhatIsNoRequestIsNamed(t *testing.T) {
	for _, c := range []struct{ sent, name string }{
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS handshake"},
		{"\x15\x03\x03\x00\x02\x01\x00", "a TLS alert"},
		{"\x80\x2e\x01\x00\x02\x00\x15\x00", "an SSLv2 handshake"},
		{"\x80\x2e\x01\x03\x01\x00\x15\x00", "an SSLv2 handshake"},
		{"GET / HTTP/1.1\r\n\r\n", "an HTTP request"},
		{"POST /topics HTTP/1.1\r\n\r\n", "an HTTP request"},
		{"OPTIONS * HTTP/1.1\r\n\r\n", "an HTTP request"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP/2 request"},
		{"HTTP/1.1 400 Bad Request\r\n", "an HTTP response"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 5 9092\r\n", "a PROXY protocol header"},
		{"\r\n\r\n\x00\r\nQUIT\n\x21\x11", "a PROXY protocol header"},
		{"SSH-2.0-OpenSSH_9.6\r\n", "an SSH client"},
		{"\xff\xff\xff\xff\x00", ""},
		{"\x7f\xff\xff\xff\x00\x12\x00\x03", ""},
	} {
		_, err := ReadFrameSize(bufio.NewReader(strings.NewReader(c.sent)), 100<<20)
		var size *FrameSizeError
		if !errors.As(err, &size) {
			t.Errorf("%q: %v", c.sent, err)
			continue
		}
		if got, named, _ := strings.Cut(err.Error(), " ("); c.name != "" && !strings.Contains(got, c.name) || (c.name == "") != (size.LooksLike == "") {
			t.Errorf("%q: %q %q, want %q", c.sent, got, named, c.name)
		}
		if c.name == "" && !strings.Contains(err.Error(), "was announced") {
			t.Errorf("%q: %v", c.sent, err)
		}
	}
}

// A request whose size begins as TLS does is none the less a request.
func TestARequestAsLargeAsTLSIsRead(t *testing.T) {
	n, err := ReadFrameSize(bufio.NewReader(strings.NewReader("\x16\x03\x01\x02\x00\x00\x00\x09")), 1<<30)
	if err != nil || n != 0x16030102 {
		t.Errorf("%d, %v", n, err)
	}
}
