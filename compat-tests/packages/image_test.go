package packages

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// TestWhatTheImageSays compares the configuration with that of the image apache/kafka, which its users rely on, and looks for what has to
// be in an image that has programs of others.
func TestWhatTheImageSays(t *testing.T) {
	j, c := container(t)
	if c.User != "appuser" || !slices.Equal(c.Cmd, []string{"/etc/kafka/docker/run"}) || c.StopSignal != "SIGTERM" || c.Labels["org.opencontainers.image.version"] == "" {
		t.Errorf("the image is run as %+v", c)
	}
	if got := slices.Sorted(maps.Keys(c.Volumes)); !slices.Equal(got, []string{"/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"}) || len(c.ExposedPorts) != 1 {
		t.Errorf("volumes %q, ports %v", got, c.ExposedPorts)
	}
	if u := j.account("appuser"); u != (user{1000, 1000}) {
		t.Errorf("appuser is %v, want 1000 as in apache/kafka", u)
	}
	for _, path := range []string{"/var/lib/kafka/data", "/etc/kafka/secrets", "/mnt/shared/config", "/bitnami/kafka"} {
		if owner, mode := j.stat(path); owner != (user{1000, 0}) || mode != os.ModeDir|0o775 {
			t.Errorf("%s is %v of %v, want it to belong to appuser and the group root", path, mode, owner)
		}
	}
	for path, words := range map[string]string{"/usr/share/doc/klamm/copyright": "Apache License", "/usr/share/doc/busybox-static/copyright": "GPL-2",
		"/usr/share/doc/bash-static/copyright": "GPL-3", "/usr/share/doc/debian-packages.txt": "source packages bash "} {
		if text, err := os.ReadFile(j.path(path)); err != nil || !strings.Contains(string(text), words) {
			t.Errorf("%s does not name %q: %v", path, words, err)
		}
	}
	// Each link leads to a program that busybox has.
	for _, dir := range []string{"/bin", "/usr/bin"} {
		list, err := os.ReadDir(j.path(dir))
		if err != nil {
			t.Fatal(err)
		}
		has := strings.Fields(j.run("busybox --list"))
		for _, e := range list {
			if to, _ := os.Readlink(j.path(dir + "/" + e.Name())); strings.HasSuffix(to, "busybox") && !slices.Contains(has, e.Name()) {
				t.Errorf("%s/%s is no program of busybox", dir, e.Name())
			}
		}
	}
}

// start starts a container with variables, and with the image's command if there is no other.
func (j *jail) start(t *testing.T, c imageConfig, env []string, argv ...string) (*harness.Running, *lines) {
	t.Helper()
	if len(argv) == 0 {
		argv = c.Cmd
	}
	cmd := j.command(user{1000, 1000}, slices.Concat(c.Env, []string{"HOME=" + c.WorkingDir}, env), argv[0], argv[1:]...)
	cmd.Dir = c.WorkingDir
	said := &lines{}
	return harness.RunCommand(t, said.add, cmd), said
}

// put makes a file of the container, as `docker cp` does: it is there at once, and whole.
func (j *jail) put(path, text string) {
	j.t.Helper()
	part := j.path(path + ".part")
	writeFile(j.t, part, text)
	if err := os.Chmod(part, 0o777); err != nil {
		j.t.Fatal(err)
	}
	if err := os.Rename(part, j.path(path)); err != nil {
		j.t.Fatal(err)
	}
}

