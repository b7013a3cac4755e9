package metrics

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
	"klamm/internal/await"
)

func TestMain(m *testing.M) { os.Exit(harness.Tests(m)) }

// TestNamesAreThoseOfApacheKafka loads both brokers in the same way and compares the names and the keys of labels of their metrics.
func TestNamesAreThoseOfApacheKafka(t *testing.T) {
	apache, klamm := scraped(t, "apache"), scraped(t, "klamm")
	left, own, used := leftOut(t)
	for _, name := range slices.Sorted(maps.Keys(apache)) {
		i := slices.IndexFunc(left, func(p *regexp.Regexp) bool { return p.MatchString(name + apache[name]) })
		got, served := klamm[name]
		switch {
		case served && got != apache[name] && i < 0:
			t.Errorf("%s has the labels %s, and not %s", name, got, apache[name])
		case !served && i < 0:
			t.Errorf("%s%s is not served, and left-out.txt does not say why", name, apache[name])
		}
		if i >= 0 {
			used[i] = true
			if served && got == apache[name] {
				t.Errorf("%s is served, and left-out.txt says that it is not", name)
			}
		}
	}
	for i, p := range left {
		if !used[i] {
			t.Errorf("left-out.txt has %s, which Apache Kafka does not serve", p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(klamm)) {
		_, known := apache[name]
		if !known && !slices.ContainsFunc(own, func(p *regexp.Regexp) bool { return p.MatchString(name) }) {
			t.Errorf("%s%s is served, and Apache Kafka has no such name", name, klamm[name])
		}
	}
}

// leftOut reads left-out.txt: what klamm leaves out, what only klamm has, and which of the first Apache Kafka need not have.
func leftOut(t *testing.T) (left, own []*regexp.Regexp, rare map[int]bool) {
	t.Helper()
	text, err := os.ReadFile("left-out.txt")
	if err != nil {
		t.Fatal(err)
	}
	rare = map[int]bool{}
	for line := range strings.Lines(string(text)) {
		pattern, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case pattern == "" || strings.HasPrefix(pattern, "#"):
			continue
		case strings.TrimSpace(reason) == "":
			t.Errorf("left-out.txt gives no reason for %s", pattern)
		}
		if name, ok := strings.CutPrefix(pattern, "+"); ok {
			own = append(own, regexp.MustCompile("^(?:"+name+")$"))
			continue
		}
		pattern, sometimes := strings.CutPrefix(pattern, "?")
		rare[len(left)] = sometimes
		left = append(left, regexp.MustCompile("^(?:"+pattern+")(?:\\{.*\\})?$"))
	}
	return left, own, rare
}

// scraped starts a broker, loads it, and gives the names of its metrics with the keys of their labels: {a,b}.
func scraped(t *testing.T, kind string) map[string]string {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", port)
	o := harness.Options{Broker: kind, Properties: map[string]string{"klamm.http.listener": at}}
	if kind == "apache" {
		rules, err := filepath.Abs("testdata/rules.yaml")
		if err != nil {
			t.Fatal(err)
		}
		o.JVM = []string{fmt.Sprintf("-javaagent:%s=%s:%s", harness.JMXExporter(t), at, rules)}
	}
	b := harness.Start(t, o)
	load(t, b.Addr)
	var found map[string]string
	await.Until(t, "the metrics of the load are there", func() bool {
		found = names(t, "http://"+at+"/metrics")
		return found["kafka_network_requestmetrics_totaltimems"] != "" && found["kafka_server_brokertopicmetrics_bytesout_total"] != ""
	})
	return found
}

// load does a little of everything. Its client stays connected until the test ends.
func load(t *testing.T, addr string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	admin := kadm.NewClient(c)
	if _, err := admin.CreateTopic(t.Context(), 2, 1, nil, "a"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; n < 5; {
		fetches := c.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		n += fetches.NumRecords()
	}
	if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DescribeTopicConfigs(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
}

var seriesLine = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? `)
var labelKey = regexp.MustCompile(`(?:^|,)(\w+)="(?:[^"\\]|\\.)*"`)

// names gives the names of metrics of Kafka with the keys of their labels.
func names(t *testing.T, url string) map[string]string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	keys := map[string]map[string]bool{}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 64<<20))
	for lines.Scan() {
		m := seriesLine.FindStringSubmatch(lines.Text())
		if m == nil || !strings.HasPrefix(m[1], "kafka_") && !strings.HasPrefix(m[1], "klamm_") {
			continue
		}
		if keys[m[1]] == nil {
			keys[m[1]] = map[string]bool{}
		}
		for _, l := range labelKey.FindAllStringSubmatch(m[2], -1) {
			keys[m[1]][l[1]] = true
		}
	}
	found := map[string]string{}
	for name, of := range keys {
		found[name] = "{" + strings.Join(slices.Sorted(maps.Keys(of)), ",") + "}"
	}
	return found
}
