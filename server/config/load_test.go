package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, o Options) (*Broker, []Warning) {
	t.Helper()
	b, ws, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return b, ws
}

func TestLoadWithoutAnything(t *testing.T) {
	b, ws := mustLoad(t, Options{})
	if len(ws) != 0 {
		t.Errorf("warnings about nothing: %v", ws)
	}
	if got := b.Listeners(); len(got) != 1 || got[0].Address() != "127.0.0.1:9092" {
		t.Errorf("listeners = %v", got)
	}
	if got := b.LogDirs(); !slices.Equal(got, []string{"./klamm-data"}) {
		t.Errorf("log dirs = %v", got)
	}
	if b.ID() != -1 {
		t.Errorf("broker.id = %d, want -1 for a generated one", b.ID())
	}
	if ok, above := b.GenerateID(); !ok || above != 1000 {
		t.Errorf("GenerateID = %v, %d", ok, above)
	}
}

func TestLoadFileTakesThePlaceOfKlammsDefaults(t *testing.T) {
	b, _ := mustLoad(t, Options{File: write(t, "server.properties", "broker.id=3\n")})
	if got := b.Listeners()[0].Address(); got != ":9092" {
		t.Errorf("listener = %q, want Kafka's :9092", got)
	}
	if got := b.LogDirs(); !slices.Equal(got, []string{"/tmp/kafka-logs"}) {
		t.Errorf("log dirs = %v, want Kafka's", got)
	}
	if b.Values().Int("node.id") != 3 {
		t.Errorf("node.id = %d, want broker.id's 3", b.Values().Int("node.id"))
	}
}

func TestLoadPrecedence(t *testing.T) {
	file := write(t, "server.properties", "num.partitions=2\nlog.retention.ms=5\nlog.dirs=/a\nmessage.max.bytes=1000\n")
	b, _ := mustLoad(t, Options{
		File: file,
		Env:  []string{"KLAMM_NUM_PARTITIONS=3", "KLAMM_MESSAGE_MAX_BYTES=2000", "KLAMM_LOG_DIR=/b", "HOME=/root"},
		Sets: []string{"num.partitions=4", "log.retention.hours=1", "num.partitions=5"},
	})
	v := b.Values()
	if got := v.Int("num.partitions"); got != 5 {
		t.Errorf("num.partitions = %d, want the last --set", got)
	}
	if got := v.Int("message.max.bytes"); got != 2000 {
		t.Errorf("message.max.bytes = %d, want the environment's", got)
	}
	if got := b.LogDirs(); !slices.Equal(got, []string{"/b"}) {
		t.Errorf("log dirs = %v: log.dir of the environment must go over log.dirs of the file", got)
	}
	if got := retention(v); got != 3600000 {
		t.Errorf("retention = %d ms: --set log.retention.hours must go over log.retention.ms of the file", got)
	}
	if _, s, ok := b.Given("num.partitions"); !ok || s.String() != "--set num.partitions" {
		t.Errorf("source of num.partitions = %v", s)
	}
}

func TestJavaProperties(t *testing.T) {
	text := "# comment \\\nnum.partitions = 7\n! another\n  log.dirs : /a\\\n     ,/b\nbroker.rack\\u003dx y\n" +
		"message.max.bytes 12\r\nlog.retention.ms=${HOME}9\nnode.id=1\nnode.id=2\nbroker.rack=r\\t\xe9\n"
	_, _, err := Load(Options{File: write(t, "server.properties", text)})
	if err == nil || !strings.Contains(err.Error(), "server.properties:8: log.retention.ms: Invalid value ${HOME}9: Not a number") {
		t.Errorf("error = %v: ${} must not be expanded, and the line named", err)
	}
	text = strings.Replace(text, "${HOME}", "", 1)
	b, ws := mustLoad(t, Options{File: write(t, "server.properties", text)})
	v := b.Values()
	if v.Int("num.partitions") != 7 || v.Int("message.max.bytes") != 12 || v.Int("node.id") != 2 {
		t.Errorf("values = %d %d %d", v.Int("num.partitions"), v.Int("message.max.bytes"), v.Int("node.id"))
	}
	if got := b.LogDirs(); !slices.Equal(got, []string{"/a", "/b"}) {
		t.Errorf("log.dirs = %v", got)
	}
	if got := v.String("broker.rack"); got != "r\té" {
		t.Errorf("broker.rack = %q, want ISO 8859-1 and escapes read", got)
	}
	if !strings.Contains(strings.Join(Lines(ws), "\n"), "node.id: given before in line 9") {
		t.Errorf("no warning about node.id given twice: %v", Lines(ws))
	}
	if value, _, ok := b.Given("broker.rack=x"); !ok || value != "y" {
		t.Errorf("an escaped key is %q, %v", value, ok)
	}
}

