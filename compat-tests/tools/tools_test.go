package tools

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// expectation is a run of a tool and what it has to print, on stdout or stderr, with either broker.
type expectation struct {
	tool string
	args []string
	code int
	says []string // patterns of whole lines; nothing else is printed
	// refused is for a change that would not take effect in klamm: the pattern of the line that klamm's refusal
	// shows in. The tool ends with exit code 1 then.
	refused string
}

// eachRelease runs the tools of both releases beside each other, for a topic of their own with two partitions.
func eachRelease(t *testing.T, of func(topic string) []expectation) {
	for _, release := range []string{harness.Kafka39, harness.KafkaNewest} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			for _, e := range of(harness.Topic(t, broker.Addr, 2)) {
				e.check(t, release)
			}
		})
	}
}

func (e *expectation) check(t *testing.T, release string) {
	t.Helper()
	r := harness.JavaResult(t, release, e.tool, nil, append([]string{"--bootstrap-server", broker.Addr}, e.args...)...)
	code, says := e.code, e.says
	if e.refused != "" && !harness.Reference() {
		code, says = 1, []string{e.refused}
	}
	what := fmt.Sprintf("kafka-%s.sh of %s %s", e.tool, release, strings.Join(e.args, " "))
	if r.Code != code {
		t.Errorf("%s: exit code %d, not %d", what, r.Code, code)
	}
	printed := linesOf(r.Stdout + "\n" + r.Stderr)
	for _, pattern := range says {
		if !regexp.MustCompile("(?m)^(?:" + pattern + ")$").MatchString(strings.Join(printed, "\n")) {
			t.Errorf("%s: no line is like %q in\n%s", what, pattern, strings.Join(printed, "\n"))
		}
	}
	for _, line := range printed {
		if !regexp.MustCompile("^(?:" + strings.Join(says, "|") + ")$").MatchString(line) {
			t.Errorf("%s: says also %q", what, line)
		}
	}
}

// notTold are lines that tell of the Java program and not of the broker: traces of its stack, and the want of a
// logger in 4.4.0.
var notTold = regexp.MustCompile(`^\s+(at |Suppressed: |\.\.\. )|^Caused by: |^SLF4J: `)

// away are lines of the Java client about a broker that it cannot reach while that restarts.
var away = regexp.MustCompile(`^\[.*\] WARN \[.*\(org\.apache\.kafka\.clients\.NetworkClient\)$`)

