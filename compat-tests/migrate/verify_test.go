package migrate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// difference is one difference of the command.
type difference struct {
	Topic       string
	Partition   int32
	Brokers     [2]int32
	FirstOffset int64 `json:"first_offset"`
	LastOffset  int64 `json:"last_offset"`
	Count       int64
	First       string
}

// verified is what the command said.
type verified struct {
	code        int
	Compared    int
	Partitions  int
	Batches     int64
	Records     int64
	Compacted   []string `json:"compacted_topics"`
	Differences []difference
	NotCompared []struct {
		Topic  string
		Broker int32
		Text   string
	} `json:"not_compared"`
	Interrupted bool
	text        string
}

// verify runs the command on a cluster.
func verify(t *testing.T, c *harness.Cluster, args ...string) verified {
	t.Helper()
	return verifyAnd(t, c, nil, args...)
}

// verifyAnd runs the command on a cluster, and does something when it has told of its progress for the first time.
func verifyAnd(t *testing.T, c *harness.Cluster, do func(*os.Process), args ...string) verified {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(harness.Context(t), binary, append([]string{"migrate", "verify", "--bootstrap-server", strings.Join(c.Addrs(), ","), "--json"}, args...)...)
	cmd.Dir = t.TempDir()
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if do != nil && strings.Contains(lines.Text(), " partitions, ") {
			do(cmd.Process)
			do = nil
		}
		fmt.Fprintln(&told, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		if exit := new(exec.ExitError); !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	v := verified{code: cmd.ProcessState.ExitCode(), text: stdout.String() + told.String()}
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, v.text)
	}
	return v
}

// onAll are the replicas of three partitions: on each of three brokers, each with another leader.
var onAll = [][]int32{{1, 2, 3}, {2, 3, 1}, {3, 1, 2}}

// createReplicated makes a topic whose partitions have these replicas, and waits until they are in sync.
func createReplicated(t *testing.T, c *harness.Cluster, topic string, assignment [][]int32, configs ...string) {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, -1, -1
	for p, replicas := range assignment {
		rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(p), Replicas: replicas})
	}
	for i := 0; i+1 < len(configs); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = []kmsg.CreateTopicsRequestTopic{rt}, 30_000
	resp, err := req.RequestWith(harness.Context(t), harness.Client(t, c.Addrs()[0]))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range c.Addrs() {
		harness.AwaitTopic(t, addr, topic, len(assignment))
	}
	awaitInSync(t, c, topic)
}

// awaitInSync waits until all replicas of each partition are in sync, as each broker knows.
func awaitInSync(t *testing.T, c *harness.Cluster, topic string) {
	t.Helper()
	for _, addr := range c.Addrs() {
		admin := harness.Admin(t, addr)
		harness.Await(t, "the replicas to be in sync", func() bool {
			topics, err := admin.ListTopics(harness.Context(t), topic)
			if err != nil {
				return false
			}
			for _, p := range topics[topic].Partitions {
				if len(p.ISR) != len(p.Replicas) {
					return false
				}
			}
			return len(topics[topic].Partitions) > 0
		})
	}
}

