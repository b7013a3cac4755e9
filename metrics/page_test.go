package metrics

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

var write = flag.Bool("write", false, "write docs/metrics.md")

const pagePath = "../docs/metrics.md"

const pageHead = `# The metrics

Written by ` + "`go test ./metrics -run TestPage -args -write`" + ` from what a broker serves. [operations.md](operations.md#metrics) explains where it serves them.

A histogram has a series for each ` + "`quantile`" + ` (0.50, 0.75, 0.95, 0.98, 0.99 and 0.999 of the last five minutes) and a counter that ends in ` + "`_count`" + `, as
the JMX exporters show those of Apache Kafka. The metrics of the process (` + "`process_`" + `) and of Go's runtime (` + "`go_`" + `) are those of Prometheus' client for Go.
`

// sections are the parts of the page, by how names begin. A name belongs to the first that fits.
var sections = []struct{ prefix, title string }{
	{"kafka_consumergroup_group_", "As kafka-lag-exporter names them"},
	{"kafka_consumergroup_", "As kafka_exporter names them"},
	{"kafka_topic_partition", "As kafka_exporter names them"},
	{"kafka_broker", "As kafka_exporter names them"},
	{"kafka_", "As the JMX exporters name those of Apache Kafka"},
	{"klamm_", "klamm's own"},
}

// TestPageIsWhatIsServed holds docs/metrics.md to what a broker with some traffic serves.
func TestPageIsWhatIsServed(t *testing.T) {
	w := watch(t, Options{Version: "1", Commit: "abc"})
	w.Topic("a", 1)
	c := client(t, w.Broker, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := c.PollFetches(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := page(w.gather().byName)
	if *write {
		if err := os.WriteFile(pagePath, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Error("docs/metrics.md is not what a broker serves; run: go test ./metrics -run TestPage -args -write")
	}
}

// page writes the page.
func page(families map[string]*series) string {
	rows := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, s := range sections {
			if strings.HasPrefix(name, s.prefix) {
				rows[s.title] = append(rows[s.title], row(families[name]))
				break
			}
		}
	}
	text := pageHead
	for i := len(sections) - 2; i >= 0; i-- { // the longest list first
		title := sections[i].title
		if list := rows[title]; list != nil {
			text += fmt.Sprintf("\n## %s\n\n| name | kind | labels | what it is |\n| --- | --- | --- | --- |\n%s", title, strings.Join(list, ""))
			delete(rows, title)
		}
	}
	own := sections[len(sections)-1].title
	return text + fmt.Sprintf("\n## %s\n\n| name | kind | labels | what it is |\n| --- | --- | --- | --- |\n%s", own, strings.Join(rows[own], ""))
}

var labelName = regexp.MustCompile(`[{,](\w+)="`)

func row(s *series) string {
	keys := map[string]bool{}
	for i := range s.samples {
		for _, m := range labelName.FindAllStringSubmatch(s.samples[i].labels, -1) {
			keys[m[1]] = true
		}
	}
	list := slices.Sorted(maps.Keys(keys))
	for i := range list {
		list[i] = "`" + list[i] + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", s.name, s.kind, strings.Join(list, ", "), s.help)
}
