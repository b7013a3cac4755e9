package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/meta/zk"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

const (
	clusterID = "AAAAAAAAAAAAAAAAAAAAAA"
	ordersID  = "5h-9lbAMROaPKZCP22Zvgg"
)

// world is a broker of Apache Kafka as its files and its tree show it: broker 1 of two, with the topic orders.
type world struct {
	*testing.T
	dir   string // has server.properties, and the log directory data
	sets  []string
	nodes map[string]string
	// rights are those on some nodes; on the others everybody may do all.
	rights  map[string]zk.Rights
	open    error // why no session can be had
	metrics string
	access  func(path string) error
	files   int
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), rights: map[string]zk.Rights{}, files: 1000, nodes: map[string]string{
		"/cluster/id":            `{"version":"1","id":"` + clusterID + `"}`,
		"/controller":            `{"version":2,"brokerid":2,"timestamp":"1","kraftControllerEpoch":-1}`,
		"/controller_epoch":      "7",
		"/feature":               `{"features":{},"version":2,"status":1}`,
		"/brokers/ids/2":         registration(2, 5, "PLAINTEXT"),
		"/brokers/topics/orders": assignment(ordersID, "[1,2]", "[2,1]"),
		"/brokers/topics/orders/partitions/0/state": state(1, 1, 2),
		"/brokers/topics/orders/partitions/1/state": state(2, 2, 1),
		"/config/topics/orders":                     `{"version":1,"config":{"retention.ms":"1000"}}`,
		"/config/brokers/<default>":                 `{"version":1,"config":{"log.cleaner.threads":"2"}}`,
		"/config/users":                             "",
		"/admin/delete_topics":                      "",
		"/latest_producer_id_block":                 "",
		"/brokers/seqid":                            "",
		"/isr_change_notification":                  "",
		"/log_dir_event_notification":               "",
		"/config/changes/config_change_0000000000":  `{"version":2,"entity_path":"topics/orders"}`,
		"/consumers":                                "",
		"/config/clients":                           "",
		"/config/ips":                               "",
	}}
	w.put("server.properties", "broker.id=1\nlog.dirs="+w.path("data")+"\nzookeeper.connect=zk:2181/kafka\nnum.io.threads=8\n")
	w.put("data/meta.properties", "version=0\nbroker.id=1\ncluster.id="+clusterID+"\n")
	w.put("data/.lock", "")
	for _, p := range []string{"0", "1"} {
		w.put("data/orders-"+p+"/00000000000000000000.log", string(batch(2, 0)))
		w.put("data/orders-"+p+"/partition.metadata", "version: 0\ntopic_id: "+ordersID)
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// put writes a file.
func (w *world) put(name, text string) {
	w.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(w.path(name)), 0o755), os.WriteFile(w.path(name), []byte(text), 0o644)); err != nil {
		w.Fatal(err)
	}
}

// setting adds a line to server.properties.
func (w *world) setting(line string) {
	w.Helper()
	text, err := os.ReadFile(w.path("server.properties"))
	if err != nil {
		w.Fatal(err)
	}
	w.put("server.properties", string(text)+line+"\n")
}

func registration(id, version int, protocol string) string {
	return fmt.Sprintf(`{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"%s"},"endpoints":["PLAINTEXT://h%d:9092"],"jmx_port":-1,"port":9092,"host":"h%d","version":%d,"timestamp":"1"}`,
		protocol, id, id, version)
}

func assignment(id string, replicas ...string) string {
	for i, list := range replicas {
		replicas[i] = fmt.Sprintf(`"%d":%s`, i, list)
	}
	if id != "" {
		id = `"topic_id":"` + id + `",`
	}
	return `{"partitions":{` + strings.Join(replicas, ",") + `},` + id + `"adding_replicas":{},"removing_replicas":{},"version":3}`
}

func state(leader int, isr ...int) string {
	return fmt.Sprintf(`{"controller_epoch":7,"leader":%d,"version":1,"leader_epoch":3,"isr":%s}`, leader, strings.ReplaceAll(fmt.Sprint(isr), " ", ","))
}

