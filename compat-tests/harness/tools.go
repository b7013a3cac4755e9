package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// toolWithin bounds one run of a client program.
const toolWithin = 10 * time.Minute

// Result is what a client program printed, and its exit code.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// tools are the main classes of Kafka's scripts (bin/kafka-NAME.sh), by
// release where they moved.
var tools = map[string]map[string]string{
	"topics":                    {"": "org.apache.kafka.tools.TopicCommand"},
	"configs":                   {Kafka39: "kafka.admin.ConfigCommand", KafkaNewest: "org.apache.kafka.tools.ConfigCommand"},
	"acls":                      {Kafka39: "kafka.admin.AclCommand", KafkaNewest: "org.apache.kafka.tools.AclCommand"},
	"delegation-tokens":         {"": "org.apache.kafka.tools.DelegationTokenCommand"},
	"features":                  {"": "org.apache.kafka.tools.FeatureCommand"},
	"leader-election":           {"": "org.apache.kafka.tools.LeaderElectionCommand"},
	"reassign-partitions":       {"": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"},
	"transactions":              {"": "org.apache.kafka.tools.TransactionsCommand"},
	"get-offsets":               {"": "org.apache.kafka.tools.GetOffsetShell"},
	"delete-records":            {"": "org.apache.kafka.tools.DeleteRecordsCommand"},
	"log-dirs":                  {"": "org.apache.kafka.tools.LogDirsCommand"},
	"producer-perf-test":        {"": "org.apache.kafka.tools.ProducerPerformance"},
	"consumer-perf-test":        {"": "org.apache.kafka.tools.ConsumerPerformance"},
	"verifiable-producer":       {"": "org.apache.kafka.tools.VerifiableProducer"},
	"cluster":                   {"": "org.apache.kafka.tools.ClusterTool"},
	"broker-api-versions":       {Kafka39: "kafka.admin.BrokerApiVersionsCommand", KafkaNewest: "org.apache.kafka.tools.BrokerApiVersionsCommand"},
	"console-consumer":          {"": "org.apache.kafka.tools.consumer.ConsoleConsumer"},
	"console-producer":          {Kafka39: "kafka.tools.ConsoleProducer", KafkaNewest: "org.apache.kafka.tools.ConsoleProducer"},
	"consumer-groups":           {"": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"},
	"verifiable-consumer":       {"": "org.apache.kafka.tools.VerifiableConsumer"},
	"streams-application-reset": {"": "org.apache.kafka.tools.StreamsResetter"},
	"docker-wrapper":            {Kafka39: "kafka.docker.KafkaDockerWrapper"}, // what the image apache/kafka makes its configuration with
	"dump-log":                  {Kafka39: "kafka.tools.DumpLogSegments", KafkaNewest: "org.apache.kafka.tools.DumpLogSegments"},
}

// Java runs one of Kafka's command-line tools of a release (kafka-topics.sh is
// "topics") and gives its stdout. A failing tool fails the test.
func Java(t testing.TB, version, tool string, stdin io.Reader, args ...string) string {
	t.Helper()
	r := JavaResult(t, version, tool, stdin, args...)
	if r.Code != 0 {
		t.Fatalf("kafka-%s.sh of %s %s: exit code %d\n%s%s", tool, version, strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// JavaResult runs a tool as Java does, and gives its exit code. It does not fail the test over a code other than
// 0.
func JavaResult(t testing.TB, version, tool string, stdin io.Reader, args ...string) Result {
	t.Helper()
	var stdout bytes.Buffer
	stderr, code, err := JavaTo(&stdout, version, tool, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr, Code: code}
}

// JavaTo runs a tool and writes its stdout to w. The error says that the tool could not be run at all.
func JavaTo(w io.Writer, version, tool string, stdin io.Reader, args ...string) (stderr string, code int, err error) {
	java, all, err := javaTool(version, tool, args)
	if err != nil {
		return "", 0, err
	}
	return runTool(w, stdin, java, all...)
}

// javaTool is the command line of a tool.
func javaTool(version, tool string, args []string) (string, []string, error) {
	class, ok := tools[tool][version]
	if !ok {
		class, ok = tools[tool][""]
	}
	if !ok {
		return "", nil, fmt.Errorf("harness: no tool %q in %s", tool, version)
	}
	java, err := javaPath()
	if err != nil {
		return "", nil, err
	}
	jvm, err := jvmArgs(version, "512m", "WARN", cheap(version))
	if err != nil {
		return "", nil, err
	}
	return java, append(append(jvm, class), args...), nil
}

// Kcat runs kcat against a broker and gives its stdout. A failing kcat fails
// the test.
func Kcat(t testing.TB, addr string, stdin io.Reader, args ...string) string {
	t.Helper()
	var stdout bytes.Buffer
	KcatTo(t, &stdout, addr, stdin, args...)
	return stdout.String()
}

// KcatTo is Kcat with stdout going to w.
func KcatTo(t testing.TB, w io.Writer, addr string, stdin io.Reader, args ...string) {
	t.Helper()
	if stderr, code := runKcat(t, w, addr, stdin, args); code != 0 {
		t.Fatalf("kcat %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
}

// KcatResult runs kcat as Kcat does, and gives its exit code. It does not fail the test over a code other than 0.
func KcatResult(t testing.TB, addr string, stdin io.Reader, args ...string) Result {
	t.Helper()
	var stdout bytes.Buffer
	stderr, code := runKcat(t, &stdout, addr, stdin, args)
	return Result{Stdout: stdout.String(), Stderr: stderr, Code: code}
}

func runKcat(t testing.TB, w io.Writer, addr string, stdin io.Reader, args []string) (stderr string, code int) {
	t.Helper()
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Fatal("harness: no kcat on the PATH: run `make tools`")
	}
	stderr, code, err := runTool(w, stdin, "kcat", kcatArgs(addr, args)...)
	if err != nil {
		t.Fatal(err)
	}
	return stderr, code
}

// kcatArgs adds the broker. Without -F, kcat reads a configuration from the home directory.
func kcatArgs(addr string, args []string) []string {
	return append([]string{"-F", "/dev/null", "-b", addr, "-m", "30"}, args...)
}

// Python runs a script with the interpreter that has the libraries of
// compat-tests/reference/requirements.txt and gives its stdout. A failing script
// fails the test.
func Python(t testing.TB, stdin io.Reader, args ...string) string {
	t.Helper()
	python, err := pythonPath()
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	stderr, code, err := runTool(&stdout, stdin, python, args...)
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout.String(), stderr)
	}
	return stdout.String()
}

// pythonPath is the interpreter in build/python.
func pythonPath() (string, error) {
	dir := filepath.Join(Root(), "build", "python")
	if _, err := os.Stat(filepath.Join(dir, ".complete")); err != nil {
		return "", fmt.Errorf("harness: no Python with its libraries in %s: run `make tools`", dir)
	}
	return filepath.Join(dir, "bin", "python"), nil
}

// runTool runs a program to its end.
func runTool(stdout io.Writer, stdin io.Reader, name string, args ...string) (string, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Env = inUTF8(os.Environ())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &stderr
	err := startChild(cmd, nil)
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return stderr.String(), 0, fmt.Errorf("harness: %s %s: killed after %s\n%s", name, strings.Join(args, " "), toolWithin, stderr.String())
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return stderr.String(), exit.ExitCode(), nil
	}
	return stderr.String(), 0, err
}
