package groups

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// heartbeat is the interval of the members' heartbeats.
const heartbeat = 200 * time.Millisecond

// franz is a member that runs in this process.
func franz(balancer kgo.GroupBalancer) func(*member) func() {
	return func(m *member) func() {
		noted := func(note func(...int32)) func(context.Context, *kgo.Client, map[string][]int32) {
			return func(_ context.Context, _ *kgo.Client, of map[string][]int32) { note(of[m.group.topic]...) }
		}
		cl := harness.Client(m.group.t, broker.Addr, kgo.ConsumerGroup(m.group.id), kgo.ConsumeTopics(m.group.topic), kgo.Balancers(balancer),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(heartbeat), kgo.SessionTimeout(m.session), kgo.FetchMaxWait(heartbeat),
			kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.OnPartitionsAssigned(noted(m.assign)),
			kgo.OnPartitionsRevoked(noted(m.revoke)), kgo.OnPartitionsLost(noted(m.revoke)))
		whole := harness.Context(m.group.t)
		ctx, cancel := context.WithCancel(whole)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { m.consume(r.Partition, string(r.Value)) })
				// A member commits what it consumed also when it is about to leave.
				if err := cl.CommitUncommittedOffsets(whole); err != nil {
					m.complain(fmt.Sprintf("commits: %v", err))
				}
				cl.AllowRebalance()
			}
		}()
		leave := func() {
			cancel()
			<-done
			cl.Close() // leaves
		}
		m.group.t.Cleanup(leave)
		return leave
	}
}

// complain notes something that must not happen to a member.
func (m *member) complain(what string) { m.group.complain(m.name + " " + what) }

// java makes a member with kafka-verifiable-consumer.sh. The assignor is the name of its
// class.
func java(release, assignor string) func(*member) func() {
	return func(m *member) func() {
		g := m.group
		file := properties(g.t, fmt.Sprintf("heartbeat.interval.ms=%d\nfetch.max.wait.ms=200\n", heartbeat.Milliseconds()))
		option := "--consumer.config"
		if release == harness.KafkaNewest {
			option = "--command-config"
		}
		r := harness.RunJava(g.t, m.verifiable, release, "verifiable-consumer", append(server(), "--topic", g.topic, "--group-id", g.id, "--verbose",
			"--session-timeout", ms(m.session),
			"--assignment-strategy", "org.apache.kafka.clients.consumer."+assignor, option, file)...)
		return r.Stop
	}
}