// batch is the header of a batch.
func batch(magic, attributes byte) []byte {
	b := make([]byte, 61)
	b[11], b[16], b[22] = 61-12, magic, attributes
	return b
}

// rightTree is a tree with access control lists.
type rightTree struct {
	meta.Tree
	rights map[string]zk.Rights
}

func (r rightTree) Rights(_ context.Context, path string) (zk.Rights, error) {
	if rights, ok := r.rights[path]; ok {
		return rights, nil
	}
	return zk.Rights{Read: true, Write: true, Create: true, Delete: true}, nil
}

// check looks at the world, and checks that it is as it was afterwards.
func (w *world) check() *Report {
	w.Helper()
	store := mem.New(mem.Options{})
	tree, err := store.Open(w.Context(), meta.Watcher{})
	if err != nil {
		w.Fatal(err)
	}
	for path, body := range w.nodes {
		parts := strings.Split(path, "/")
		for i := 2; i < len(parts); i++ {
			_, _ = tree.Create(w.Context(), strings.Join(parts[:i], "/"), nil, meta.Persistent) // it may be there
		}
		_, err := tree.Create(w.Context(), path, []byte(body), meta.Persistent)
		if errors.Is(err, meta.ErrNodeExists) {
			_, err = tree.Set(w.Context(), path, []byte(body), meta.AnyVersion)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	cfg, warnings, errs := config.Read(config.Options{File: w.path("server.properties"), Sets: w.sets})
	o := Options{Config: cfg, Errors: errs, Warnings: warnings, File: "server.properties", OpenFiles: w.files, Access: w.access,
		OpenTree: func(context.Context) (meta.Tree, error) { return rightTree{tree, w.rights}, w.open }}
	if w.metrics != "" {
		o.Metrics = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(w.metrics)), nil }
		o.MetricsURL = "http://h/metrics"
	}
	files, nodes := w.listFiles(), w.listNodes(store)
	r := Check(w.Context(), o)
	if after := w.listFiles(); after != files {
		w.Errorf("the files were\n%sand are\n%s", files, after)
	}
	if after := w.listNodes(store); after != nodes {
		w.Errorf("the nodes were\n%sand are\n%s", nodes, after)
	}
	return r
}

