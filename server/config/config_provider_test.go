package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenProviders are the cases of testdata/Providers.java, in which Apache Kafka replaced variables.
type goldenProviders struct {
	Files, Env map[string]string
	Cases      []struct {
		Text, Error string
		Values      map[string]string
	}
}

// writeProviderFiles writes the files that the providers of the cases read, and gives their folder.
func writeProviderFiles(t *testing.T, g goldenProviders) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range g.Files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "DIR", dir)
		if name == "latin1" {
			text = strings.ReplaceAll(text, "é", "\xe9")
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (g goldenProviders) environ() []string {
	var env []string
	for name, value := range g.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// TestConfigProvidersAreThoseOfKafka compares the variables that klamm replaces with those that Apache Kafka
// replaces. klamm used to take config.providers for no property of Kafka, and left every ${...} as it was.
func TestConfigProvidersAreThoseOfKafka(t *testing.T) {
	var g goldenProviders
	readGolden(t, "providers-3.9.2.json", &g)
	dir := writeProviderFiles(t, g)
	if len(g.Cases) < 100 {
		t.Errorf("only %d cases", len(g.Cases))
	}
	for _, c := range g.Cases {
		file := write(t, "server.properties", strings.ReplaceAll(c.Text, "DIR", dir))
		b, _, err := Load(Options{File: file, Env: g.environ()})
		if (err != nil) != (c.Error != "") {
			t.Errorf("%q: error %v, Kafka's is %q", c.Text, err, c.Error)
		}
		if err != nil || c.Error != "" {
			continue
		}
		got := map[string]string{}
		for name, value := range b.given {
			if !isProviderProperty(name) {
				got[name] = strings.ReplaceAll(value, dir, "DIR")
			}
		}
		if !maps.Equal(got, c.Values) {
			t.Errorf("%q: %v, by Kafka %v", c.Text, got, c.Values)
		}
	}
}

const envProviderClass = providerPackage + "EnvVarConfigProvider"

// TestConfigProvidersCountInEveryPlace configures a provider in one place and uses its variables in another.
func TestConfigProvidersCountInEveryPlace(t *testing.T) {
	properties := "config.providers=myEnv\nconfig.providers.myEnv.class=" + envProviderClass + "\nlog.dirs=${myEnv:DATA_DIR}\n"
	yaml := "config:\n  providers: myEnv\nconfig.providers.myEnv.class: " + envProviderClass + "\nlog: {dirs: ['${myEnv:DATA_DIR}']}\n"
	toml := "config.providers = \"myEnv\"\n\"config.providers.myEnv.class\" = \"" + envProviderClass + "\"\n[log]\ndirs = [\"${myEnv:DATA_DIR}\"]\n"
	for name, text := range map[string]string{"k.properties": properties, "k.yaml": yaml, "k.toml": toml} {
		for where, o := range map[string]Options{
			"file":         {},
			"environment":  {Env: []string{"KLAMM_LOG_DIRS=${myEnv:DATA_DIR}"}},
			"command line": {Sets: []string{"log.dirs=${myEnv:DATA_DIR}"}},
		} {
			o.File = write(t, name, text)
			o.Env = append(o.Env, "DATA_DIR=/data")
			b, ws := mustLoad(t, o)
			if got := b.LogDirs(); len(got) != 1 || got[0] != "/data" || len(ws) > 0 {
				t.Errorf("%s, %s: log dirs %v, warnings %v", name, where, got, ws)
			}
		}
	}
	for where, o := range map[string]Options{
		"environment": {Env: []string{"KLAMM_CONFIG_PROVIDERS=env,my-env", "KLAMM_CONFIG_PROVIDERS_ENV_CLASS=" + envProviderClass, "KLAMM_CONFIG_PROVIDERS_MY_ENV_CLASS=" + envProviderClass,
			"KLAMM_CONFIG_PROVIDERS_ENV_PARAM_ALLOWLIST_PATTERN=DATA_.*", "KLAMM_BROKER_RACK=${my-env:RACK}${env:RACK}", "KLAMM_LOG_DIRS=${env:DATA_DIR}"}},
		"command line": {Sets: []string{"config.providers=env,my-env", "config.providers.env.class=" + envProviderClass, "config.providers.my-env.class=" + envProviderClass,
			"config.providers.env.param.allowlist.pattern=DATA_.*", "broker.rack=${my-env:RACK}${env:RACK}", "log.dirs=${env:DATA_DIR}"}},
	} {
		o.Env = append(o.Env, "DATA_DIR=/data", "RACK=r1")
		b, ws := mustLoad(t, o)
		if got := b.LogDirs()[0]; got != "/data" {
			t.Errorf("%s: log dir %q", where, got)
		}
		if got := b.Values().String("broker.rack"); got != "r1${env:RACK}" {
			t.Errorf("%s: rack %q", where, got)
		}
		if all := strings.Join(Lines(ws), "\n"); len(ws) != 1 || !strings.Contains(all, `broker.rack: ${env:RACK} stays as it is: the provider has no key "RACK"`) {
			t.Errorf("%s: warnings %s", where, all)
		}
	}
}

// TestWhatAProviderGivesIsNotShown checks that no error or warning quotes the value that a provider gave: it may
// be a secret in the wrong property.
func TestWhatAProviderGivesIsNotShown(t *testing.T) {
	for _, name := range []string{"num.partitions", "compression.type", "listeners", "advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name",
		"max.connections.per.ip.overrides", "inter.broker.protocol.version", "listener.name.plaintext.max.connections", "cleanup.policy", "log.cleanup.policy", "log.dirs", "no.such.thing", "ssl.keystore.password"} {
		_, ws, err := Load(Options{Env: []string{"SECRET=Hunter2!"},
			Sets: []string{"config.providers=env", "config.providers.env.class=" + envProviderClass, name + "=${env:SECRET}"}})
		text := strings.Join(Lines(ws), "\n")
		if err != nil {
			text += "\n" + err.Error()
		}
		if strings.Contains(strings.ToLower(text), "hunter2") {
			t.Errorf("%s: the secret is shown: %s", name, text)
		}
	}
	_, _, err := Load(Options{Env: []string{"SECRET=Hunter2!"},
		Sets: []string{"config.providers=env", "config.providers.env.class=" + envProviderClass, "num.partitions=${env:SECRET}"}})
	if err == nil || !strings.Contains(err.Error(), "Invalid value ${env:SECRET}: Not a number") {
		t.Errorf("error = %v", err)
	}
}

// TestPartsOfWhatAProviderGaveWereShown: only a value as a whole was looked for in an error, and only that of the property that the error
// is about. Errors and warnings quote single listeners and names too, and values of other properties.
func TestPartsOfWhatAProviderGaveWereShown(t *testing.T) {
	const m = "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,HUNTER2:PLAINTEXT,HUNTER3:SSL"
	for _, c := range []struct {
		secret string
		sets   []string
	}{
		{"PLAINTEXT://:9092,hunter2", []string{"listeners=${env:SECRET}"}},
		{`hunter2"`, []string{"listeners=${env:SECRET}"}},
		{"PLAINTEXT://:hunter2", []string{"listeners=${env:SECRET}"}},
		{"Hunter2", []string{"listeners=${env:SECRET}://:1,${env:SECRET}://:2", m}},
		{"HUNTER2://:1", []string{"listeners=${env:SECRET}", m}}, // security.inter.broker.protocol names none of the listeners
		{"HUNTER2://:1", []string{"listeners=PLAINTEXT://:1,${env:SECRET}", m}},
		{"HUNTER2://:1", []string{"listeners=PLAINTEXT://:2,${env:SECRET}", m, "controller.listener.names=HUNTER2"}},
		{"HUNTER2://:3", []string{"advertised.listeners=PLAINTEXT://x:1,${env:SECRET}", m}},
		{"HUNTER3://:1", []string{"listeners=PLAINTEXT://:2,${env:SECRET}", m}},
		{"hunter2://x:99999,hunter2://x", []string{"advertised.listeners=${env:SECRET}", m}},
		{"PLAINTEXT:hunter2,hunter2", []string{"listener.security.protocol.map=${env:SECRET}"}},
		{"a:1,hunter2:x", []string{"max.connections.per.ip.overrides=${env:SECRET}"}},
		{"hunter2", []string{"inter.broker.protocol.version=${env:SHORT}${env:SECRET}"}},
		{"hunter2", []string{"inter.broker.listener.name=x${env:SECRET}y", m}},
	} {
		_, ws, err := Load(Options{Env: []string{"SECRET=" + c.secret, "SHORT=hunter"},
			Sets: append(c.sets, "config.providers=env", "config.providers.env.class="+envProviderClass)})
		shown := 0
		for _, w := range ws {
			if strings.Contains(strings.ToLower(w.Text), "hunter") {
				t.Errorf("%s: a warning shows it: %s", c.secret, w)
			}
			shown += strings.Count(w.Text, "${env:SECRET}")
		}
		if err != nil {
			if strings.Contains(strings.ToLower(err.Error()), "hunter") {
				t.Errorf("%s: an error shows it: %s", c.secret, err)
			}
			shown += strings.Count(err.Error(), "${env:SECRET}")
		}
		if shown == 0 {
			t.Errorf("%s: nothing quotes the value as it was written: %v, %v", c.secret, ws, err)
		}
	}
}

func TestUnknownConfigProviderStopsTheStart(t *testing.T) {
	_, _, err := Load(Options{File: write(t, "server.properties", "config.providers=vault,env\nconfig.providers.vault.class=com.example.Vault\n"+
		"config.providers.env.class="+envProviderClass+"\nconfig.providers.env.param.allowlist.pattern=(\nlog.dirs=${env:A:B}\n")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`server.properties:2: config.providers.vault.class: klamm has no config provider "com.example.Vault"; it has ` + providerPackage + "DirectoryConfigProvider",
		"server.properties:4: config.providers.env.param.allowlist.pattern: \"(\" is not a pattern",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%s", want, err)
		}
	}
}

func TestPropertiesOfProvidersThatDoNothing(t *testing.T) {
	_, ws := mustLoad(t, Options{File: write(t, "server.properties", "config.providers=env, file\nconfig.providers.env.class="+envProviderClass+
		"\nconfig.providers.file.class=x\nconfig.providers.env.param.allowed.path=/x\nlog.dirs=/a/${env:HOME}${file:/a:b}${secrets:a:b}\n"), Env: []string{"HOME=h"}})
	all := strings.Join(Lines(ws), "\n")
	for _, want := range []string{
		`:1: config.providers: " file" has no class (config.providers. file.class); its variables stay as they are`,
		":3: config.providers.file.class: no config provider takes it; it has no effect",
		":4: config.providers.env.param.allowed.path: no config provider takes it; it has no effect",
		`:5: log.dirs: ${file:/a:b} stays as it is: config.providers names no provider "file"`,
		`:5: log.dirs: ${secrets:a:b} stays as it is: config.providers names no provider "secrets"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in\n%s", want, all)
		}
	}
}

// TestPatternsThatJavaReadsOtherwise checks that klamm refuses them: in Go they might allow other names.
func TestPatternsThatJavaReadsOtherwise(t *testing.T) {
	for _, pattern := range []string{"[a-z&&[^b]]", "[a[bc]]", "(?=A).*", `(a)\1`, "a++", `\v`, `\sA`, `\Qa\E`, "{", "a{,2}", "(", "a)|(b"} {
		if _, err := javaPattern(pattern); err == nil {
			t.Errorf("%s is not refused", pattern)
		}
	}
	for pattern, match := range map[string]bool{"KT_.*": true, "T_A": false, "KT_A|B": true, "B|KT_A": true, `[\[\]K]T_\w{1,2}`: true, "^KT_A$": true, "(?m)^KT_A$": true, "": false, "[]K]T_A": true} {
		re, err := javaPattern(pattern)
		if err != nil || re.MatchString("KT_A") != match {
			t.Errorf("%s: %v, want a match: %t", pattern, err, match)
		}
	}
}
