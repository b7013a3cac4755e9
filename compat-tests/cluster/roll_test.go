package cluster

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

var wholeRoll = flag.Bool("roll", false, "TestRoll replaces all brokers, after kills too, and brings them back: make migrate")

// roll is a way of a cluster from Apache Kafka to klamm and back.
type roll struct {
	name       string
	controller int32 // the first one
	steps      []step
}

// step is one broker's end as the software that it was, and its start as the same or the other one.
type step struct {
	id       int32
	was      string
	software string
	kill     bool
}

func (s step) String() string {
	how := "stops"
	if s.kill {
		how = "is killed"
	}
	return fmt.Sprintf("broker %d %s as %s and starts as %s", s.id, how, s.was, s.software)
}

// rolls are the ways that are tested: one broker there and back, or with -roll all of them.
func rolls() []roll {
	if harness.Reference() {
		return nil // whatever broker the other tests are run against, this is about both
	}
	if !*wholeRoll {
		return []roll{{"one broker", 3, []step{{1, "apache", "klamm", false}, {1, "klamm", "apache", false}}}}
	}
	restart := []step{{2, "apache", "apache", false}} // to compare with
	there := []step{{1, "apache", "klamm", false}, {2, "apache", "klamm", true}, {3, "apache", "klamm", false}}
	back := []step{{1, "klamm", "apache", true}, {2, "klamm", "apache", false}, {3, "klamm", "apache", true}}
	return []roll{
		{"the controller first", 1, slices.Concat(restart, there, back)},
		{"the controller last", 3, slices.Concat(restart, there, back)},
	}
}

// TestRoll takes the brokers of a cluster of Apache Kafka over by klamm and gives them back, one after the other, on the same directories,
// with the same configuration and id, while clients work, partitions move and a topic is deleted. It does what docs/migration.md says, with the
// commands that stand there. After each step all that the topics, the groups, the configurations and the tree hold is as it was, and the clients go on for
// a while. The end is judged as in the other tests of this package.
func TestRoll(t *testing.T) {
	for _, r := range rolls() {
		t.Run(r.name, func(t *testing.T) {
			c := harness.StartCluster(t, harness.ClusterOptions{Brokers: []string{"apache", "apache", "apache"}, First: r.controller, ZooKeepers: 3, LogDirs: 2,
				Properties: map[string]string{"log.cleaner.backoff.ms": "500", "transaction.state.log.replication.factor": "2",
					"replication.quota.window.size.seconds": "3600", protocolVersion: "2.8"}})
			writeOldFormats(t, c)
			l := startLoad(t, c, "events", []int32{1, 2, 3}, []int32{2, 3, 1}, []int32{3, 1, 2})
			m := &migration{load: l, ran: map[string]bool{}, ends: map[string]int64{}}
			m.fill()
			m.pays = newPayer(m, []int32{2, 3}, []int32{3, 2})
			m.invite()
			before := m.contents()
			for _, s := range r.steps {
				if left := m.staysApache(s.id); s.software == "klamm" && m.pays != nil && len(left) > 0 {
					m.moveTransactions(left)
				} else if s.software == "klamm" && m.pays != nil {
					m.endTransactions()
				}
				m.comeAgain()
				l.during(s.String(), func() { m.replace(s) })
				m.same(before)
				if m.pays == nil && s.software == "apache" {
					m.beginTransactions(s.id)
				}
				m.hold()
			}
			if m.pays != nil {
				m.endTransactions()
			}
			m.allRan()
			m.farewell()
			l.check()
			for log, end := range m.ends {
				compareReplicas(t, c, log, end)
			}
		})
	}
}

// migration follows docs/migration.md.
type migration struct {
	*load
	ran    map[string]bool   // the commands of the page that were run
	files  *strings.Replacer // gives the files of these commands a directory
	pays   *payer            // nil when nobody uses transactions any more
	guests *guests
	moved  int              // how often the topic that moves has moved
	ends   map[string]int64 // by the name of a log, of the topics that do not change and are not compacted
}

// staysApache are the brokers of Apache Kafka without one.
func (m *migration) staysApache(without int32) (ids []int32) {
	for i, b := range m.c.Brokers {
		if id := int32(i + 1); b.Apache() && id != without {
			ids = append(ids, id)
		}
	}
	return ids
}

// hold has the clients go on as things are.
func (m *migration) hold() {
	m.Helper()
	n := 200
	if *wholeRoll {
		n = 2000
	}
	var from []int
	for p := range m.partitions {
		_, acked := m.once.Counts(p)
		from = append(from, acked)
	}
	await(m.load, fmt.Sprintf("%d further acknowledgements for each partition", n), func() bool {
		for p, before := range from {
			if _, acked := m.once.Counts(int32(p)); acked < before+n {
				return false
			}
		}
		return true
	})
}

// page is where the commands stand, as lines that are indented by four blanks below these headings, or by four more in a list. HOST:9092 stands for any broker.
const page = "../../docs/migration.md"