// write sends a batch of one record to each partition.
func write(t *testing.T, cl *kgo.Client, topic string, n int) {
	t.Helper()
	for p := range int32(3) {
		r := &kgo.Record{Topic: topic, Partition: p, Key: fmt.Append(nil, "key ", n%5), Value: fmt.Append(nil, "a value with the number ", n)}
		if err := cl.ProduceSync(harness.Context(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// alter changes the last but one byte of the batch at an offset in a stopped broker's log, a byte of the record's value. With a right CRC the batch looks good.
func alter(t *testing.T, c *harness.Cluster, id int32, partition string, offset int64, rightCRC bool) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(c.Dirs(id)[0], partition, "*.log"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	log, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for b := log; len(b) > 0; {
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if int64(binary.BigEndian.Uint64(b)) == offset {
			b[size-2] ^= 1
			if rightCRC {
				binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)))
			}
			if err := os.WriteFile(names[0], log, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		b = b[size:]
	}
	t.Fatalf("%s has no batch at offset %d", names[0], offset)
}

// TestVerify runs the command on a cluster of Apache Kafka and klamm: while producers write it finds nothing, and then what is planted in followers of both
// kinds.
func TestVerify(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: []string{"apache", "klamm", "klamm"}})
	createReplicated(t, c, "orders", onAll)
	createReplicated(t, c, "keys", onAll, "cleanup.policy", "compact")
	cl := harness.Client(t, c.Addrs()[0], kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for n := range 20 {
		write(t, cl, "orders", n)
		write(t, cl, "keys", n)
	}

	writing, stop := context.WithCancel(t.Context())
	written, began := make(chan error, 1), make(chan struct{})
	busy, whole := harness.Client(t, c.Addrs()[0], kgo.RecordPartitioner(kgo.ManualPartitioner())), harness.Context(t)
	go func() {
		for n := 0; writing.Err() == nil; n++ {
			for p := range int32(3) {
				if err := busy.ProduceSync(whole, &kgo.Record{Topic: "orders", Partition: p, Value: fmt.Append(nil, n)}).FirstErr(); err != nil {
					written <- err
					return
				}
			}
			if n == 10 {
				close(began)
			}
		}
		written <- nil
	}()
	select {
	case <-began:
	case err := <-written:
		t.Fatal(err)
	}
	v := verify(t, c)
	stop()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if v.code != 0 || v.Compared != 6 || v.Batches < 60 || fmt.Sprint(v.Compacted) != "[keys]" {
		t.Fatalf("while producers write: exit code %d\n%s", v.code, v.text)
	}

	plantIn := func(id int32, partition string, rightCRC bool) {
		b := c.Broker(id)
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		alter(t, c, id, partition, 7, rightCRC)
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
		awaitInSync(t, c, "orders")
	}
	plantIn(3, "orders-0", false)
	plantIn(1, "orders-1", true)
	v = verify(t, c, "--topic", "orders")
	if v.code != 1 || len(v.Differences) != 2 {
		t.Fatalf("with planted faults: exit code %d\n%s", v.code, v.text)
	}
	for p, of := range []struct {
		broker int32
		words  string
	}{{3, "CORRUPT_MESSAGE"}, {1, "the CRC is"}} {
		d := v.Differences[p]
		if d.Topic != "orders" || d.Partition != int32(p) || d.Brokers[1] != of.broker || d.FirstOffset != 7 || d.LastOffset != 7 || d.Count != 1 ||
			!strings.Contains(d.First, of.words) {
			t.Errorf("broker %d: %+v", of.broker, d)
		}
	}
	if v := verify(t, c, "--topic", "orders", "--brokers", "2,3"); v.code != 1 || len(v.Differences) != 1 || v.Differences[0].Partition != 0 {
		t.Errorf("brokers 2 and 3 alone: exit code %d\n%s", v.code, v.text)
	}
	if v := verify(t, c, "--topic", "keys", "--throttle", "1000000"); v.code != 0 || v.Compared != 3 {
		t.Errorf("topic keys: exit code %d\n%s", v.code, v.text)
	}

	interrupt := func(p *os.Process) {
		if err := p.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
	}
	if v := verifyAnd(t, c, interrupt, "--topic", "keys", "--throttle", "1000"); v.code != 2 || !v.Interrupted || v.Partitions != 3 || v.NotCompared == nil {
		t.Errorf("interrupted: exit code %d\n%s", v.code, v.text)
	}
	admin := harness.Admin(t, c.Addrs()[0])
	remove := func(*os.Process) {
		if _, err := admin.DeleteTopic(harness.Context(t), "keys"); err != nil {
			t.Error(err)
		}
	}
	if v := verifyAnd(t, c, remove, "--topic", "keys", "--throttle", "1000"); v.code != 2 || !v.says(-1, "the topic was deleted meanwhile") {
		t.Errorf("deleted meanwhile: exit code %d\n%s", v.code, v.text)
	}

	// A replica moves so slowly that it does not arrive.
	createReplicated(t, c, "moving", [][]int32{{1, 2}}, "follower.replication.throttled.replicas", "*")
	large := harness.Client(t, c.Addrs()[0], kgo.ProducerBatchCompression(kgo.NoCompression())) // a fetch gets one of the records: a replica that has all is not throttled
	for range 4 {
		if err := large.ProduceSync(harness.Context(t), &kgo.Record{Topic: "moving", Value: make([]byte, 900_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	harness.SetBrokerConfigs(t, admin, map[string]string{"follower.replication.throttled.rate": "1"}, 3)
	var to kadm.AlterPartitionAssignmentsReq
	to.Assign("moving", 0, []int32{1, 2, 3})
	if moves, err := admin.AlterPartitionAssignments(harness.Context(t), to); err != nil || moves.Error() != nil {
		t.Fatal(err, moves.Error())
	}
	if v := verify(t, c, "--topic", "moving"); v.code != 2 || !v.says(-1, "its replicas are being moved") {
		t.Errorf("a replica moves: exit code %d\n%s", v.code, v.text)
	}
	if err := c.Broker(3).Stop(); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, c, "--topic", "orders"); v.code != 1 || !v.says(3, "broker") || len(v.Differences) != 1 {
		t.Errorf("a broker is stopped: exit code %d\n%s", v.code, v.text)
	}
}

// says reports whether the command said of a replica on a broker that it was not compared, and why.
func (v verified) says(broker int32, why string) bool {
	for _, n := range v.NotCompared {
		if n.Broker == broker && strings.Contains(n.Text, why) {
			return true
		}
	}
	return false
}
