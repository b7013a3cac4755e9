package packages

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// clusterID is the one that Testcontainers gives.
const clusterID = "4L6g3nShT-eMCtK--X86sw"

// testcontainers are the variables that Testcontainers' KafkaContainer for apache/kafka sets (org.testcontainers.kafka.KafkaHelper), with other
// ports: PLAINTEXT, BROKER and CONTROLLER.
func testcontainers(ports []int) []string {
	return []string{
		"CLUSTER_ID=" + clusterID,
		fmt.Sprintf("KAFKA_LISTENERS=PLAINTEXT://:%d,BROKER://:%d,CONTROLLER://:%d", ports[0], ports[1], ports[2]),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_INTER_BROKER_LISTENER_NAME=BROKER",
		"KAFKA_PROCESS_ROLES=broker,controller",
		"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_NODE_ID=1",
		fmt.Sprintf("KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:%d", ports[2]),
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=1",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1",
		"KAFKA_LOG_FLUSH_INTERVAL_MESSAGES=9223372036854775807",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0",
	}
}

// waitedFor are the patterns of lines that programs wait for which start Kafka's images: Testcontainers for Java, Go and .NET, its older
// classes, and Testcontainers for Python with KRaft.
func waitedFor(brokerID int) []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`.*Transitioning from RECOVERY to RUNNING.*`),
		regexp.MustCompile(fmt.Sprintf(`.*\[KafkaServer id=%d\] started.*`, brokerID)),
		regexp.MustCompile(`.*Kafka Server started.*`),
	}
}

// lines are what a program has said. Its methods may be called from any goroutine.
type lines struct {
	mu   sync.Mutex
	said []string // guarded by mu
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, line)
}

// await waits until a line matches each pattern.
func (l *lines) await(t *testing.T, patterns ...*regexp.Regexp) {
	t.Helper()
	for _, p := range patterns {
		harness.Await(t, "the line "+p.String(), func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return slices.ContainsFunc(l.said, p.MatchString)
		})
	}
}

// first gives the first line that matches, "" where none does.
func (l *lines) first(p *regexp.Regexp) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.said, p.MatchString); i >= 0 {
		return l.said[i]
	}
	return ""
}

// text is all that was said.
func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.said, "\n")
}

// freePorts gives ports that nobody listens on.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		p, err := harness.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, p)
	}
	return ports
}

// listening says whether somebody listens on a port.
func listening(host string, port int) bool {
	c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// use checks a broker's id and its cluster's, and then does as produceAndConsume.
func use(t *testing.T, addr string, brokerID int32) (topic string) {
	t.Helper()
	meta, err := harness.Admin(t, addr).Metadata(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if meta.Cluster != clusterID || len(meta.Brokers) != 1 || meta.Brokers[0].NodeID != brokerID {
		t.Errorf("broker %v of cluster %s, want %d of %s", meta.Brokers.NodeIDs(), meta.Cluster, brokerID, clusterID)
	}
	return produceAndConsume(t, addr)
}

// produceAndConsume sends a record to a new topic, whose name it gives, and reads it as a member of a group.
func produceAndConsume(t *testing.T, addr string) (topic string) {
	t.Helper()
	topic = harness.Topic(t, addr, 1)
	ctx := harness.Context(t)
	if err := harness.Client(t, addr).ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("hello")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	consumer := harness.Client(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := consumer.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil || fetches.NumRecords() != 1 || string(fetches.Records()[0].Value) != "hello" {
		t.Fatalf("%d records, %v; want the one that was sent", fetches.NumRecords(), err)
	}
	return topic
}