var procedures = []string{"## The procedure", "## The way back", "## Transactions"}

// commands are those of the procedures.
func (m *migration) commands() (all []string) {
	m.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		m.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "## ") {
			inside = slices.Contains(procedures, strings.TrimSpace(line))
		}
		if words := strings.TrimLeft(line, " "); inside && len(line)-len(words) >= 4 {
			all = append(all, strings.TrimSpace(words))
		}
	}
	return all
}

// noted says that the test does what a command of the page does.
func (m *migration) noted(command string) {
	m.Helper()
	if !slices.Contains(m.commands(), command) {
		m.Fatalf("%s does not have the command %q", page, command)
	}
	m.ran[command] = true
}

// allRan fails the test if a command of the page was not run.
func (m *migration) allRan() {
	m.Helper()
	for _, command := range m.commands() {
		if !m.ran[command] {
			m.Errorf("%s has a command that was not run: %q", page, command)
		}
	}
}

// run runs a command of the page, for a broker.
func (m *migration) run(b *harness.Broker, command string) harness.Result {
	m.Helper()
	m.noted(command)
	if m.files != nil {
		command = m.files.Replace(command)
	}
	words := strings.Fields(strings.NewReplacer("HOST:9092", strings.Join(m.c.Addrs(), ","), "/etc/kafka/server.properties", b.ConfigFile()).Replace(command))
	if words[0] != "klamm" {
		tool := strings.TrimSuffix(strings.TrimPrefix(words[0], "kafka-"), ".sh")
		return harness.JavaResult(m, harness.Kafka39, tool, nil, words[1:]...)
	}
	binary, err := harness.KlammBinary()
	if err != nil {
		m.Fatal(err)
	}
	cmd := exec.CommandContext(m.Context(), binary, words[1:]...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		m.Fatal(err)
	}
	return harness.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// replace ends a broker and starts it as the step says.
func (m *migration) replace(s step) {
	m.Helper()
	b := m.c.Broker(s.id)
	if b.Apache() != (s.was == "apache") {
		m.Fatalf("broker %d is not %s before the step %q", s.id, s.was, s)
	}
	m.doom()
	if s.software == "klamm" {
		m.look(b)
	}
	m.full(b)
	m.startMoves()
	if s.software == "klamm" {
		m.look(b)
	}
	if s.kill {
		b.Kill()
	} else {
		if b.Apache() {
			m.noted("kafka-server-stop.sh")
		} else {
			m.noted("kill -TERM PID")
		}
		if err := b.Stop(); err != nil {
			m.Fatal(err)
		}
	}
	m.awaitAcks() // without it
	m.deleteDoomed()
	if s.software == "klamm" {
		m.noted("klamm --config /etc/kafka/server.properties")
	} else {
		m.noted("kafka-server-start.sh -daemon /etc/kafka/server.properties")
	}
	if err := b.RunAs(s.software); err != nil {
		m.Fatal(err)
	}
	m.finishMoves()
	m.awaitDeleted()
	m.full(b)
	if r := m.run(b, "klamm migrate verify --bootstrap-server HOST:9092"); r.Code != 0 {
		m.Errorf("klamm migrate verify: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := m.run(b, "kafka-leader-election.sh --bootstrap-server HOST:9092 --election-type preferred --all-topic-partitions"); r.Code != 0 {
		m.Errorf("electing preferred leaders: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	await(m.load, fmt.Sprintf("broker %d to lead a partition", s.id), func() bool {
		return slices.ContainsFunc([]int32{0, 1, 2}, func(p int32) bool { return m.state(m.topic, p).Leader == s.id })
	})
	m.elect() // all others: the tool does not wait for that
}

// look says what is in the way of klamm: what it has not got yet, and no more.
func (m *migration) look(b *harness.Broker) {
	m.Helper()
	r := m.run(b, "klamm migrate check --config /etc/kafka/server.properties")
	want := []string{"it is a quota, and klamm has none yet"}
	if m.pays != nil {
		want = append(want, "clients have used transactions")
	}
	missing := slices.ContainsFunc(append(want, fmt.Sprintf("klamm would do something different (%d)", len(want))), func(text string) bool { return !strings.Contains(r.Stdout, text) })
	if missing || r.Code != 1 || strings.Contains(r.Stdout, "klamm would not start") {
		m.Errorf("klamm migrate check: exit code %d, want 1 for %q\n%s", r.Code, want, r.Stdout)
	}
}

// full asks for partitions that lack replicas in sync until there are none.
func (m *migration) full(b *harness.Broker) {
	m.Helper()
	m.awaitFull()
	await(m.load, "no partition to lack replicas in sync", func() bool {
		r := m.run(b, "kafka-topics.sh --bootstrap-server HOST:9092 --describe --under-replicated-partitions")
		return r.Code == 0 && strings.TrimSpace(r.Stdout) == ""
	})
}