func (w *world) listFiles() (list string) {
	w.Helper()
	err := filepath.Walk(w.dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			list += fmt.Sprintln(path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func (w *world) listNodes(store *mem.Store) (list string) {
	w.Helper()
	tree, err := store.Open(w.Context(), meta.Watcher{})
	if err != nil {
		w.Fatal(err)
	}
	defer tree.Close()
	var walk func(path string)
	walk = func(path string) {
		data, stat, err := tree.Get(w.Context(), path)
		if err != nil {
			w.Fatal(err)
		}
		list += fmt.Sprintln(path, string(data), stat)
		names, _, err := tree.Children(w.Context(), path)
		if err != nil {
			w.Fatal(err)
		}
		for _, name := range names {
			walk(strings.TrimSuffix(path, "/") + "/" + name)
		}
	}
	walk("/")
	return list
}

// line is a finding in one line.
func line(f Finding) string {
	return fmt.Sprintf("%s %s [%s] %s -> %s", f.Severity, f.Area, strings.Join(f.Where, " "), f.Found, f.Do)
}

// TestPlain looks at a broker in whose way nothing stands.
func TestPlain(t *testing.T) {
	w := newWorld(t)
	r := w.check()
	for _, f := range r.Findings {
		if f.Severity != Info || !strings.Contains(f.Found, "changes nothing: klamm has no pools of threads") {
			t.Errorf("found %s", line(f))
		}
	}
	if r.ExitCode() != 0 || r.Broker != 1 || r.Cluster != clusterID || len(r.Looked) != 4 {
		t.Errorf("exit code %d, %+v", r.ExitCode(), r)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "Nothing that was looked at stands in the way.") ||
		!strings.Contains(text.String(), "not looked at: --metrics URL") || !strings.Contains(text.String(), "broker 1 of cluster "+clusterID) {
		t.Errorf("%v:\n%s", err, text.String())
	}
}

// TestFindings plants one thing at a time, and looks for what is found of it.
func TestFindings(t *testing.T) {
	id := func(text string) func(*world) { return func(w *world) { w.setting(text) } }
	set := func(path, body string) func(*world) { return func(w *world) { w.nodes[path] = body } }
	file := func(name, text string) func(*world) { return func(w *world) { w.put(name, text) } }
	for _, c := range []struct {
		name  string
		plant func(*world)
		want  string // the line of the finding: the severity and area, and words that are in it
	}{
		{"an authorizer", id("authorizer.class.name=a.B"), "refuses configuration|server.properties:5: authorizer.class.name|no authorizer"},
		{"SASL", id("listeners=SASL_SSL://:9093"), "refuses configuration|listeners|SASL_SSL"},
		{"tiered storage", id("remote.log.storage.system.enable=true"), "refuses configuration|remote.log.storage.system.enable"},
		{"a migration", id("zookeeper.metadata.migration.enable=true"), "refuses configuration|zookeeper.metadata.migration.enable"},
		{"a very old version", id("inter.broker.protocol.version=2.6"), "refuses configuration|inter.broker.protocol.version|2.6"},
		{"an old version", id("inter.broker.protocol.version=2.8"), "info configuration|inter.broker.protocol.version|3.9-IV0"},
		{"KRaft", id("process.roles=broker"), "differs configuration|process.roles|KRaft"},
		{"a policy", id("create.topic.policy.class.name=a.B"), "differs configuration|create.topic.policy.class.name"},
		{"metric reporters", id("metric.reporters=a.B"), "differs configuration|metric.reporters"},
		{"the old format", id("log.message.format.version=0.10.0"), "info configuration|log.message.format.version|magic 2"},
		{"a time-out", id("request.timeout.ms=5"), "differs configuration|request.timeout.ms"},
		{"no such property", id("no.such.thing=5"), "info configuration|no.such.thing|neither broker"},
		{"no ZooKeeper", func(w *world) { w.put("server.properties", "broker.id=1\nlog.dirs="+w.path("data")+"\n") }, "differs configuration|zookeeper.connect"},

		{"another broker without the listener", set("/brokers/ids/2", strings.ReplaceAll(registration(2, 5, "PLAINTEXT"), "PLAINTEXT", "X")), "differs tree|/brokers/ids/2|no listener PLAINTEXT"},
		{"another broker with TLS", set("/brokers/ids/2", registration(2, 5, "SSL")), "differs tree|/brokers/ids/2|is SSL"},
		{"an old broker", set("/brokers/ids/2", registration(2, 4, "PLAINTEXT")), "differs tree|/brokers/ids/2|version 4"},
		{"this broker", func(w *world) {
			lock, err := vfs.OS{}.Lock(logstore.LockFile(w.path("data")))
			if err != nil {
				w.Fatal(err)
			}
			w.Cleanup(func() { lock.Close() })
			w.nodes["/brokers/ids/1"] = registration(1, 5, "PLAINTEXT")
		}, "info tree|/brokers/ids/1|registered"},
		{"this broker, elsewhere", set("/brokers/ids/1", registration(1, 5, "PLAINTEXT")), "differs directories|data|/brokers/ids/1|not its machine"},
		{"a registration that is broken", set("/brokers/ids/2", "{"), "differs tree|/brokers/ids/2|understood"},
		{"features", set("/feature", `{"features":{"x":{"max_version_level":1}},"version":2,"status":1}`), "differs tree|/feature|finalized"},
		{"a migration that was begun", set("/migration", "{}"), "differs tree|/migration|begun"},
		{"a KRaft controller", set("/controller", `{"version":2,"brokerid":3000,"timestamp":"1","kraftControllerEpoch":4}`), "refuses tree|/controller|kraftControllerEpoch 4"},
		{"ACLs", set("/kafka-acl/Topic/orders", "{}"), "info tree|/kafka-acl/Topic/orders|ACLs"},
		{"ACLs of prefixes", set("/kafka-acl-extended/prefixed/Topic/o", "{}"), "info tree|/kafka-acl-extended/prefixed/Topic/o|ACLs"},
		{"delegation tokens", set("/delegation_token/tokens/x", "{}"), "info tree|/delegation_token/tokens/x|tokens"},
		{"a credential", set("/config/users/alice", `{"version":1,"config":{"SCRAM-SHA-256":"x"}}`), "info tree|/config/users/alice|SCRAM-SHA-256"},
		{"a user's quota", set("/config/users/alice", `{"version":1,"config":{"producer_byte_rate":"1"}}`), "differs tree|/config/users/alice: producer_byte_rate|quota"},
		{"a user's client's quota", set("/config/users/alice/clients/c", `{"version":1,"config":{"producer_byte_rate":"1"}}`), "differs tree|/config/users/alice/clients/c: producer_byte_rate|quota"},
		{"a client's quota", set("/config/clients/<default>", `{"version":1,"config":{"request_percentage":"1"}}`), "differs tree|/config/clients/<default>: request_percentage|quota"},
		{"an address's quota", set("/config/ips/10.0.0.1", `{"version":1,"config":{"connection_creation_rate":"1"}}`), "differs tree|/config/ips/10.0.0.1|quota"},
		{"a dynamic setting", set("/config/brokers/1", `{"version":1,"config":{"metric.reporters":"a.B"}}`), "differs tree|/config/brokers/1: metric.reporters"},
		{"dynamic listeners", set("/config/brokers/1", `{"version":1,"config":{"advertised.listeners":"PLAINTEXT://h9:9092"}}`), "differs tree|/config/brokers/1: advertised.listeners|PLAINTEXT://h9:9092"},
		{"dynamic listeners that the file has too", func(w *world) {
			w.setting("listeners=PLAINTEXT://h1:9092")
			w.nodes["/config/brokers/1"] = `{"version":1,"config":{"listeners":"PLAINTEXT://h1:9092"}}`
		}, ""},
		{"another broker's dynamic setting", set("/config/brokers/2", `{"version":1,"config":{"metric.reporters":"a.B"}}`), ""},
		{"a topic in remote storage", set("/config/topics/orders", `{"version":1,"config":{"remote.storage.enable":"true"}}`), "differs tree|/config/topics/orders: remote.storage.enable|tiered"},
		{"a topic with a local retention", set("/config/topics/orders", `{"version":1,"config":{"local.retention.ms":"5"}}`), "info tree|/config/topics/orders: local.retention.ms"},
		{"a topic's settings that are broken", set("/config/topics/orders", "{"), "differs tree|/config/topics/orders|understood"},
		{"a topic that is broken", set("/brokers/topics/bad", "{"), "differs tree|/brokers/topics/bad|understood"},
		{"a state that is broken", set("/brokers/topics/orders/partitions/0/state", "{"), "differs tree|/brokers/topics/orders/partitions/0/state|understood"},
		{"no state", func(w *world) { delete(w.nodes, "/brokers/topics/orders/partitions/0/state") }, "info tree|orders-0|no state"},
		{"no id", set("/brokers/topics/old", assignment("", "[2]")), "info tree|old|no id"},
		{"a deletion", set("/admin/delete_topics/orders", ""), "info tree|orders|being deleted"},
		{"a reassignment", set("/brokers/topics/orders", strings.Replace(assignment(ordersID, "[1,2]", "[2,1]"), `"adding_replicas":{}`, `"adding_replicas":{"0":[2]}`, 1)), "info tree|orders-0|reassigned"},
		{"reassignments", set("/admin/reassign_partitions", `{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1]}]}`), "info tree|/admin/reassign_partitions|1 partitions"},
		{"the last in sync", set("/brokers/topics/orders/partitions/0/state", state(1, 1)), "info tree|orders-0|only replica in sync"},
		{"no leader", set("/brokers/topics/orders/partitions/0/state", state(-1, 2)), "info tree|orders-0|no leader"},
		{"transactions here", set("/brokers/topics/__transaction_state", assignment("", "[1]")), "refuses tree|/brokers/topics/__transaction_state|partitions 0,|kafka-reassign-partitions.sh"},
		{"transactions elsewhere", set("/brokers/topics/__transaction_state", assignment("", "[2]")), "differs tree|/brokers/topics/__transaction_state|transactions"},
		{"no right to register", func(w *world) { w.rights["/brokers/ids"] = zk.Rights{Read: true, List: []string{"world:anyone:r"}} }, "refuses tree|/brokers/ids|world:anyone:r|zookeeper-security-migration.sh"},
		{"no right to read", func(w *world) { w.rights["/brokers/topics"] = zk.Rights{} }, "refuses tree|/brokers/topics|may not read"},
		{"no right to read what klamm does not", func(w *world) { w.rights["/config/users"] = zk.Rights{} }, "differs tree|/config/users|may not read"},
		{"no right to number brokers", func(w *world) { w.rights["/brokers/seqid"] = zk.Rights{Read: true, List: []string{"world:anyone:r"}} }, "differs tree|/brokers/seqid|world:anyone:r"},
		{"no right to a state", func(w *world) {
			w.rights["/brokers/topics/orders/partitions/0/state"] = zk.Rights{Read: true, List: []string{"sasl:kafka:rwcda"}}
		}, "differs tree|/brokers/topics/orders/partitions/0/state|sasl:kafka:rwcda"},
		{"another cluster", set("/cluster/id", `{"version":"1","id":"BBBBBBBBBBBBBBBBBBBBBB"}`), "refuses tree|/cluster/id|BBBB"},
		{"no cluster", func(w *world) { delete(w.nodes, "/cluster/id") }, "refuses tree|/cluster/id|no cluster yet"},

		{"KRaft's directory", file("data/meta.properties", "version=1\nnode.id=1\n"), "refuses directories|data|version|KRaft"},
		{"another broker's directory", file("data/meta.properties", "version=0\nbroker.id=9\n"), "refuses directories|meta.properties|broker 9"},
		{"no meta.properties", func(w *world) { os.Remove(w.path("data/meta.properties")) }, "info directories|data|no broker has run"},
		{"no directory", func(w *world) { os.RemoveAll(w.path("data")) }, "info directories|data|does not exist"},
		{"no directory at all", func(w *world) { os.RemoveAll(w.path("data")); w.put("data", "") }, "refuses directories|data|not a directory"},
		{"a tree of klamm alone", file("data/klamm-metadata", ""), "refuses directories|data/klamm-metadata|ran alone"},
		{"two clusters", func(w *world) {
			w.put("more/meta.properties", "version=0\nbroker.id=1\ncluster.id=BBBBBBBBBBBBBBBBBBBBBB\n")
			w.sets = []string{"log.dirs=" + w.path("data") + "," + w.path("more")}
		}, "refuses directories|more/meta.properties|BBBB"},
		{"a log of another topic", file("data/orders-0/partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"), "differs directories|orders-0|AAAAAAAAAAAAAAAAAAAAAQ"},
		{"an unreadable id", file("data/orders-0/partition.metadata", "nonsense\nnonsense\n"), "differs directories|orders-0|partition.metadata"},
		{"a log of no topic", file("data/gone-0/00000000000000000000.log", ""), "info directories|gone-0|no such topic"},
		{"a log of others", file("data/orders-7/00000000000000000000.log", ""), "info directories|orders-7|assigned to other brokers"},
		{"a stray log", file("data/orders-0.0123456789abcdef0123456789abcdef-stray/00000000000000000000.log", ""), "info directories|-stray|set aside"},
		{"a move", file("data/orders-0.0123456789abcdef0123456789abcdef-future/00000000000000000000.log", ""), "info directories|-future|on its way"},
		{"old messages", file("data/orders-0/00000000000000000000.log", string(batch(1, 0))), "info directories|orders-0|magic 0 or 1"},
		{"transactions", file("data/orders-0/00000000000000000000.log", string(batch(2, 0x10))), "info directories|orders-0|records of transactions"},
		{"remote storage", file("data/remote-log-index-cache/x", ""), "differs directories|remote-log-index-cache"},
		{"Kafka 0.7", file("data/orders-0/00000000000000000000.kafka", ""), "info directories|orders-0|0.7"},
		{"a lost log", func(w *world) {
			w.nodes["/brokers/topics/orders/partitions/0/state"] = state(1, 1)
			os.RemoveAll(w.path("data/orders-0"))
		}, "info directories|orders-0|leads an empty log"},
		{"a missing replica", func(w *world) { os.RemoveAll(w.path("data/orders-0")) }, "info directories|orders-0|from its leader"},
		{"somebody else's file", func(w *world) {
			w.access = func(path string) error {
				if strings.HasSuffix(path, ".log") {
					return &os.PathError{Op: "access", Path: path, Err: os.ErrPermission}
				}
				return nil
			}
		}, "differs directories|orders-0/00000000000000000000.log|permission denied"},
		{"somebody else's directory", func(w *world) {
			w.access = func(path string) error {
				if filepath.Base(path) == "data" {
					return os.ErrPermission
				}
				return nil
			}
		}, "refuses directories|data|permission denied"},
		{"few files", func(w *world) { w.files = 1 }, "info directories|open files|2 logs with 2 segments"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.plant(w)
			r := w.check()
			words := strings.Split(c.want, "|")
			found := slices.ContainsFunc(r.Findings, func(f Finding) bool {
				text := line(f)
				return strings.HasPrefix(text, words[0]) && !slices.ContainsFunc(words[1:], func(word string) bool { return !strings.Contains(text, word) })
			})
			wantCode := 0
			if strings.HasPrefix(c.want, "refuses") || strings.HasPrefix(c.want, "differs") {
				wantCode = 1
			}
			if !found && c.want != "" || r.ExitCode() != wantCode {
				t.Errorf("exit code %d, want %d; %q was not found among", r.ExitCode(), wantCode, c.want)
				for _, f := range r.Findings {
					t.Log(line(f))
				}
			}
		})
	}
}

// TestALockIsSeen looks at a directory that a broker uses.
func TestALockIsSeen(t *testing.T) {
	w := newWorld(t)
	lock, err := vfs.OS{}.Lock(logstore.LockFile(w.path("data")))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	r := w.check()
	if r.ExitCode() != 0 || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Found, "holds the lock") }) {
		t.Errorf("%+v", r.Findings)
	}
}

