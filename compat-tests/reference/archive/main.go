// Command archive makes the class archives of the Kafka releases that the tests
// run: build/kafka-VERSION/classes.jsa. It starts the reference broker and the
// tools that the tests start most often, and the JVM archives what these loaded.
//
// tools.sh runs it after it got the jars.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"klamm/compat-tests/harness"
)

func main() {
	if err := harness.ArchiveClasses(load); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

// load has a broker and the tools of each release load their classes.
func load() error {
	b, err := harness.New(harness.Options{Broker: "apache"})
	if err != nil {
		return err
	}
	defer b.Remove()
	for _, version := range []string{harness.Kafka39, harness.KafkaNewest} {
		if err := runTools(b, version); err != nil {
			return err
		}
	}
	return b.Close()
}

func runTools(b *harness.Broker, version string) error {
	topic := "archive-" + version
	runs := []struct {
		tool, stdin string
		args        []string
	}{
		{"topics", "", []string{"--create", "--topic", topic}},
		{"console-producer", "hello\n", []string{"--topic", topic}},
		{"console-consumer", "", []string{"--topic", topic, "--from-beginning", "--max-messages", "1", "--group", topic}},
		{"consumer-groups", "", []string{"--describe", "--group", topic}},
		{"configs", "", []string{"--describe", "--topic", topic}},
	}
	for _, r := range runs {
		args := append([]string{"--bootstrap-server", b.Addr}, r.args...)
		stderr, code, err := harness.JavaTo(io.Discard, version, r.tool, strings.NewReader(r.stdin), args...)
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("kafka-%s.sh of %s: exit code %d\n%s", r.tool, version, code, stderr)
		}
	}
	return nil
}
