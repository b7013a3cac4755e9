package harness

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Kafka releases whose jars the tools target puts under build/.
const (
	Kafka39     = "3.9.2"
	KafkaNewest = "4.4.0"
)

// releaseDir is where the jars of a Kafka release are.
func releaseDir(version string) string { return filepath.Join(Root(), "build", "kafka-"+version) }

// classpath is the jars of one Kafka release; an error names the command that
// gets them. The jars are named one by one and in order, since a class archive
// is only good for the class path that it was made with.
func classpath(version string) (string, error) {
	dir := releaseDir(version)
	if _, err := os.Stat(filepath.Join(dir, ".complete")); err != nil {
		return "", fmt.Errorf("harness: Apache Kafka %s is not in %s: run `make tools`", version, dir)
	}
	jars, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		return "", err
	}
	return strings.Join(jars, ":"), nil
}

func javaPath() (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("harness: no java on the PATH: run `make tools`")
	}
	return path, nil
}

// cheap gives JVM options with which a broker starts fast and takes little, since it
// shares the cores with the tests.
//
// A JVM with performance data keeps them in a file in /tmp. Each JVM that starts locks the files of the
// others for a moment, to find those that a dead one has left, and one that starts just then says so on its
// standard output, among what a tool prints. Without such data there is no file.
func cheap(version string) []string {
	return append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"}, classArchive(version)...)
}

// kafkas are the JVM options of Kafka's kafka-server-start.sh and kafka-run-class.sh,
// with the log of its garbage collector in dir.
func kafkas(dir, heap string) []string {
	return []string{"-Xms" + heap, "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15",
		"-Xlog:gc*:file=" + filepath.Join(dir, "kafkaServer-gc.log") + ":time,tags:filecount=10,filesize=100M",
		"-Dcom.sun.management.jmxremote=true", "-Dcom.sun.management.jmxremote.authenticate=false", "-Dcom.sun.management.jmxremote.ssl=false"}
}

// jvmArgs are the arguments before the main class.
func jvmArgs(version, heap, logLevel string, options []string) ([]string, error) {
	cp, err := classpath(version)
	if err != nil {
		return nil, err
	}
	ref := filepath.Join(Root(), "compat-tests", "reference")
	return append([]string{
		"-Xmx" + heap,
		"-Djava.awt.headless=true",
		"-Dklamm.log.level=" + logLevel,
		"-Dlog4j.configuration=file:" + filepath.Join(ref, "log4j.properties"),
		"-Dlog4j2.configurationFile=file:" + filepath.Join(ref, "log4j2.properties"),
		"-cp", cp,
	}, options...), nil
}

// jvm is the command line of the reference broker.
func (b *Broker) jvm(conf string) (string, []string, error) {
	java, err := javaPath()
	if err != nil {
		return "", nil, err
	}
	heap, options := b.opts.Heap, cheap(b.release())
	switch {
	case b.opts.Measured:
		heap = cmp.Or(heap, "1g")
		options = kafkas(b.dir, heap)
	default:
		heap = cmp.Or(heap, "768m")
	}
	args, err := jvmArgs(b.release(), heap, "INFO", append(options, b.opts.JVM...))
	if err != nil {
		return "", nil, err
	}
	return java, append(args, "kafka.Kafka", conf), nil
}

// release is the version of the reference broker.
func (b *Broker) release() string {
	if b.opts.Release == "" {
		return Kafka39
	}
	return b.opts.Release
}

// Znodes creates nodes in the ZooKeeper of a reference broker that is not
// started yet: path, data, path, data. Parents come first.
func (b *Broker) Znodes(nodes ...string) error {
	var script strings.Builder
	for i := 0; i+1 < len(nodes); i += 2 {
		// The shell splits at spaces; JSON can do without them.
		fmt.Fprintf(&script, "create %s %s\n", nodes[i], nodes[i+1])
	}
	script.WriteString("quit\n")
	java, err := javaPath()
	if err != nil {
		return err
	}
	args, err := jvmArgs(Kafka39, "256m", "WARN", cheap(Kafka39))
	if err != nil {
		return err
	}
	var out strings.Builder
	stderr, code, err := runTool(&out, strings.NewReader(script.String()), java,
		append(args, "org.apache.zookeeper.ZooKeeperMain", "-server", b.zookeeper.Connect())...)
	if err != nil {
		return err
	}
	if made := strings.Count(out.String()+stderr, "Created /"); code != 0 || made != len(nodes)/2 {
		return fmt.Errorf("harness: ZooKeeper's shell made %d of %d nodes, exit code %d:\n%s%s", made, len(nodes)/2, code, out.String(), stderr)
	}
	return nil
}

// pause is the interval between two questions to another process, which has
// no event that this one could wait for.
func pause() { time.Sleep(10 * time.Millisecond) }

// JMXExporter is the path of Prometheus' agent for JVMs. A missing agent fails the test.
func JMXExporter(t testing.TB) string {
	t.Helper()
	path := filepath.Join(Root(), "build", "jmx", "jmx_prometheus_javaagent-1.0.1.jar")
	if _, err := os.Stat(path); err != nil {
		t.Fatal("harness: no agent for JVMs in build/jmx: run `make tools`")
	}
	return path
}