func TestYAMLAndTOML(t *testing.T) {
	yaml := "log:\n  dirs: [/a, /b]\n  retention:\n    hours: 24\nlog.dir.failure.timeout.ms: 5000\nlog.dir: /c\n" +
		"delete.topic.enable: false\nzookeeper:\n  clientCnxnSocket: x\nnum.partitions: 1e1\n"
	toml := "num.partitions = 10\n\"delete.topic.enable\" = false\n[log]\ndirs = [\"/a\", \"/b\"]\nretention.hours = 24\n"
	for name, text := range map[string]string{"k.yaml": yaml, "k.toml": toml} {
		b, _ := mustLoad(t, Options{File: write(t, name, text)})
		v := b.Values()
		if !slices.Equal(b.LogDirs(), []string{"/a", "/b"}) || v.Int("log.retention.hours") != 24 ||
			v.Bool("delete.topic.enable") || v.Int("num.partitions") != 10 {
			t.Errorf("%s: %v %d %v %d", name, b.LogDirs(), v.Int("log.retention.hours"), v.Bool("delete.topic.enable"), v.Int("num.partitions"))
		}
	}
	_, _, err := Load(Options{File: write(t, "k.yaml", "broker.id: 1\nlog:\n  retention:\n    hours: soon\n")})
	if err == nil || !strings.Contains(err.Error(), "k.yaml:4: ") {
		t.Errorf("error = %v, want the line of the nested key", err)
	}
	_, _, err = Load(Options{File: write(t, "k.yaml", "log:\n  dirs: /a\nlog.dirs: /b\n")})
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("error = %v, want one for log.dirs given twice", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want []string
	}{
		{"no file", Options{File: "/nowhere/server.properties"}, []string{"/nowhere/server.properties", "cannot be read", "no such file"}},
		{"a number", Options{Sets: []string{"num.partitions=many"}},
			[]string{"--set num.partitions: Invalid value many: Not a number of type INT", "[1,...]"}},
		{"a range", Options{Env: []string{"KLAMM_NUM_PARTITIONS=0"}},
			[]string{"environment variable KLAMM_NUM_PARTITIONS", "Value must be at least 1"}},
		{"a word", Options{Sets: []string{"log.cleanup.policy=delete,keep"}}, []string{"Invalid value keep", "compact, delete"}},
		{"a boolean", Options{Sets: []string{"delete.topic.enable=yes"}}, []string{"true or false"}},
		{"32 bits", Options{Sets: []string{"log.segment.bytes=2147483648"}}, []string{"Not a number of type INT"}},
		{"no equals sign", Options{Sets: []string{"num.partitions"}}, []string{"name=value"}},
		{"ids", Options{Sets: []string{"broker.id=1", "node.id=2"}}, []string{"same value as `broker.id`"}},
		{"reserved", Options{Sets: []string{"broker.id=1001"}}, []string{"reserved.broker.max.id"}},
		{"no id", Options{Sets: []string{"broker.id.generation.enable=false"}}, []string{"--set broker.id.generation.enable: broker.id: must be greater than or equal to 0"}},
		{"retention", Options{Sets: []string{"log.retention.hours=0"}}, []string{"--set log.retention.hours: log.retention.ms: must be unlimited"}},
		{"no dirs", Options{Sets: []string{"log.dirs="}}, []string{"--set log.dirs", "At least one log directory"}},
		{"a listener", Options{Sets: []string{"listeners=127.0.0.1:9092"}}, []string{"NAME://host:port"}},
		{"a port", Options{Sets: []string{"listeners=PLAINTEXT://:99999"}}, []string{"99999 is not a port"}},
		{"TLS", Options{Sets: []string{"listeners=SSL://:9093"}}, []string{"SSL", "does not serve yet"}},
		{"a listener of no protocol", Options{Sets: []string{"listeners=INSIDE://:9093"}}, []string{"listener.security.protocol.map", "INSIDE:PLAINTEXT"}},
		{"two of a name", Options{Sets: []string{"listeners=PLAINTEXT://:1,PLAINTEXT://:2"}}, []string{"different name"}},
		{"two of a port", Options{Sets: []string{"listeners=PLAINTEXT://:1,B://:1", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT"}}, []string{"same port"}},
		{"advertised everywhere", Options{Sets: []string{"advertised.listeners=PLAINTEXT://0.0.0.0:9092"}}, []string{"advertised.listeners", "0.0.0.0"}},
		{"advertised nowhere", Options{Sets: []string{"advertised.listeners=B://x:9092", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT"}}, []string{"B is not among listeners"}},
		{"a control plane that is no listener", Options{Sets: []string{"control.plane.listener.name=C"}}, []string{"control.plane.listener.name", "listener.security.protocol.map"}},
		{"a control plane for all", Options{Sets: []string{"control.plane.listener.name=plaintext"}}, []string{"control.plane.listener.name", "among themselves"}},
		{"a control plane that nobody is told", Options{Sets: []string{"listeners=A://:1,B://:2", "advertised.listeners=A://:1", "inter.broker.listener.name=A",
			"listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT", "control.plane.listener.name=b"}}, []string{"control.plane.listener.name", "advertised"}},
		{"no way between brokers", Options{Sets: []string{"listeners=B://:1", "listener.security.protocol.map=B:PLAINTEXT"}}, []string{"inter.broker.listener.name"}},
		{"overrides", Options{Sets: []string{"max.connections.per.ip.overrides=localhost"}}, []string{"host:count"}},
		{"a broken escape", Options{File: write(t, "x.properties", "a=1\nbroker.rack=\\u00z\n")}, []string{"x.properties:2: malformed"}},
		{"broken YAML", Options{File: write(t, "x.yaml", "a: [\n")}, []string{"x.yaml", "cannot be parsed as yaml"}},
		{"a date", Options{File: write(t, "x.yaml", "a: 1\nlog.dirs: 2020-01-01\n")}, []string{"x.yaml:2: log.dirs: a date cannot be a value"}},
		{"a list of tables", Options{File: write(t, "x.toml", "[[log.dirs]]\na = 1\n")}, []string{"log.dirs: a table in a list cannot be a value"}},
		{"two documents", Options{File: write(t, "x.yaml", "# a\n---\nnum.partitions: 1\n---\nnum.partitions: 2\n")}, []string{"x.yaml:4: a second YAML document"}},
	} {
		_, _, err := Load(c.o)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", c.name, err)
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q does not say %q", c.name, err, w)
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	file := write(t, "server.properties", "process.roles=broker\nnum.partitons=3\nbackground.threads=2\n"+
		"group.coordinator.threads=1\nlistener.name.plaintext.num.network.threads=5\nlistener.name.plaintext.max.connections=5\nnum.partitions=1\n")
	_, ws := mustLoad(t, Options{File: file, Env: []string{"KLAMM_NONSENSE=1"}})
	all := strings.Join(Lines(ws), "\n")
	for _, want := range []string{
		":1: process.roles: known, not served yet: klamm has no KRaft quorum",
		":2: num.partitons: is no property of Apache Kafka 3.9; it has no effect (did you mean num.partitions?)",
		"server.properties: known, not served yet: background.threads, group.coordinator.threads, listener.name.plaintext.num.network.threads",
		"environment variable KLAMM_NONSENSE",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "num.partitions:") {
		t.Errorf("a warning about a served property in\n%s", all)
	}
}

func TestListeners(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{
		"listeners=plaintext://0.0.0.0:9092, INSIDE://[::1]:9093,OUT://10.0.0.1:9093",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,OUT:PLAINTEXT",
		"inter.broker.listener.name=inside",
	}})
	want := []Listener{{"PLAINTEXT", "PLAINTEXT", "0.0.0.0", 9092}, {"INSIDE", "PLAINTEXT", "::1", 9093}, {"OUT", "PLAINTEXT", "10.0.0.1", 9093}}
	if !slices.Equal(b.Listeners(), want) {
		t.Errorf("listeners = %v", b.Listeners())
	}
	if b.Listeners()[1].Address() != "[::1]:9093" || b.InterBrokerListener() != "INSIDE" {
		t.Errorf("address %s, between brokers %s", b.Listeners()[1].Address(), b.InterBrokerListener())
	}
	want[0].Host = ""
	if !slices.Equal(b.Advertised(), want) {
		t.Errorf("advertised = %v: every address must be told as the connection's own", b.Advertised())
	}
	b, _ = mustLoad(t, Options{Sets: []string{"advertised.listeners=PLAINTEXT://kafka.example:19092"}})
	if got := b.Advertised(); len(got) != 1 || got[0].Host != "kafka.example" || got[0].Port != 19092 {
		t.Errorf("advertised = %v", got)
	}
}

func TestServerPropertiesOfKRaft(t *testing.T) {
	file := write(t, "server.properties", "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@localhost:9093\n"+
		"listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n"+
		"advertised.listeners=PLAINTEXT://localhost:9092\ncontroller.listener.names=CONTROLLER\n"+
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n")
	b, ws := mustLoad(t, Options{File: file})
	if len(b.Listeners()) != 1 || b.ID() != 1 {
		t.Errorf("listeners %v, id %d", b.Listeners(), b.ID())
	}
	if all := strings.Join(Lines(ws), "\n"); !strings.Contains(all, "no KRaft quorum") || !strings.Contains(all, "CONTROLLER://:9093 is a KRaft controller's") {
		t.Errorf("warnings = %s", all)
	}
}

// TestTreesKeepCapitals checks the names in YAML and TOML, which klamm used to fold to small letters.
func TestTreesKeepCapitals(t *testing.T) {
	for name, text := range map[string]string{"k.yaml": "my:\n  Name: x\nLog.Dirs: y\n", "k.toml": "[my]\nName = 'x'\n[Log]\nDirs = 'y'\n"} {
		b, ws := mustLoad(t, Options{File: write(t, name, text)})
		if value, _, ok := b.Given("my.Name"); !ok || value != "x" {
			t.Errorf("%s: my.Name is %q, %t", name, value, ok)
		}
		if all := strings.Join(Lines(ws), "\n"); !strings.Contains(all, "Log.Dirs: is no property of Apache Kafka 3.9; it has no effect (did you mean log.dirs?)") {
			t.Errorf("%s: warnings %s", name, all)
		}
	}
}
