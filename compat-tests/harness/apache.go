package harness

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
func cheap(version string) []string {
	return append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, classArchive(version)...)
}

// kafkas are the JVM options of Kafka's kafka-server-start.sh and kafka-run-class.sh,
// with the log of its garbage collector in dir.
func kafkas(dir string) []string {
	return []string{"-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
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
	heap, options := "768m", cheap(b.release())
	if b.opts.Measured {
		heap, options = "1g", kafkas(b.dir)
	}
	args, err := jvmArgs(b.release(), heap, "INFO", options)
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

// zookeeper is the one-node ZooKeeper behind a reference broker.
type zookeeper struct {
	addr string
	proc *process
}

func startZooKeeper(dir string) (*zookeeper, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\nclientPortAddress=127.0.0.1\nclientPort=%d\ntickTime=500\nmaxClientCnxns=0\n"+
		"admin.enableServer=false\n4lw.commands.whitelist=ruok,dump\n", dir, port)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	java, err := javaPath()
	if err != nil {
		return nil, err
	}
	args, err := jvmArgs(Kafka39, "256m", "WARN", cheap(Kafka39))
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "zookeeper.out")
	p, err := spawn(spawnOptions{name: java, dir: dir, out: out,
		args: append(args, "org.apache.zookeeper.server.quorum.QuorumPeerMain", conf)})
	if err != nil {
		return nil, err
	}
	z := &zookeeper{addr: fmt.Sprintf("127.0.0.1:%d", port), proc: p}
	for deadline := time.Now().Add(readyWithin); ; {
		if answer, err := z.ask("ruok"); err == nil && answer == "imok" {
			return z, nil
		}
		if p.ended() || time.Now().After(deadline) {
			p.kill()
			text, _ := os.ReadFile(out)
			return nil, fmt.Errorf("harness: ZooKeeper did not come up:\n%s", text)
		}
		pause()
	}
}

// ask sends one of ZooKeeper's four-letter words.
func (z *zookeeper) ask(word string) (string, error) {
	c, err := net.DialTimeout("tcp", z.addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
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
		append(args, "org.apache.zookeeper.ZooKeeperMain", "-server", b.zookeeper.addr)...)
	if err != nil {
		return err
	}
	if made := strings.Count(out.String()+stderr, "Created /"); code != 0 || made != len(nodes)/2 {
		return fmt.Errorf("harness: ZooKeeper's shell made %d of %d nodes, exit code %d:\n%s%s", made, len(nodes)/2, code, out.String(), stderr)
	}
	return nil
}

// awaitNoBroker waits until no broker is registered.
func (z *zookeeper) awaitNoBroker(within time.Duration) error {
	for deadline := time.Now().Add(within); ; {
		answer, err := z.ask("dump")
		if err == nil && !strings.Contains(answer, "/brokers/ids/") {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("harness: ZooKeeper still has a broker after %s (%v)", within, err)
		}
		pause()
	}
}

func (z *zookeeper) stop() {
	z.proc.signal(syscall.SIGTERM)
	if _, err := z.proc.wait(5 * time.Second); err != nil {
		z.proc.kill()
	}
}

// pause is the interval between two questions to another process, which has
// no event that this one could wait for.
func pause() { time.Sleep(10 * time.Millisecond) }
