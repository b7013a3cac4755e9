package transport

import (
	"net"
	"strings"
	"testing"
)

// TestBindErrorNamesTheAddressOnce: the text of Go's own error was behind klamm's, with the address again.
func TestBindErrorNamesTheAddressOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	_, err = Bind([]ListenerSpec{{"PLAINTEXT", addr}}, SocketOptions{ReceiveBytes: -1, Backlog: 1})
	if err == nil || strings.Count(err.Error(), addr) != 1 || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error = %v", err)
	}
}