// linesOf are the lines that a tool has printed, without those.
func linesOf(output string) (lines []string) {
	for _, line := range strings.Split(output, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line != "" && !notTold.MatchString(line) && !(harness.Rolling() && away.MatchString(line)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// file writes a file that a tool reads.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestACLs(t *testing.T) {
	disabled := []string{
		`Error while executing ACL command: org\.apache\.kafka\.common\.errors\.SecurityDisabledException: .+`,
		`java\.util\.concurrent\.ExecutionException: org\.apache\.kafka\.common\.errors\.SecurityDisabledException: .+`,
	}
	eachRelease(t, func(topic string) []expectation {
		return []expectation{
			{tool: "acls", args: []string{"--list"}, code: 1, says: disabled},
			{tool: "acls", args: []string{"--remove", "--force", "--topic", topic}, code: 1, says: disabled},
		}
	})
}

func TestElections(t *testing.T) {
	eachRelease(t, func(topic string) []expectation {
		return []expectation{
			{tool: "leader-election", args: []string{"--election-type", "preferred", "--topic", topic, "--partition", "1"},
				says: []string{"Valid replica already elected for partitions " + topic + "-1"}},
			{tool: "leader-election", args: []string{"--election-type", "unclean", "--all-topic-partitions"}},
			{tool: "leader-election", args: []string{"--election-type", "preferred", "--topic", topic, "--partition", "2"}, code: 1, says: []string{
				`Error completing leader election \(PREFERRED\) for partition: ` + topic + `-2: org\.apache\.kafka\.common\.errors\.UnknownTopicOrPartitionException: The partition does not exist\.`,
				`(org\.apache\.kafka\..*AdminCommandFailedException: )?1 replica\(s\) could not be elected`,
			}},
		}
	})
}

func TestReassignments(t *testing.T) {
	eachRelease(t, func(topic string) []expectation {
		known, err := harness.Admin(t, broker.Addr).Metadata(harness.Context(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		// The assignment as it is, each partition's replicas in JSON and as a pattern, and each broker's directory.
		var replicas, pattern [2]string
		for p := range replicas {
			replicas[p] = strings.ReplaceAll(fmt.Sprint(known.Topics[topic].Partitions[int32(p)].Replicas), " ", ",")
			pattern[p] = regexp.QuoteMeta(replicas[p]) + `,"log_dirs":\["[^"]*"(,"[^"]*")*\]`
		}
		here := file(t, fmt.Sprintf(`{"version":1,"partitions":[{"topic":%q,"partition":0,"replicas":%s},{"topic":%q,"partition":1,"replicas":%s}]}`,
			topic, replicas[0], topic, replicas[1]))
		throttles := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(broker.IDs())), ","), "[]")
		return []expectation{
			{tool: "reassign-partitions", args: []string{"--list"}, says: []string{`No partition reassignments found\.`}},
			{tool: "reassign-partitions", args: []string{"--execute", "--reassignment-json-file", here}, says: []string{
				"Current partition replica assignment",
				`\{"version":1,"partitions":\[\{"topic":"` + topic + `","partition":0,"replicas":` + pattern[0] + `\},\{"topic":"` + topic + `","partition":1,"replicas":` + pattern[1] + `\}\]\}`,
				"Save this to use as the --reassignment-json-file option during rollback",
				"Successfully started partition reassignments for " + topic + "-0," + topic + "-1",
			}},
			{tool: "reassign-partitions", args: []string{"--verify", "--reassignment-json-file", here}, says: []string{
				"Status of partition reassignment:", "Reassignment of partition " + topic + `-[01] is completed\.`,
				"Clearing broker-level throttles on brokers? " + throttles, "Clearing topic-level throttles on topic " + topic,
			}},
			{tool: "reassign-partitions", args: []string{"--cancel", "--reassignment-json-file", here}, says: []string{
				`None of the specified partition reassignments are active\.`, `None of the specified partition moves are active\.(Clearing broker-level throttles on brokers? ` + throttles + `)?|Clearing broker-level throttles on brokers? ` + throttles,
				"Clearing topic-level throttles on topic " + topic,
			}},
		}
	})
}

func TestTransactions(t *testing.T) {
	eachRelease(t, func(topic string) []expectation {
		return []expectation{
			{tool: "transactions", args: []string{"list"}, says: []string{`TransactionalId\s+Coordinator\s+ProducerId\s+TransactionState`}},
		}
	})
}

func TestHangingTransactions(t *testing.T) {
	eachRelease(t, func(topic string) []expectation {
		return []expectation{
			{tool: "transactions", args: []string{"find-hanging", "--broker-id", fmt.Sprint(broker.IDs()[0])}, says: []string{`Topic\s+Partition\s+ProducerId\s+ProducerEpoch\s+CoordinatorEpoch\s+StartOffset\s+LastTimestamp\s+Duration\(min\)`}},
		}
	})
}

func TestQuotas(t *testing.T) {
	eachRelease(t, func(topic string) []expectation {
		client := []string{"--entity-type", "clients", "--entity-name", topic}
		return []expectation{
			{tool: "configs", args: append([]string{"--describe"}, client...)},
			{tool: "configs", args: append([]string{"--alter", "--add-config", "producer_byte_rate=1000"}, client...),
				says:    []string{`Completed updating config for client .*\.`},
				refused: `Error while executing config command with args .*|java\.util\.concurrent\.ExecutionException: org\.apache\.kafka\.common\.errors\.InvalidRequestException: klamm enforces no quotas: producer_byte_rate would not take effect\.`},
		}
	})
}

func TestSCRAM(t *testing.T) {
	eachRelease(t, func(topic string) []expectation {
		user := []string{"--entity-type", "users", "--entity-name", topic}
		return []expectation{
			{tool: "configs", args: append([]string{"--alter", "--delete-config", "SCRAM-SHA-256"}, user...), code: 1, says: []string{
				`Error while executing config command with args .*`, `java\.util\.concurrent\.ExecutionException: org\.apache\.kafka\.common\.errors\.ResourceNotFoundException: .*`,
			}},
			{tool: "configs", args: append([]string{"--alter", "--add-config", "SCRAM-SHA-512=[password=secret]"}, user...),
				says:    []string{`Completed updating config for user .*\.`},
				refused: `Error while executing config command with args .*|java\.util\.concurrent\.ExecutionException: org\.apache\.kafka\.common\.errors\.UnsupportedSaslMechanismException: klamm has no SASL: a credential would not take effect\.`},
		}
	})
}

func TestDelegationTokens(t *testing.T) {
	eachRelease(t, func(string) []expectation {
		conf := []string{"--command-config", file(t, "")}
		refused := `.*org\.apache\.kafka\.common\.errors\.DelegationTokenDisabledException: .*|.*DelegationTokenNotAllowed.*|.*Delegation Token requests are not allowed.*`
		return []expectation{
			{tool: "delegation-tokens", args: append([]string{"--create", "--max-life-time-period", "-1"}, conf...), code: 1, says: []string{refused, "Calling create token operation with renewers.*"}},
			{tool: "delegation-tokens", args: append([]string{"--describe"}, conf...), code: 1, says: []string{refused, "Calling describe token operation.*"}},
		}
	})
}

func TestFeatures(t *testing.T) {
	eachRelease(t, func(string) []expectation {
		return []expectation{
			{tool: "features", args: []string{"describe"}},
			{tool: "features", args: []string{"upgrade", "--feature", "transaction.version=2"}, code: 1, says: []string{
				`Could not upgrade transaction\.version to 2\. .*`, `1 out of 1 operation\(s\) failed\.`,
			}},
		}
	})
}