// TestIDsOfTheDirectory takes the ids from meta.properties where the configuration has none.
func TestIDsOfTheDirectory(t *testing.T) {
	w := newWorld(t)
	w.put("server.properties", "log.dirs="+w.path("data")+"\nzookeeper.connect=zk:2181\n")
	w.nodes["/brokers/topics/orders/partitions/0/state"] = state(1, 1)
	if r := w.check(); r.Broker != 1 || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Found, "only replica in sync") }) {
		t.Errorf("%+v", r)
	}
}

// TestWhatCannotBeLookedAt has no ZooKeeper and no metrics. The rest is looked at all the same.
func TestWhatCannotBeLookedAt(t *testing.T) {
	w := newWorld(t)
	w.open, w.metrics = errors.New("no route"), "jvm_threads 5\n"
	w.put("data/meta.properties", "version=0\nbroker.id=9\n")
	r := w.check()
	var failed []string
	for _, l := range r.Looked {
		if l.Failed != "" {
			failed = append(failed, string(l.Area)+": "+l.Failed)
		}
	}
	if len(failed) != 2 || failed[0] != "tree: no route" || !strings.Contains(failed[1], "RequestsPerSec") || r.ExitCode() != 2 || r.Count(Refuses) != 1 {
		t.Errorf("exit code %d, failed %q, %+v", r.ExitCode(), failed, r.Findings)
	}
}

