package compare

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

//go:generate go test -count=1 -run TestThePageIsTheTable . -args -write

var write = flag.Bool("write", false, "write docs/differences.md from the table")

// TestThePageIsTheTable holds docs/differences.md to the table of differences.
func TestThePageIsTheTable(t *testing.T) {
	path := filepath.Join(harness.Root(), "docs", "differences.md")
	if *write {
		if err := os.WriteFile(path, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page() {
		t.Errorf("docs/differences.md is not what the table of differences says: run `go generate ./compat-tests/compare`")
	}
}

// leftOut is what no two brokers have in common; it is taken out of the answers
// before they are compared (see normal_test.go).
var leftOut = []string{
	"what a broker chooses: ids of topics, of the cluster, of fetch sessions and producers (that there is one is compared), its port and directories",
	"the time of now in records and answers, and the size of the disk",
	"the wording of messages for people and of the documentation of settings (that there are any is compared)",
	"the order of what Apache's broker keeps in hash tables: topics and partitions in Metadata, DescribeLogDirs and the answers to changes, settings in DescribeConfigs and CreateTopics",
	"which replacement stands in an echoed name for bytes that are not UTF-8",
	"what brokers ask each other (LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown, AlterPartition, AllocateProducerIds): klamm takes it on the listeners that brokers use in a cluster, and says CLUSTER_AUTHORIZATION_FAILED elsewhere; Apache takes it from everybody",
	"requests beyond the limits that bad-input.md names, which Apache's broker does not have",
}

func page() string {
	var b strings.Builder
	b.WriteString(`# What klamm answers otherwise than Apache Kafka 3.9.2

Written by ` + "`go generate ./compat-tests/compare`" + ` from the table in ` + "`compat-tests/compare/known_test.go`" + `. That test sends the same
thousands of requests, good and bad, written by hand and generated from the definitions of the messages, to both
brokers, and compares the answers field by field. It fails on a difference that is not listed here, and on an entry
that no answer needs any more.

| API | versions | asked | answered | why |
|-|-|-|-|-|
`)
	for _, d := range known {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", d.names(), d.versions(), d.asked, d.says, d.reason)
	}
	b.WriteString("\nNot compared:\n\n")
	for _, l := range leftOut {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	return b.String()
}

func (d *difference) names() string {
	if len(d.apis) == 0 {
		return "all"
	}
	var names []string
	for _, k := range d.apis {
		names = append(names, kmsg.NameForKey(int16(k)))
	}
	return strings.Join(names, ", ")
}

func (d *difference) versions() string {
	switch {
	case d.from == 0 && d.to == 0:
		return "all"
	case d.to == 0:
		return fmt.Sprintf("%d on", d.from)
	case d.from == d.to:
		return fmt.Sprint(d.from)
	}
	return fmt.Sprintf("%d-%d", d.from, d.to)
}
