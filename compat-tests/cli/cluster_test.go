package cli

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// TestCluster asks how the cluster is.
func TestCluster(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 2)
	var info struct {
		ID         string
		Controller int32
		Partitions int
		Brokers    []struct {
			ID            int32
			Address       string
			Controller    bool
			PartitionsLed int
		}
	}
	klamm(t, "cluster", "info", "-o", "json").json(&info)
	if len(info.Brokers) != 1 || info.Brokers[0].Address != broker.Addr || !info.Brokers[0].Controller || info.Brokers[0].PartitionsLed != info.Partitions || len(info.ID) != 22 {
		t.Errorf("%+v", info)
	}
	klamm(t, "cluster", "info").ok("cluster", info.ID, broker.Addr)
	id := fmt.Sprint(info.Brokers[0].ID)
	klamm(t, "cluster", "health").ok("healthy: 1 broker, ")
	klamm(t, "broker", "list").ok("CONTROLLER", broker.Addr)
	klamm(t, "broker", "describe", id).ok(broker.Addr, "speaks like", "DIRECTORY", "PROPERTY")
	klamm(t, "broker", "describe", "77").fails(1, "no broker 77 is alive; the brokers "+id+" are")
	klamm(t, "logdirs", "--broker", "77").fails(1, "no broker 77")
	var dirs []struct {
		Broker int32
		Path   string
		Bytes  int64
		Total  *int64 `json:"totalBytes"`
		Logs   []struct {
			Topic     string
			Partition int32
		}
	}
	klamm(t, "logdirs", "--topic", name, "--logs", "-o", "json").json(&dirs)
	if len(dirs) != 1 || len(dirs[0].Logs) != 2 || dirs[0].Logs[0].Topic != name || dirs[0].Total == nil {
		t.Errorf("%+v", dirs)
	}
	klamm(t, "logdirs").ok("DIRECTORY", dirs[0].Path)
	klamm(t, "logdirs", "--topic", "never-made").fails(1, "there is no topic never-made")
}

