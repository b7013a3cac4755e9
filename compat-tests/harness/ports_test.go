package harness

import (
	"runtime"
	"testing"
)

func TestAPortGivenOutIsReservedFromOtherProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the names that reserve a port")
	}
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	// Another process would meet the same error: the name is the machine's.
	if l, err := reservePort(port); err == nil {
		_ = l.Close()
		t.Fatalf("port %d was given out, and can be reserved once more", port)
	}
}
