package verify

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestABrokerThatHangsIsWaitedForOnce and not at each of its partitions, of which it may have thousands, and by all that compare. Later it is asked again.
func TestABrokerThatHangsIsWaitedForOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := new(silence)
	askIt := func() error {
		c := newConnections(map[int32]string{7: l.Addr().String()}, silent)
		c.timeout = time.Millisecond
		defer c.close()
		_, err := ask[*kmsg.MetadataResponse](t.Context(), c, 7, metadataRequest(nil))
		return err
	}
	if err := askIt(); !isLate(err) {
		t.Fatal(err)
	}
	for range 3 {
		if err := askIt(); err == nil || !strings.HasPrefix(err.Error(), "the broker did not answer in time") {
			t.Fatal(err)
		}
	}
	silent.until[7] = time.Now()
	if err := askIt(); !isLate(err) {
		t.Fatal(err)
	}
}