// TestNotHealthy asks a cluster that has a topic with more min.insync.replicas than replicas.
func TestNotHealthy(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1, "min.insync.replicas", "2")
	e := klamm(t, "cluster", "health", "--list")
	if e.code != 1 || !strings.HasPrefix(e.stdout, "not healthy: 1 under min ISR (of 1 broker, ") || !strings.Contains(e.stdout, "\n"+name+"-0  under min ISR\n") || e.stderr != "" {
		t.Errorf("exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	if e := klamm(t, "cluster", "health", "-o", "json"); e.code != 1 || !strings.Contains(e.stdout, `"healthy": false`) {
		t.Errorf("exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	klamm(t, "topic", "delete", name).ok()
}

// TestConfigs reads and changes configurations.
func TestConfigs(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	klamm(t, "config", "set", "topic", name, "retention.ms=5000", "--dry-run").ok("would change topic " + name)
	var entries []configJSON
	klamm(t, "config", "list", "topic", name, "-o", "json").json(&entries)
	for _, e := range entries {
		if e.Name == "retention.ms" {
			t.Errorf("the dry run changed it: %+v", e)
		}
	}
	klamm(t, "config", "set", "topic", name, "retention.ms=5000").ok("changed topic " + name)
	klamm(t, "config", "list", "topic", name).ok("retention.ms", "5000", "topic")
	klamm(t, "config", "list", "topic", name, "--all").ok("segment.bytes", "default")
	klamm(t, "config", "unset", "topic", name, "retention.ms").ok()
	klamm(t, "config", "get", "topic", name, "retention.ms").ok("604800000\n")
	klamm(t, "config", "get", "topic", name, "retention").fails(1, "no property retention")
	klamm(t, "config", "set", "topic", name, "retention.ms=soon").fails(1, "changing topic "+name, "retention.ms")
	klamm(t, "config", "list", "topic", "never-made").fails(1, "topic never-made")

	klamm(t, "config", "set", "broker", "default", "log.cleaner.backoff.ms=14000").ok("changed broker default")
	harness.Await(t, "the setting of all brokers", func() bool {
		return strings.Contains(klamm(t, "config", "list", "broker", "default").ok().stdout, "log.cleaner.backoff.ms  14000  cluster")
	})
	klamm(t, "config", "unset", "broker", "default", "log.cleaner.backoff.ms").ok()
	klamm(t, "config", "get", "broker", "77", "log.dirs").fails(1, "no broker 77 is alive")
	klamm(t, "config", "set", "broker", "77", "log.cleaner.threads=1").fails(1, "no broker 77 is alive")
}

// TestProfiles makes a profile and uses it.
func TestProfiles(t *testing.T) {
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	in := func(args ...string) ended { t.Helper(); return klammIn(t, env, "", args...) }
	in("profile", "create", "here", "-b", broker.Addr, "--set", "client.id=a", "--set", "ssl.key.password=hush").ok("created profile here")
	in("profile", "create", "here", "-b", broker.Addr).fails(1, "there is a profile here already")
	in("profile", "create", "there", "-b", nobody(t), "--use").ok()
	in("profile", "create", "bad", "-b", broker.Addr, "--set", "security.protocol=TLS").fails(2, "security.protocol=TLS")
	in("profile", "create", "../up", "-b", broker.Addr).fails(1, "cannot be the name of a profile")
	in("profile", "list").ok("here   -       "+broker.Addr, "there  yes")
	in("cluster", "info").fails(3, "cannot reach")
	in("cluster", "info", "--profile", "here").ok(broker.Addr)
	klammIn(t, append(env, "KLAMM_PROFILE=here"), "", "cluster", "info").ok(broker.Addr)
	in("profile", "use", "here").ok("using profile here")
	in("cluster", "info").ok(broker.Addr)
	e := in("profile", "show", "here", "-o", "json").ok(`"client.id": "a"`)
	if strings.Contains(e.stdout, "hush") {
		t.Errorf("it shows the password:\n%s", e.stdout)
	}
	in("profile", "show", "here", "--secrets").ok("hush")
	in("profile", "delete", "here").ok()
	in("profile", "use", "here").fails(1, "there is no profile here; there are there")
	klammIn(t, nil, "", "profile", "list").fails(1, "HOME")
}

// TestCompletion completes names that the cluster has.
func TestCompletion(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		klammIn(t, nil, "", "completion", shell).ok("__complete", "klamm")
	}
	// A shell does not wait long for a cluster, so a busy machine may get no names at first.
	await := func(what string, holds func(said string) bool, words ...string) {
		t.Helper()
		harness.Await(t, what, func() bool { return holds(klamm(t, append([]string{"__complete"}, words...)...).stdout) })
	}
	offers := func(said string) bool { return strings.Contains(said, name+"\n") }
	await("a topic", offers, "topic", "describe", "")
	await("no topic that is named already", func(said string) bool { return strings.Contains(said, ":4\n") && !offers(said) }, "topic", "describe", name, "")
	await("a topic of a configuration", offers, "config", "get", "topic", "")
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "a topic in a real bash", func() bool {
		cmd := exec.Command("bash", "-c", `source <("$0" completion bash); klamm() { "$KLAMM" "$@"; }
			COMP_LINE="klamm topic describe -b $AT "; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMP_KEY=9
			__start_klamm; printf '%s\n' "${COMPREPLY[@]}"`, binary)
		cmd.Env = append(os.Environ(), "KLAMM="+binary, "AT="+broker.Addr)
		out, err := cmd.CombinedOutput()
		return err == nil && offers(string(out))
	})
	await("a format", func(said string) bool { return strings.Contains(said, "yaml\n") }, "topic", "list", "-o", "")
	if said := klammIn(t, nil, "", "__complete", "topic", "describe", "-b", nobody(t), "").stdout; !strings.Contains(said, ":") || strings.Contains(said, name) {
		t.Errorf("without a broker: %q", said)
	}
}

// TestVersion holds that the build is named.
func TestVersion(t *testing.T) {
	klammIn(t, nil, "", "version").ok("klamm", "commit", "go1.")
	var v struct{ Version, Go, System string }
	klammIn(t, nil, "", "version", "-o", "json").json(&v)
	if v.Version == "" || !strings.HasPrefix(v.Go, "go1.") || !strings.Contains(v.System, "/") {
		t.Errorf("%+v", v)
	}
}
