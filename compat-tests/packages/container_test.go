package packages

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
	"klamm/server/config"
)

// quorum are properties that klamm takes out of a configuration for KRaft.
var quorum = []string{"process.roles", "controller.quorum.voters", "controller.listener.names"}

// TestTheVariablesMeanWhatTheyMeanToApache gives the same environment and the same mounted file to the class that makes the configuration in the image apache/kafka
// and to klamm container.
func TestTheVariablesMeanWhatTheyMeanToApache(t *testing.T) {
	variables := []string{
		"KAFKA_NODE_ID=3", "KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS=3@localhost:9094", "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_LISTENERS=PLAINTEXT://:9092,BROKER__2://:9093,CONTROLLER://:9094", "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://example.com:19092,BROKER__2://host:9093",
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=BROKER__2:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "KAFKA_INTER_BROKER_LISTENER_NAME=PLAINTEXT",
		"KAFKA_LISTENER_NAME_BROKER__2_SOCKET_SEND_BUFFER_BYTES=1024", "KAFKA_LISTENER_NAME_A___B____C_MAX_CONNECTIONS=3", "KAFKA_LISTENER_NAME_KAFKA_IN_MAX_CONNECTIONS=4",
		"KAFKA_log_retention_HOURS=5", "KAFKA_BROKER_RACK=  a = b:\\u0041\\tc \\\\ d", "KAFKA_SUPER_USERS=User:a;User:b", "KAFKA_ZOOKEEPER_SSL_KEYSTORE_TYPE=",
		"KAFKA_LOG_FLUSH_INTERVAL_MESSAGES=9223372036854775807", "KAFKA_METRIC_REPORTERS=first\nmetrics.num.samples=4", "KAFKA_HEAP_OPTS=-Xmx1G", "KAFKA_JMX_HOSTNAME=h", "KAFKA_LOG4J_LOGGERS=a=INFO", "KAFKA_BROKER_ID_GENERATION_ENABLE=ä",
	}
	mounted := "# mounted\nnum.partitions=9\nlog.retention.hours=7\nlog.dirs=/tmp/klamm-never-made\nmessage.max.bytes : 12 \\\n 34\n"
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw")
	for name, file := range map[string]string{"without a file": "", "with a file": mounted} {
		t.Run(name, func(t *testing.T) {
			dirs := map[string]string{}
			for _, d := range []string{"default", "mounted", "final"} {
				dirs[d] = t.TempDir()
			}
			for _, f := range []string{"server.properties", "log4j.properties", "tools-log4j.properties"} {
				for _, d := range []string{"default", "final"} {
					writeFile(t, filepath.Join(dirs[d], f), "")
				}
			}
			if file != "" {
				writeFile(t, filepath.Join(dirs["mounted"], "server.properties"), file)
			}
			// The class goes on to format a directory and refuses this configuration there; the file is written by then.
			made := filepath.Join(dirs["final"], "server.properties")
			r := harness.JavaResult(t, harness.Kafka39, "docker-wrapper", nil, "setup", "--default-configs-dir", dirs["default"], "--mounted-configs-dir", dirs["mounted"], "--final-configs-dir", dirs["final"])
			want, err := config.ReadProperties(made)
			if err != nil || want["node.id"] == "" {
				t.Fatalf("the class left %q, %v; it said:\n%s%s", want, err, r.Stdout, r.Stderr)
			}
			got := printed(t, os.Environ(), "--mounted-configs-dir", dirs["mounted"])
			for name, value := range map[string]string{ // what klamm changes, and adds
				"listeners":                      "PLAINTEXT://:9092,BROKER__2://:9093",
				"listener.security.protocol.map": "BROKER__2:PLAINTEXT,PLAINTEXT:PLAINTEXT", "offsets.topic.replication.factor": "1",
				"transaction.state.log.min.isr": "1", "transaction.state.log.replication.factor": "1",
			} {
				want[name] = value
			}
			if file == "" {
				want["log.dirs"] = "/var/lib/kafka/data"
			}
			maps.DeleteFunc(want, func(name, _ string) bool { return slices.Contains(quorum, name) })
			if !maps.Equal(got, want) {
				t.Errorf("klamm container has  %q\nApache's image has    %q", got, want)
			}
		})
	}
}

// printed gives the properties that klamm container would start a broker with.
func printed(t *testing.T, env []string, args ...string) map[string]string {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"container", "--print"}, args...)...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = env, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("klamm container --print: %v\n%s", err, stderr.Bytes())
	}
	file := filepath.Join(t.TempDir(), "printed.properties")
	writeFile(t, file, string(out))
	properties, err := config.ReadProperties(file)
	if err != nil {
		t.Fatal(err)
	}
	return properties
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestArgumentsAndStrayVariables gives arguments in the place of variables, and the variables of a container to a klamm that runs in none.
func TestArgumentsAndStrayVariables(t *testing.T) {
	dir := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "KAFKA_NUM_PARTITIONS=3", "KAFKA_BROKER_ID=9", "KAFKA_SSL_KEY_PASSWORD=secret"}
	got := printed(t, env, "KAFKA_NUM_PARTITIONS=4", "--mounted-configs-dir", dir)
	if got["num.partitions"] != "4" || got["broker.id"] != "9" || got["ssl.key.password"] != "[hidden]" {
		t.Errorf("it starts with %q; an argument goes over a variable, and a password is not shown", got)
	}
	t.Setenv("KAFKA_BROKER_ID", "9")
	b := harness.Start(t, harness.Options{Broker: "klamm"})
	if list, err := harness.Admin(t, b.Addr).ListBrokers(harness.Context(t)); err != nil || fmt.Sprint(list.NodeIDs()) == "[9]" {
		t.Errorf("a klamm without a container has the ids %v, %v: KAFKA_BROKER_ID is not for it", list.NodeIDs(), err)
	}
}

// TestABrokerOfAContainer starts a broker with the variables that Testcontainers' KafkaContainer sets, waits for each line that one of
// its classes waits for, and uses the broker.
func TestABrokerOfAContainer(t *testing.T) {
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 3)
	for _, v := range append(testcontainers(ports), fmt.Sprintf("KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:%d,BROKER://localhost:%d", ports[0], ports[1]), "KAFKA_LOG_DIRS="+t.TempDir()) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	said := &lines{}
	p := harness.RunProgram(t, said.add, binary, "container", "--mounted-configs-dir", t.TempDir())
	said.await(t, waitedFor(1)...)
	use(t, fmt.Sprintf("127.0.0.1:%d", ports[0]), 1)
	if taken := listening("127.0.0.1", ports[2]); taken {
		t.Error("the controller's port is open")
	}
	p.Stop()
}