// properties writes a file of them.
func properties(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// joinsAgain is what kafka-verifiable-consumer.sh says of a commit that the group refuses while its member joins again, or because it has. A
// coordinator that takes over may not know the member, or have another generation.
var joinsAgain = regexp.MustCompile(`executing a rebalance|not part of an active group|generation is already stale|group has already rebalanced`)

// verifiable notes an event of kafka-verifiable-consumer.sh.
func (m *member) verifiable(line string) {
	var event struct {
		Name       string `json:"name"`
		Partition  int32  `json:"partition"`
		Value      string `json:"value"`
		Error      string `json:"error"`
		Partitions []struct {
			Partition int32 `json:"partition"`
		} `json:"partitions"`
		Offsets []struct {
			Partition int32 `json:"partition"`
		} `json:"offsets"`
	}
	if json.Unmarshal([]byte(line), &event) != nil {
		return // a line of the log
	}
	note := m.assign
	switch event.Name {
	case "record_data":
		m.consume(event.Partition, event.Value)
		m.commits(event.Partition, event.Value)
	case "offsets_committed":
		note = m.committed
		switch {
		case strings.Contains(event.Error, "undergoing a rebalance"), harness.Rolling() && joinsAgain.MatchString(event.Error):
			note = m.refused
		case event.Error != "":
			m.complain("commits: " + event.Error)
		}
		for _, o := range event.Offsets {
			note(o.Partition)
		}
	case "partitions_revoked":
		note = m.revoke
		fallthrough
	case "partitions_assigned":
		for _, p := range event.Partitions {
			note(p.Partition)
		}
	}
}

// kcat makes a member with kcat. The assignor is librdkafka's name for it.
func kcat(assignor string) func(*member) func() {
	return func(m *member) func() {
		g := m.group
		args := []string{"-u", "-f", "%p %s\n", "-X", "partition.assignment.strategy=" + assignor, "-X", "auto.offset.reset=earliest",
			"-X", "heartbeat.interval.ms=" + ms(heartbeat), "-X", "session.timeout.ms=" + ms(m.session), "-X", "fetch.wait.max.ms=200"}
		return runKcat(g.t, m.printed, append(args, "-G", g.id, g.topic)...).Stop
	}
}

// runKcat runs kcat. Without -E it ends when it has met each broker while that was away.
func runKcat(t *testing.T, line func(string), args ...string) *harness.Running {
	if harness.Rolling() {
		args = append([]string{"-E"}, args...)
	}
	return harness.RunKcat(t, line, broker.Addr, args...)
}

var partitionOf = regexp.MustCompile(` \[(\d+)\]`)

// gaveUp is what kcat says before it ends.
var gaveUp = regexp.MustCompile(`^% ERROR: (Consumer error|Topic .* error): `)

// moved is what kcat says when it asks a broker for the committed offsets that is not the coordinator any more, or not yet.
var moved = regexp.MustCompile(`Broker: (Not coordinator|Coordinator load in progress|Coordinator not available)`)

// giveUp notes that kcat ends, which it may where the coordinator moves.
func (m *member) giveUp(line string) {
	if !harness.Rolling() || !moved.MatchString(line) {
		m.complain("gives up: " + line)
		return
	}
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.gaveUp = true
}

// printed notes a line that kcat prints: a record, or what its log says of a rebalance.
func (m *member) printed(line string) {
	if strings.HasPrefix(line, "%") {
		if gaveUp.MatchString(line) {
			m.giveUp(line)
			return
		}
		note := m.assign
		if strings.Contains(line, "revoke") {
			note = m.revoke
		}
		if strings.Contains(line, "rebalanced") {
			for _, p := range partitionOf.FindAllStringSubmatch(line, -1) {
				note(number(p[1]))
			}
		}
		return
	}
	partition, value, ok := strings.Cut(line, " ")
	if !ok {
		m.complain(fmt.Sprintf("prints %q", line))
		return
	}
	m.consume(number(partition), value)
}

// aiokafka makes a member with aiokafka.
func aiokafka(assignor string) func(*member) func() {
	return func(m *member) func() {
		r := harness.RunPython(m.group.t, m.said, source("aiokafka_member.py"), broker.Addr, m.group.id, m.group.topic, ms(m.session), assignor)
		return r.Stop
	}
}

// kafkajs makes a member with kafkajs, which has only an assignor of its own.
func kafkajs(m *member) func() {
	return harness.RunNode(m.group.t, m.said, source("kafkajs_member.js"), broker.Addr, m.group.id, m.group.topic, ms(m.session)).Stop
}

// sarama makes a member with sarama.
func sarama(assignor string) func(*member) func() {
	return func(m *member) func() {
		name, err := saramaBinary()
		if err != nil {
			m.group.t.Fatal(err)
		}
		return harness.RunProgram(m.group.t, m.said, name, broker.Addr, m.group.id, m.group.topic, ms(m.session), assignor).Stop
	}
}

// said notes a line of the programs for aiokafka, kafkajs and sarama; sarama/main.go
// explains the lines.
func (m *member) said(line string) {
	words := strings.SplitN(line, " ", 3)
	switch {
	case words[0] == "record" && len(words) == 3:
		m.consume(number(words[1]), words[2])
	case words[0] == "has":
		m.have(strings.Fields(line)[1:])
	case words[0] == "error", words[0] == "away" && !harness.Rolling():
		m.complain("says " + line)
	}
}

// have notes that a client has these partitions and no others.
func (m *member) have(partitions []string) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.changes++
	clear(m.assigned)
	for _, p := range partitions {
		m.assigned[number(p)] = true
	}
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func number(s string) int32 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return -1
	}
	return int32(n)
}