// TestTestcontainers starts containers as the classes of Testcontainers do: with their variables, a command that waits for a script, and the
// script. Ports are those of the containers, since the tests have a network of their own.
func TestTestcontainers(t *testing.T) {
	const wait = "while [ ! -f %[1]s ]; do sleep 0.1; done; %[2]s%[1]s"
	confluent := []string{"CLUSTER_ID=" + clusterID, "KAFKA_LISTENERS=PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092,CONTROLLER://0.0.0.0:9094",
		"KAFKA_REST_BOOTSTRAP_SERVERS=PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092,CONTROLLER://0.0.0.0:9094", "KAFKA_BROKER_ID=1", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_INTER_BROKER_LISTENER_NAME=BROKER", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1", "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=1",
		"KAFKA_LOG_FLUSH_INTERVAL_MESSAGES=10000000", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_NODE_ID=1", "KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9094"}
	for name, c := range map[string]struct {
		env        []string
		at, script string
		shell      string
		port       int
	}{
		"Java, org.testcontainers.kafka.KafkaContainer": {testcontainers([]int{9092, 9093, 9094}), "/tmp/testcontainers_start.sh",
			"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092,BROKER://container:9093\n/etc/kafka/docker/run \n", "", 9092},
		"Java, org.testcontainers.kafka.ConfluentKafkaContainer": {testcontainers([]int{9092, 9093, 9094}), "/tmp/testcontainers_start.sh",
			"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092,BROKER://container:9093\n/etc/confluent/docker/run \n", "", 9092},
		"Go, modules/kafka": {confluent, "/usr/sbin/testcontainers_start.sh", `#!/bin/bash
source /etc/confluent/docker/bash-config
export KAFKA_ADVERTISED_LISTENERS="PLAINTEXT://localhost:9093,BROKER://container:9092${EXTRA_ADVERTISED_LISTENERS:+,${EXTRA_ADVERTISED_LISTENERS}}"
echo Starting Kafka KRaft mode
sed -i '/KAFKA_ZOOKEEPER_CONNECT/d' /etc/confluent/docker/configure
echo 'kafka-storage format --ignore-formatted -t "$(kafka-storage random-uuid)" -c /etc/kafka/kafka.properties' >> /etc/confluent/docker/configure
echo '' > /etc/confluent/docker/ensure
/etc/confluent/docker/configure
/etc/confluent/docker/launch`, "bash ", 9093},
		"Python, KafkaContainer.with_kraft": {confluent, "/tc-start.sh", `#!/bin/bash
sed -i '/KAFKA_ZOOKEEPER_CONNECT/d' /etc/confluent/docker/configure
echo 'kafka-storage format --ignore-formatted -t 4L6g3nShT-eMCtK--X86sw -c /etc/kafka/kafka.properties' >> /etc/confluent/docker/configure
export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9093,BROKER://$(hostname -i):9092
. /etc/confluent/docker/bash-config
/etc/confluent/docker/configure
/etc/confluent/docker/launch`, "sh ", 9093},
	} {
		t.Run(name, func(t *testing.T) {
			j, image := container(t)
			p, said := j.start(t, image, c.env, "/bin/sh", "-c", fmt.Sprintf(wait, c.at, c.shell))
			j.put(c.at, c.script)
			said.await(t, waitedFor(1)...)
			use(t, fmt.Sprintf("127.0.0.1:%d", c.port), 1)
			if strings.Contains(said.text(), "hostname:") {
				t.Errorf("the container does not find its own address:\n%s", said.text())
			}
			if listening("127.0.0.2", 9094) { // klamm's metrics are at 127.0.0.1:9094
				t.Error("the controller's port is open")
			}
			p.Kill()
		})
	}
}

// TestAContainerStopsAndStartsAgain runs the image's own command and that of bitnami's image, each twice on one volume.
func TestAContainerStopsAndStartsAgain(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		argv []string
		data string
	}{
		"apache/kafka": {[]string{"CLUSTER_ID=" + clusterID, "KAFKA_NODE_ID=7", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092"}, nil, "/var/lib/kafka/data"},
		"bitnami/kafka": {[]string{"KAFKA_KRAFT_CLUSTER_ID=" + clusterID, "KAFKA_CFG_NODE_ID=7", "KAFKA_CFG_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_CFG_PROCESS_ROLES=controller,broker", "KAFKA_CFG_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093",
			"KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "KAFKA_CFG_CONTROLLER_QUORUM_VOTERS=7@kafka:9093", "KAFKA_CFG_CONTROLLER_LISTENER_NAMES=CONTROLLER"},
			[]string{"/opt/bitnami/scripts/kafka/entrypoint.sh", "/opt/bitnami/scripts/kafka/run.sh"}, "/bitnami/kafka/data"},
	} {
		t.Run(name, func(t *testing.T) {
			j, image := container(t)
			p, said := j.start(t, image, c.env, c.argv...)
			said.await(t, waitedFor(7)...)
			topic := use(t, "127.0.0.1:9092", 7)
			for _, script := range []string{"/opt/kafka/bin/kafka-topics.sh", "/opt/bitnami/kafka/bin/kafka-topics.sh", "kafka-topics"} {
				if said := j.run(script + " --bootstrap-server localhost:9092 --list"); !strings.Contains(said, topic) {
					t.Errorf("%s --list says %q", script, said)
				}
			}
			p.Stop()
			if !strings.Contains(said.text(), "stopped cleanly") || !j.exists(c.data+"/"+topic+"-0") {
				t.Errorf("it did not stop cleanly with its data in %s:\n%s", c.data, said.text())
			}
			p, said = j.start(t, image, c.env, c.argv...)
			said.await(t, waitedFor(7)...)
			if end := harness.EndOffset(t, "127.0.0.1:9092", topic, 0); end != 1 {
				t.Errorf("after the restart the topic ends at %d, want 1", end)
			}
			p.Stop()
		})
	}
}

// TestTheLayoutIsTheDockerFile reads the file for docker load, which has the same layers.
func TestTheLayoutIsTheDockerFile(t *testing.T) {
	_, layers := imageOf(t)
	files, err := filepath.Glob(filepath.Join(harness.Root(), "build", "image", "klamm-*.tar"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	out, err := exec.Command("tar", "-t", "-f", files[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		if _, digest, _ := strings.Cut(l.Digest, ":"); !strings.Contains(string(out), digest) {
			t.Errorf("%s has no layer %s:\n%s", files[0], digest, out)
		}
	}
}