// TestClients reads the metrics under each of their usual names.
func TestClients(t *testing.T) {
	for name, page := range map[string]string{
		"the usual rules": `# HELP x y
kafka_network_requestmetrics_requests_total{request="EndTxn",version="3",} 7.0
kafka_network_requestmetrics_requests_total{request="EndTxn",version="2",} 0.0
kafka_network_requestmetrics_requests_total{request="Fetch",version="17",} 9.0
kafka_network_requestmetrics_requests_total{request="Fetch",version="40",} 9.0
kafka_network_requestmetrics_requests_total{request="FetchConsumer",version="17",} 9.0
kafka_network_requestmetrics_requests_total{request="AddPartitionsToTxn",version="5",} 3.0
kafka_network_requestmetrics_requests_total{request="AddPartitionsToTxnVerification",version="5",} 4.0
kafka_network_requestmetrics_errors_total{request="EndTxn",error="NONE",} 7.0
kafka_network_requestmetrics_requests_total{request="WriteTxnMarkers",version="1",} 2.0
kafka_network_requestmetrics_totaltimems_count{request="Fetch",} 9.0
`,
		"with the meter's name": `kafka_network_requestmetrics_requestspersec_count{request="EndTxn",version="3"} 7
kafka_network_requestmetrics_requestspersec_count{request="Fetch",version="40"} 9
kafka_network_requestmetrics_requestspersec_count{request="AddPartitionsToTxnVerification",version="5"} 7
kafka_network_requestmetrics_requestspersec_count{request="WriteTxnMarkers",version="1"} 2`,
		"no rules": `kafka_network_RequestMetrics_Count{name="RequestsPerSec",request="EndTxn",version="3",} 7.0
kafka_network_RequestMetrics_OneMinuteRate{name="RequestsPerSec",request="EndTxn",version="3",} 1.0
kafka_network_RequestMetrics_Count{name="RequestsPerSec",request="Fetch",version="40",} 9
kafka_network_RequestMetrics_Count{name="RequestsPerSec",request="AddPartitionsToTxnVerification",version="5",} 7
kafka_network_RequestMetrics_Count{name="TotalTimeMs",request="Produce",} 1.0
kafka_network_RequestMetrics_Count{name="RequestsPerSec",request="WriteTxnMarkers",version="1",} 2`,
	} {
		w := newWorld(t)
		w.metrics = page
		var found []string
		r := w.check()
		for _, f := range r.Findings {
			if f.Area == Clients {
				found = append(found, line(f))
			}
		}
		if len(found) != 3 || !strings.Contains(found[0], "[AddPartitionsToTxn version 5: 7 requests EndTxn version 3: 7 requests] klamm has no transactions") ||
			!strings.Contains(found[1], "Fetch version 40: 9 requests] klamm serves versions 0 to ") ||
			!strings.Contains(found[2], "WriteTxnMarkers version 1: 2 requests] klamm does not serve the API") || r.ExitCode() != 1 {
			t.Errorf("%s: exit code %d, %q", name, r.ExitCode(), found)
		}
	}
}

