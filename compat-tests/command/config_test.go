package command

import (
	"encoding/json"
	"strings"
	"testing"
)

// checked is what klamm config check -o json writes.
type checked struct {
	Starts   bool
	Findings []struct {
		Kind, Name, Text string
		Line             int
	}
}

// TestConfigCheckSaysWhatAStartSays: the errors of a start, word by word and in its order, and every name that it warns about.
func TestConfigCheckSaysWhatAStartSays(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "server.properties", "num.partitions=many\nunheard.of=1\nssl.keystore.password=hush\nprocess.roles=broker\nmax.connections.per.ip=0\n"+
		"authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nlog.retention.ms=1\nlog.retention.ms=2\n")
	before := snapshot(t, dir)
	start := klamm(t, dir, nil, "--config", "server.properties")
	check := klamm(t, dir, nil, "config", "check", "server.properties", "-o", "json")
	var got checked
	if err := json.Unmarshal([]byte(check.stdout), &got); err != nil || check.code != 1 || got.Starts || check.stderr != "" {
		t.Fatalf("%v: exit code %d, want 1:\n%s%s", err, check.code, check.stdout, check.stderr)
	}
	var errors []string
	kinds := map[string]string{}
	for _, f := range got.Findings {
		if f.Kind == "error" {
			errors = append(errors, "klamm: "+f.Text)
		}
		if !strings.Contains(start.stderr, f.Name) {
			t.Errorf("a start does not name %s:\n%s", f.Name, start.stderr)
		}
		kinds[f.Name] = f.Kind
	}
	if said := strings.Join(errors, "\n") + "\n"; !strings.HasSuffix(start.stderr, said) {
		t.Errorf("the errors are\n%sa start says\n%s", said, start.stderr)
	}
	for name, kind := range map[string]string{"num.partitions": "error", "unheard.of": "unknown", "ssl.keystore.password": "not served", "process.roles": "not served",
		"max.connections.per.ip": "error", "authorizer.class.name": "error", "log.retention.ms": "warning"} {
		if kinds[name] != kind {
			t.Errorf("%s is %q, want %q", name, kinds[name], kind)
		}
	}
	if strings.Contains(check.stdout, "hush") {
		t.Errorf("the report shows a password:\n%s", check.stdout)
	}
	unchanged(t, dir, before)
}

// TestConfigCheckExitCodes: 0 where a broker starts, 1 where not, 2 where nothing could be looked at.
func TestConfigCheckExitCodes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "good.properties", "broker.id=1\nunheard.of=1\n")
	write(t, dir, "store.properties", "zookeeper.connect=127.0.0.1:1\nzookeeper.ssl.client.enable=true\nzookeeper.ssl.keystore.location=gone.jks\n")
	for _, c := range []struct {
		args  string
		code  int
		words string
	}{
		{"good.properties", 0, "a broker starts with it"},
		{"good.properties --set num.partitions=0", 1, "num.partitions"},
		{"store.properties", 1, "gone.jks"},
		{"good.properties --set klamm.http.ssl.keystore.location=gone.pem", 1, "gone.pem"},
		{"good.properties --set max.connections.per.ip.overrides=no-such-host.invalid:3", 0, "no-such-host.invalid does not resolve"},
		{"gone.properties", 2, "gone.properties"},
		{"good.properties -o xml", 2, "--output"},
		{"", 2, "needs one argument"},
	} {
		got := klamm(t, dir, nil, append([]string{"config", "check"}, strings.Fields(c.args)...)...)
		if got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.words) {
			t.Errorf("klamm config check %s: exit code %d, want %d and %q:\n%s%s", c.args, got.code, c.code, c.words, got.stdout, got.stderr)
		}
	}
	if got := klamm(t, dir, nil, "config", "explain", "log.retention.hours"); got.code != 0 || !strings.Contains(got.stdout, "KLAMM_LOG_RETENTION_HOURS") {
		t.Errorf("klamm config explain: exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	if got := klamm(t, dir, nil, "config", "explain", "log.retention.hoursx"); got.code != 1 || !strings.Contains(got.stderr, "did you mean log.retention.hours?") {
		t.Errorf("klamm config explain: exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}
