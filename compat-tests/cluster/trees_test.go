package cluster

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/go-zookeeper/zk"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// A tree is settled when it has not changed for so long. settledWithin is for a tree that is not as expected: it may still become so.
const (
	settledAfter  = 2 * time.Second
	settledWithin = 8 * time.Second
)

// TestTrees runs commands of administration and compares what each of them changes in the tree with what Apache Kafka
// 3.9.2 made of it. testdata/trees has commands and changes; see script.
func TestTrees(t *testing.T) {
	s := &script{c: harness.StartCluster(t, harness.ClusterOptions{Brokers: harness.Kinds(3),
		Properties: map[string]string{"zookeeper.session.timeout.ms": "15000"}}), before: map[string]string{}} // only the session of a killed broker is to run out
	datadriven.RunTest(t, filepath.Join("testdata", "trees"), s.step)
}

// script is a cluster and its tree before the next command. A command is a line, and what it needs below:
//
//	tree                        nothing
//	topics, configs ... ARGS    a tool of Kafka's; FILE stands for a file with the lines below
//	znode create|set PATH       a client of ZooKeeper writes the lines below to a node, as tools of old do
//	producer-id BROKER          a producer asks a broker for an id
//	stop, kill, start BROKER    SIGTERM, or SIGKILL and the end of the session; start waits until all know it
//
// The answer is the lines of the tree that went (-) and came (+). With apache in the place of run, the step is left
// out for klamm, which does not have what it is about.
type script struct {
	c      *harness.Cluster
	before map[string]string // by path: its line
}

func (s *script) step(t *testing.T, td *datadriven.TestData) string {
	t.Helper()
	if td.Cmd == "apache" && !harness.Reference() {
		return td.Expected
	}
	words := strings.Fields(td.Input)
	if len(words) == 0 {
		t.Fatalf("%s: no command", td.Pos)
	}
	first, rest, _ := strings.Cut(td.Input, "\n")
	s.do(t, strings.Fields(first), rest)
	got, settled := s.changes(t, td)
	if got != td.Expected && !rewriting() {
		// The next step is compared with the tree as it is, so the test goes on.
		t.Errorf("%s: %s\nchanges the tree so:\n%swhere Apache Kafka 3.9.2 changes it so:\n%s", td.Pos, td.Input, got, td.Expected)
		got = td.Expected
	}
	s.before = settled
	return got
}

// changes waits until the tree has changed as expected, or settled otherwise, and gives the changes and the tree.
func (s *script) changes(t *testing.T, td *datadriven.TestData) (string, map[string]string) {
	t.Helper()
	wait := settledWithin
	if rewriting() {
		wait = settledAfter
	}
	last, since := "", time.Now()
	for {
		now := byPath(s.c.Tree(t, harness.TreeOptions{}))
		got := diff(s.before, now)
		if got == td.Expected && !rewriting() {
			return got, now
		}
		if got != last {
			last, since = got, time.Now()
		}
		if time.Since(since) > wait {
			return got, now
		}
		time.Sleep(20 * time.Millisecond) // ZooKeeper tells nobody of changes anywhere in a tree
	}
}

// rewriting says whether the expected answers are to be written anew.
func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// do runs one command.
func (s *script) do(t *testing.T, words []string, body string) {
	t.Helper()
	switch words[0] {
	case "tree":
	case "znode":
		s.znode(t, words[1], words[2], strings.TrimSuffix(body, "\n"))
	case "producer-id":
		s.producerID(t, s.broker(t, words[1]))
	case "stop":
		if err := s.broker(t, words[1]).Stop(); err != nil {
			t.Fatal(err)
		}
	case "kill":
		b := s.broker(t, words[1])
		b.Kill()
		if err := b.AwaitSessionEnd(); err != nil {
			t.Fatal(err)
		}
	case "start":
		if err := s.broker(t, words[1]).Run(); err != nil {
			t.Fatal(err)
		}
	default:
		if i := slices.Index(words, "FILE"); i > 0 {
			words[i] = filepath.Join(t.TempDir(), "input")
			if err := os.WriteFile(words[i], []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		harness.Java(t, harness.Kafka39, words[0], nil, append([]string{"--bootstrap-server", strings.Join(s.c.Addrs(), ",")}, words[1:]...)...)
	}
}

func (s *script) broker(t *testing.T, id string) *harness.Broker {
	t.Helper()
	n, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	return s.c.Broker(int32(n))
}

func (s *script) znode(t *testing.T, how, path, body string) {
	t.Helper()
	var err error
	switch how {
	case "create":
		_, err = s.c.Zk(t).Create(path, []byte(body), 0, zk.WorldACL(zk.PermAll))
	case "set":
		_, err = s.c.Zk(t).Set(path, []byte(body), -1)
	default:
		err = fmt.Errorf("no command znode %s", how)
	}
	if err != nil {
		t.Fatal(path, err)
	}
}

// producerID asks until the broker has got a block of ids.
func (s *script) producerID(t *testing.T, b *harness.Broker) {
	t.Helper()
	ctx := harness.Context(t)
	cl := harness.Client(t, b.Addr)
	req := kmsg.NewPtrInitProducerIDRequest()
	for {
		resp, err := req.RequestWith(ctx, cl.Broker(int(s.id(b))))
		if err != nil {
			t.Fatal(err)
		}
		if resp.ErrorCode == 0 {
			return
		}
	}
}

func (s *script) id(b *harness.Broker) int32 { return int32(slices.Index(s.c.Brokers, b)) + 1 }

// byPath takes a tree apart.
func byPath(tree string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(tree) {
		path, _, _ := strings.Cut(line, " ")
		lines[strings.TrimSpace(path)] = line
	}
	return lines
}

// diff gives the lines that went and came, by path.
func diff(before, now map[string]string) string {
	paths := map[string]bool{}
	for path := range before {
		paths[path] = true
	}
	for path := range now {
		paths[path] = true
	}
	var out strings.Builder
	for _, path := range harness.SortedPaths(paths) {
		if before[path] == now[path] {
			continue
		}
		if line := before[path]; line != "" {
			out.WriteString("- " + line)
		}
		if line := now[path]; line != "" {
			out.WriteString("+ " + line)
		}
	}
	return out.String()
}
