package batch

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"testing"
)

// TestLZ4IsWhatApacheKafkaPacks compares our frames with those that Apache Kafka makes of the same bytes.
func TestLZ4IsWhatApacheKafkaPacks(t *testing.T) {
	f, err := os.Open("../testdata/lz4/frames-3.9.2.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var kind, sum string
		var size, packed int
		if _, err := fmt.Sscan(lines.Text(), &kind, &size, &packed, &sum); err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
		frame := mustCompress(t, LZ4, goldenBytes(kind, size))
		if got := fmt.Sprintf("%x", sha256.Sum256(frame)); len(frame) != packed || got != sum {
			t.Errorf("%d bytes of %s become %d bytes, SHA-256 %s; Apache Kafka's %d, %s", size, kind, len(frame), got, packed, sum)
		}
	}
	if n != 22 {
		t.Errorf("%d lines", n)
	}
}

// goldenBytes are the same ones as in Frames.java.
func goldenBytes(kind string, size int) []byte {
	words := []string{"broker", "offset", "partition", "leader", "epoch", "segment", "GET", "timeout"}
	var b []byte
	for x := uint32(1); len(b) < size; {
		x = x*1664525 + 1013904223
		if kind == "noise" {
			b = append(b, byte(x>>24))
		} else {
			b = fmt.Appendf(b, "%s=%d ", words[x>>29], (x>>20)%512)
		}
	}
	return b[:size]
}