// TestOutput writes many places and one as text and as JSON.
func TestOutput(t *testing.T) {
	r := &Report{Broker: -1, Findings: []Finding{}}
	for n := range 25 {
		r.add(Finding{Severity: Info, Area: Tree, Where: []string{fmt.Sprint("orders-", n)}, Found: "it waits"})
	}
	r.add(Finding{Severity: Refuses, Area: Tree, Where: []string{"/a"}, Found: "it is wrong", Do: "mend it"})
	r.add(Finding{Severity: Refuses, Area: Tree, Found: "it is nowhere"})
	r.sort()
	var text bytes.Buffer
	out, err := json.Marshal(r)
	if err := errors.Join(r.WriteText(&text), err); err != nil {
		t.Fatal(err)
	}
	want := "a broker without an id\n\n\nklamm would not start (1)\n\n  tree\n    /a\n      it is wrong\n      -> mend it\n\nfor your information (1)\n\n  tree\n"
	if !strings.HasPrefix(text.String(), want) || !strings.Contains(text.String(), "orders-9\n    and 15 more\n      it waits\n") {
		t.Errorf("the text is\n%s", text.String())
	}
	var back Report
	if err := json.Unmarshal(out, &back); err != nil || len(back.Findings) != 2 || len(back.Findings[1].Where) != 25 || back.Findings[0].Severity != Refuses {
		t.Errorf("%v: %s", err, out)
	}
}
