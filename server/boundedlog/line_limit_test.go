package boundedlog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Lines that say the same of one topic after the other are written at a bounded rate, each kind by
// itself, and say how many are missing.
func TestLinesOfWhatClientsAskForAreBounded(t *testing.T) {
	var out bytes.Buffer
	limited := LimitLines(slog.New(slog.NewTextHandler(&out, nil))).With("broker", 1)
	at := time.Unix(1_000_000_000, 0)
	line := func(msg string, i int) {
		r := slog.NewRecord(at, slog.LevelError, msg, 0)
		r.AddAttrs(slog.Int("partition", i))
		if err := limited.Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10_000 {
		line("partition cannot be made", i)
	}
	line("something else", 0)
	if n := strings.Count(out.String(), "\n"); n != lineBurst+1 {
		t.Fatalf("%d lines of 10,000 partitions", n)
	}
	out.Reset()
	at = at.Add(time.Second)
	line("partition cannot be made", 1)
	if want := fmt.Sprintf("suppressed=%d", 10_000-lineBurst); !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "broker=1") {
		t.Errorf("%q does not say %s", out.String(), want)
	}
}
