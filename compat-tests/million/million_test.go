package million

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// partitions is how many partitions each topic has. A producer spreads the lines over
// them as it likes; within each they stay in order.
const partitions = 2

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// sent gives the codecs to produce in: all of them, or where tests do less work only
// those that show the most.
func sent() []string {
	if harness.Small() {
		return []string{"none", "zstd"}
	}
	return codecs
}

// text writes the file: numbered lines of words, of many lengths.
func text(t *testing.T, lines int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lines.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	rng := rand.New(rand.NewPCG(1, 1))
	words := []string{"land", "surveyor", "castle", "village", "official", "snow", "bridge", "telephone", "straße", "глава", "城"}
	for i := range lines {
		fmt.Fprintf(w, "%07d", i)
		for range rng.IntN(16) {
			w.WriteByte(' ')
			w.WriteString(words[rng.IntN(len(words))])
		}
		w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLinesFromKcat(t *testing.T) {
	file := text(t, *lineCount)
	for _, codec := range sent() {
		t.Run(codec, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, partitions)
			harness.Kcat(t, broker.Addr, nil, "-P", "-t", topic, "-z", codec, "-X", "enable.idempotence=true",
				"-X", "queue.buffering.max.messages=200000", "-l", file)
			readBack(t, topic, file, harness.Kafka39)
		})
	}
}

func TestLinesFromTheConsoleProducer(t *testing.T) {
	file := text(t, *lineCount)
	for _, codec := range sent() {
		t.Run(codec, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, partitions)
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			harness.Java(t, harness.Kafka39, "console-producer", in,
				"--bootstrap-server", broker.Addr, "--topic", topic, "--compression-codec", codec)
			readBack(t, topic, file, harness.KafkaNewest)
		})
	}
}

// readBack reads each partition with the three consumers, which have to give
// the same bytes, and puts the partitions together to the file again.
func readBack(t *testing.T, topic, file, release string) {
	t.Helper()
	var parts []string
	for p := range partitions {
		end := harness.EndOffset(t, broker.Addr, topic, int32(p))
		byKgo := withKgo(t, topic, p, end)
		for name, with := range map[string]func(*testing.T, io.Writer){
			"kcat": func(t *testing.T, w io.Writer) {
				harness.KcatTo(t, w, broker.Addr, nil, "-C", "-q", "-t", topic, "-p", fmt.Sprint(p), "-o", "beginning", "-e")
			},
			"the console consumer of " + release: func(t *testing.T, w io.Writer) { withConsole(t, w, release, topic, p, end) },
		} {
			if got := toFile(t, func(w io.Writer) { with(t, w) }); !equal(t, got, byKgo) {
				t.Fatalf("partition %d: %s and franz-go do not read the same (%s, %s)", p, name, got, byKgo)
			}
		}
		parts = append(parts, byKgo)
	}
	if whole := toFile(t, func(w io.Writer) { merge(t, w, parts) }); !equal(t, whole, file) {
		t.Fatalf("the partitions put together are not the file (%s, %s)", whole, file)
	}
}

// toFile gives the name of a file with what a function writes.
func toFile(t *testing.T, f func(io.Writer)) string {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(out, 1<<20)
	f(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

// withKgo reads a partition with franz-go.
func withKgo(t *testing.T, topic string, partition int, end int64) string {
	t.Helper()
	return toFile(t, func(w io.Writer) {
		cl := harness.Client(t, broker.Addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {int32(partition): kgo.NewOffset().AtStart()}}))
		defer cl.Close()
		for next := int64(0); next < end; {
			fetches := cl.PollFetches(harness.Context(t))
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				if r.Offset != next {
					t.Fatalf("partition %d: offset %d, %d was due", partition, r.Offset, next)
				}
				next++
				_, _ = w.Write(r.Value) // a file's error comes with its Flush
				_, _ = w.Write([]byte{'\n'})
			})
		}
	})
}

// withConsole reads a partition with the Java console consumer.
func withConsole(t *testing.T, w io.Writer, release, topic string, partition int, end int64) {
	t.Helper()
	if end == 0 {
		return // the console consumer would wait for a first record
	}
	stderr, code, err := harness.JavaTo(w, release, "console-consumer", nil, "--bootstrap-server", broker.Addr, "--topic", topic,
		"--partition", fmt.Sprint(partition), "--offset", "earliest", "--max-messages", fmt.Sprint(end), "--timeout-ms", "120000")
	if err != nil || code != 0 {
		t.Fatalf("the console consumer: %v, exit code %d\n%s", err, code, stderr)
	}
}

// equal compares two files.
func equal(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x, y)
}

// merge puts partitions together by the numbers that their lines begin with.
func merge(t *testing.T, w io.Writer, parts []string) {
	t.Helper()
	type source struct {
		lines  *bufio.Reader
		line   []byte
		number int
	}
	var sources []*source
	advance := func(s *source) bool {
		line, err := s.lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return false
		}
		n, numErr := strconv.Atoi(string(line[:min(7, len(line))]))
		if err != nil || numErr != nil {
			t.Fatalf("a line that was not sent: %q (%v)", line, err)
		}
		s.line, s.number = line, n
		return true
	}
	for _, p := range parts {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if s := (&source{lines: bufio.NewReaderSize(f, 1<<20)}); advance(s) {
			sources = append(sources, s)
		}
	}
	for len(sources) > 0 {
		first := 0
		for i, s := range sources {
			if s.number < sources[first].number {
				first = i
			}
		}
		_, _ = w.Write(sources[first].line) // a file's error comes with its Flush
		if !advance(sources[first]) {
			sources = append(sources[:first], sources[first+1:]...)
		}
	}
}
