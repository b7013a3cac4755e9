package config

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// TestAllThatIsWrongIsReportedAtOnce checks that Load reports every error. It used to end with the first one, and
// gave no warnings with it.
func TestAllThatIsWrongIsReportedAtOnce(t *testing.T) {
	file := write(t, "server.properties", strings.Join([]string{
		"num.partitions=many", "broker.rack=\\u00", "log.cleanup.policy=keep", "num.partitons=3", "listener.name.plaintext.max.connections=x",
		"zookeeper.connect=localhost:2181"}, "\n"))
	_, ws, err := Load(Options{File: file, Env: []string{"KLAMM_DELETE_TOPIC_ENABLE=yes", "KLAMM_NONSENSE=1"}, Sets: []string{"log.segment.bytes=1", "oops", "broker.id=x"}})
	var all LoadErrors
	if !errors.As(err, &all) || len(all) != 8 {
		t.Errorf("%d errors, want 8: %v", len(all), err)
	}
	for i, want := range []string{
		"server.properties:1: num.partitions: Invalid value many", "server.properties:2: malformed", "server.properties:3: log.cleanup.policy: Invalid value keep",
		"server.properties:5: listener.name.plaintext.max.connections: Invalid value x", "environment variable KLAMM_DELETE_TOPIC_ENABLE: delete.topic.enable: Invalid value yes",
		"--set oops: must be of the form", "--set broker.id: Invalid value x", "--set log.segment.bytes: Invalid value 1:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %d: no %q in\n%s", i, want, err)
		}
	}
	warnings := strings.Join(Lines(ws), "\n")
	for _, want := range []string{"num.partitons", "zookeeper.connect", "KLAMM_NONSENSE"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning about %s in\n%s", want, warnings)
		}
	}
}

// TestContradictionsAreReportedAtOnce checks that Load reports every contradiction, except those that follow from
// another error.
func TestContradictionsAreReportedAtOnce(t *testing.T) {
	_, _, err := Load(Options{Sets: []string{"listeners=A,PLAINTEXT://:99999,B://:1", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT",
		"log.retention.hours=0", "queued.max.request.bytes=1", "max.connections.per.ip.overrides=a,b:x"}})
	if err == nil || strings.Count(err.Error(), "\n") != 6 {
		t.Errorf("want 7 errors:\n%v", err)
	}
	_, _, err = Load(Options{Sets: []string{"reserved.broker.max.id=x", "broker.id=2000"}})
	if err == nil || strings.Contains(err.Error(), "not greater than") {
		t.Errorf("want one error, about the number alone:\n%v", err)
	}
	_, _, err = Load(Options{Sets: []string{"listener.security.protocol.map=A", "listeners=X://:1"}})
	if err == nil || strings.Contains(err.Error(), "no security protocol;") {
		t.Errorf("want one error, about the map alone:\n%v", err)
	}
}

// TestNoNameStandsTwiceInALine checks that no error names a property twice, as "--set listeners: listeners: ..."
// did.
func TestNoNameStandsTwiceInALine(t *testing.T) {
	values := map[string]string{"num.partitions": "many", "listeners": "X", "advertised.listeners": "B://x:1", "listener.security.protocol.map": "A", "log.retention.ms": "0",
		"inter.broker.listener.name": "X", "security.inter.broker.protocol": "SSL", "max.connections.per.ip.overrides": "a", "max.connections.per.ip": "0", "broker.id": "5000",
		"compression.type": "x", "inter.broker.protocol.version": "x", "log.dirs": "", "queued.max.request.bytes": "1", "zookeeper.connect": "x", "process.roles": "broker",
		"foo.bar": "1", "listener.name.x.max.connections": "1", "controlled.shutdown.max.retries": "1", "config.providers": "a", "replica.socket.timeout.ms": "1"}
	for name, value := range values {
		for _, o := range []Options{
			{Sets: []string{name + "=" + value}},
			{Env: []string{EnvPrefix + foldEnv(name) + "=" + value}},
			{File: write(t, "server.properties", name+"="+value+"\n")},
		} {
			_, ws, err := Load(o)
			lines := Lines(ws)
			if err != nil {
				lines = append(lines, strings.Split(err.Error(), "\n")...)
			}
			if len(lines) == 0 {
				t.Errorf("%s=%s: nothing is reported", name, value)
			}
			for _, line := range lines {
				for _, subject := range []string{name, EnvPrefix + foldEnv(name)} {
					if regexp.MustCompile(`(^|[ :])` + regexp.QuoteMeta(subject) + `: (.*: )?` + regexp.QuoteMeta(subject) + `(:| )`).MatchString(line) {
						t.Errorf("named twice: %s", line)
					}
				}
			}
		}
	}
}

// TestListenersOwnProperties checks the warnings about properties of a listener that is not there, or whose name
// is in capitals, and about unknown properties. They had no effect, and klamm gave no warning.
func TestListenersOwnProperties(t *testing.T) {
	b, ws := mustLoad(t, Options{Sets: []string{"listener.name.PLAINTEXT.max.connections=5", "listener.name.other.max.connections=5", "listener.name.plaintext.no.such.thing=1"},
		Env: []string{"KLAMM_LISTENER_NAME_PLAINTEXT_MAX_CONNECTIONS=7"}})
	if got := b.Values().ListenerInt("PLAINTEXT", "max.connections"); got != 7 {
		t.Errorf("max.connections = %d", got)
	}
	all := strings.Join(Lines(ws), "\n")
	for _, want := range []string{"--set listener.name.PLAINTEXT.max.connections: klamm opens no listener", "--set listener.name.other.max.connections: klamm opens no listener",
		"--set listener.name.plaintext.no.such.thing: no.such.thing is no property"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if len(ws) != 3 {
		t.Errorf("%d warnings:\n%s", len(ws), all)
	}
}

// TestWhatIsOpenIsSaid checks that a line of its own says that every client may do everything. klamm used to name
// the property in a line with many others.
func TestWhatIsOpenIsSaid(t *testing.T) {
	_, ws := mustLoad(t, Options{Sets: []string{"authorizer.class.name=kafka.security.authorizer.AclAuthorizer", "super.users=User:a", "create.topic.policy.class.name=x.Y"}})
	all := strings.Join(Lines(ws), "\n")
	for _, want := range []string{"--set authorizer.class.name: known, not served yet: klamm has no authorizer; every client may do everything",
		"--set super.users: is for the class in authorizer.class.name", "--set create.topic.policy.class.name: known, not served yet: klamm runs no Java class"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}
