package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// TestMigrateCheckIsUsedWrongly gives the command what it cannot work with.
func TestMigrateCheckIsUsedWrongly(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"an unknown flag":      {[]string{"check", "--listen"}, []string{"--listen"}},
		"an argument":          {[]string{"check", "server.properties"}, []string{"server.properties", "--config"}},
		"no configuration":     {[]string{"check"}, []string{"--config"}},
		"a missing file":       {[]string{"check", "--config", "gone.properties"}, []string{"gone.properties"}},
		"a --set without =":    {[]string{"check", "--config", os.DevNull, "--set", "log.dirs"}, []string{"log.dirs"}},
		"an unknown command":   {[]string{"czech"}, []string{"czech", "check", "verify"}},
		"a flag of the parent": {[]string{"--config", "x"}, []string{"--config"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := snapshot(t, dir)
			e := klamm(t, dir, nil, append([]string{"migrate"}, c.args...)...)
			e.refused(t, c.words...)
			if e.code != 2 {
				t.Errorf("exit code %d", e.code)
			}
			unchanged(t, dir, before)
		})
	}
}

// TestMigrateVerifyIsUsedWrongly gives the command what it cannot work with.
func TestMigrateVerifyIsUsedWrongly(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	nobody := strings.TrimPrefix(listener(t), "PLAINTEXT://")
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"no broker":         {nil, []string{"--bootstrap-server"}},
		"no port":           {[]string{"--bootstrap-server", "kafka-1"}, []string{"kafka-1", "host:port"}},
		"nobody there":      {[]string{"--bootstrap-server", nobody}, []string{nobody, "connection refused"}},
		"an argument":       {[]string{"orders", "--bootstrap-server", b.Addr}, []string{"orders", "--topic"}},
		"no such topic":     {[]string{"--bootstrap-server", b.Addr, "--topic", "gone"}, []string{"gone"}},
		"an empty topic":    {[]string{"--bootstrap-server", b.Addr, "--topic", ""}, []string{"--topic"}},
		"both":              {[]string{"--bootstrap-server", b.Addr, "--topic", "x", "--exclude-internal"}, []string{"--topic", "--exclude-internal"}},
		"no such broker":    {[]string{"--bootstrap-server", b.Addr, "--brokers", "70,71"}, []string{"broker 70"}},
		"one broker":        {[]string{"--bootstrap-server", b.Addr, "--brokers", "1,1"}, []string{"broker 1 alone"}},
		"no number":         {[]string{"--bootstrap-server", b.Addr, "--brokers", "one"}, []string{"--brokers", "one"}},
		"a throttle of 0":   {[]string{"--bootstrap-server", b.Addr, "--throttle", "0"}, []string{"--throttle"}},
		"a throttle of -1":  {[]string{"--bootstrap-server", b.Addr, "--throttle", "-1"}, []string{"--throttle", "-1"}},
		"an unknown flag":   {[]string{"--topics", "x"}, []string{"--topics"}},
		"what is no number": {[]string{"--bootstrap-server", b.Addr, "--throttle", "1MB"}, []string{"--throttle", "1MB"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := klamm(t, t.TempDir(), nil, append([]string{"migrate", "verify"}, c.args...)...)
			e.refused(t, c.words...)
			if e.code != 2 {
				t.Errorf("exit code %d", e.code)
			}
		})
	}
}

// TestMigrateVerifyOfOneBroker runs the command on a broker alone, whose partitions have nothing to be compared with.
func TestMigrateVerifyOfOneBroker(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	harness.Topic(t, b.Addr, 3)
	e := klamm(t, t.TempDir(), nil, "migrate", "verify", "--bootstrap-server", b.Addr)
	if e.code != 0 || !strings.Contains(e.stdout, "partitions  3: 0 compared, 3 without a second replica") || !strings.Contains(e.stdout, "No replica differs.") {
		t.Errorf("exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
}

// TestMigrateCheckLooksAtOneBroker runs the command on the directory of a broker of klamm that runs, whose files are Apache Kafka's: with what
// stands in the way, with what does not, and with a ZooKeeper that is not there. It never changes a file.
func TestMigrateCheckLooksAtOneBroker(t *testing.T) {
	// The broker itself writes a file now and then.
	b := harness.Start(t, harness.Options{Properties: map[string]string{"replica.high.watermark.checkpoint.interval.ms": "3600000"}})
	harness.Topic(t, b.Addr, 1)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `kafka_network_requestmetrics_requests_total{request="Produce",version="9"} 5`)
	}))
	defer page.Close()
	dir := t.TempDir()
	file := write(t, dir, "server.properties", "broker.id=1\nprocess.roles=broker\nlog.dirs="+b.LogDir+"\nauthorizer.class.name=kafka.security.authorizer.AclAuthorizer\n")
	mine := snapshot(t, dir)
	before := snapshot(t, b.LogDir)
	e := klamm(t, dir, nil, "migrate", "check", "--config", file, "--json", "--metrics", page.URL)
	var report struct {
		Findings []struct {
			Severity, Area string
			Where          []string
		}
	}
	if err := json.Unmarshal([]byte(e.stdout), &report); err != nil || e.code != 1 || e.stderr != "" {
		t.Fatalf("exit code %d, %v, stderr %q:\n%s", e.code, err, e.stderr, e.stdout)
	}
	found := fmt.Sprint(report.Findings)
	for _, want := range []string{"{refuses configuration [" + file + ":4: authorizer.class.name]}", "{differs configuration [" + file + ":2: process.roles]}",
		"{refuses directories [" + filepath.Join(b.LogDir, "meta.properties")} {
		if !strings.Contains(found, want) {
			t.Errorf("no %s in %s", want, found)
		}
	}
	e = klamm(t, dir, nil, "migrate", "check", "--config", file, "--metrics", page.URL)
	for _, want := range []string{"klamm would not start (", "a broker runs on the directory", page.URL} {
		if e.code != 1 || !strings.Contains(e.stdout, want) {
			t.Errorf("exit code %d, no %q in\n%s%s", e.code, want, e.stdout, e.stderr)
		}
	}
	file = write(t, dir, "zookeeper.properties", "log.dirs="+b.LogDir+"\n")
	e = klamm(t, dir, nil, "migrate", "check", "--config", file, "--zookeeper", strings.TrimPrefix(listener(t), "PLAINTEXT://")+"/kafka",
		"--set", "zookeeper.connection.timeout.ms=1000")
	if e.code != 2 || !strings.Contains(e.stdout, "could not be looked at: zookeeper.connect: ") || !strings.Contains(e.stdout, "connection refused") {
		t.Errorf("without ZooKeeper: exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	unchanged(t, b.LogDir, before)
	os.Remove(file)
	unchanged(t, dir, mine)
}
