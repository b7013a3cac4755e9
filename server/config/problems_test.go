package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAllThatIsWrongIsReportedAtOnce checks that Load reports every error. It used to end with the first one, and
// gave no warnings with it.
func TestAllThatIsWrongIsReportedAtOnce(t *testing.T) {
	file := write(t, "server.properties", strings.Join([]string{
		"num.partitions=many", "broker.rack=\\u00", "log.cleanup.policy=keep", "num.partitons=3", "listener.name.plaintext.max.connections=x",
		"process.roles=broker"}, "\n"))
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
	for _, want := range []string{"num.partitons", "process.roles", "KLAMM_NONSENSE"} {
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

// TestUnknownReplicaSelectorStopsTheStart checks that a class that klamm does not have is refused. It had no effect before.
func TestUnknownReplicaSelectorStopsTheStart(t *testing.T) {
	for value, ok := range map[string]bool{rackAwareSelector: true, "com.example.Nearest": false, "": false} {
		_, _, err := Load(Options{Sets: []string{"replica.selector.class=" + value}})
		if (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
		if err != nil && !strings.Contains(err.Error(), "--set replica.selector.class: may be "+rackAwareSelector) {
			t.Errorf("%q: the error does not name the property and the class: %v", value, err)
		}
	}
	if _, _, err := Load(Options{}); err != nil {
		t.Errorf("none: %v", err)
	}
}

// TestNoNameStandsTwiceInALine checks that no error names a property twice, as "--set listeners: listeners: ..."
// did.
func TestNoNameStandsTwiceInALine(t *testing.T) {
	values := map[string]string{"num.partitions": "many", "listeners": "X", "advertised.listeners": "B://x:1", "listener.security.protocol.map": "A", "log.retention.ms": "0",
		"inter.broker.listener.name": "X", "security.inter.broker.protocol": "SSL", "max.connections.per.ip.overrides": "a", "max.connections.per.ip": "0", "broker.id": "5000",
		"compression.type": "x", "inter.broker.protocol.version": "x", "log.dirs": "", "queued.max.request.bytes": "1", "process.roles": "broker",
		"foo.bar": "1", "listener.name.x.max.connections": "1", "background.threads": "1", "config.providers": "a", "replica.socket.timeout.ms": "1"}
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

// TestWhatIsOpenIsSaid checks that a line of its own says that a policy keeps nobody from anything. klamm used to name
// the property in a line with many others.
func TestWhatIsOpenIsSaid(t *testing.T) {
	_, ws := mustLoad(t, Options{Sets: []string{"super.users=User:a", "create.topic.policy.class.name=x.Y"}})
	all := strings.Join(Lines(ws), "\n")
	for _, want := range []string{"--set super.users: is for the class in authorizer.class.name", "--set create.topic.policy.class.name: known, not served yet: klamm runs no Java class"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

// TestSettingsThatNobodyWouldMissAreRefused checks that klamm does not start with a setting that it cannot do what it asks for. It started with an
// authorizer and let everybody do everything, with tiered storage and had none, and spoke 3.9 to brokers that speak something older.
func TestSettingsThatNobodyWouldMissAreRefused(t *testing.T) {
	all := []string{"authorizer.class.name=kafka.security.authorizer.AclAuthorizer", "remote.log.storage.system.enable=true",
		"zookeeper.metadata.migration.enable=true", "inter.broker.protocol.version=2.7-IV1", "zookeeper.connect=z:2181"}
	_, _, err := Load(Options{Sets: all})
	var errs LoadErrors
	if !errors.As(err, &errs) || len(errs) != 4 {
		t.Fatalf("%d errors, want all 4 at once: %v", len(errs), err)
	}
	for _, e := range errs {
		if !strings.Contains(err.Error(), "--set "+e.Name+": klamm ") {
			t.Errorf("%s is not named in\n%v", e.Name, err)
		}
	}
	for _, version := range []string{"2.6", "2.7-IV1", "0.10.0"} {
		_, ws, err := Load(Options{Sets: []string{"inter.broker.protocol.version=" + version, "zookeeper.connect=z:2181"}})
		if err == nil || !strings.Contains(err.Error(), "speaks 3.9-IV0 with the other brokers, and brokers with "+version) {
			t.Errorf("%s: %v", version, err)
		}
		if len(ws) > 0 { // that klamm starts all the same
			t.Errorf("%s is refused, and warned about: %v", version, ws)
		}
	}
	_, ws := mustLoad(t, Options{Sets: []string{"authorizer.class.name=", "remote.log.storage.system.enable=false", "zookeeper.metadata.migration.enable=false",
		"inter.broker.protocol.version=3.9", "zookeeper.connect=z:2181"}})
	if len(ws) > 0 {
		t.Errorf("warnings about what klamm does: %v", ws)
	}
	for _, version := range []string{"2.7", "3.8", "4.0-IV1"} {
		_, ws = mustLoad(t, Options{Sets: []string{"inter.broker.protocol.version=" + version, "zookeeper.connect=z:2181"}})
		if all := strings.Join(Lines(ws), "\n"); !strings.Contains(all, "inter.broker.protocol.version: klamm speaks 3.9-IV0 with the other brokers all the same") {
			t.Errorf("%s: %s", version, all)
		}
	}
	_, ws = mustLoad(t, Options{Sets: []string{"inter.broker.protocol.version=2.8"}})
	if all := strings.Join(Lines(ws), "\n"); !strings.Contains(all, "inter.broker.protocol.version: has no effect: this broker stands alone") {
		t.Errorf("a broker alone: %s", all)
	}
}

// TestIdleAreasAreParts checks that each reason for a whole part of the table has the title of a part. One whose title was changed gave no property a
// reason.
func TestIdleAreasAreParts(t *testing.T) {
	for title := range idleAreas {
		if !slices.Contains(areaTitles[:], title) {
			t.Errorf("no part is called %q", title)
		}
	}
}

// TestReadGivesWhatItCan checks that Read gives the settings that are right beside those that are not.
func TestReadGivesWhatItCan(t *testing.T) {
	b, _, errs := Read(Options{Sets: []string{"listeners=SASL_SSL://:9093", "log.dirs=/a,/b", "zookeeper.connect=z:2181/k", "broker.id=7"}})
	if len(errs) == 0 || b == nil || !slices.Equal(b.LogDirs(), []string{"/a", "/b"}) || b.ZooKeeper() == nil || b.ZooKeeper().Chroot != "/k" || b.ID() != 7 {
		t.Errorf("%v: %+v", errs, b)
	}
	b, _, errs = Read(Options{File: write(t, "x.yaml", "zookeeper.connect: z:2181/k\nbroker.rack: 2020-01-01\n")})
	if len(errs) != 1 || b.ZooKeeper() == nil || len(b.Listeners()) != 1 {
		t.Errorf("with a setting that cannot be read: %v: %+v", errs, b)
	}
}

// TestSettingsWithoutEffectAreTold checks which settings that klamm does not serve change nothing.
func TestSettingsWithoutEffectAreTold(t *testing.T) {
	for setting, idle := range map[string]bool{
		"num.io.threads=64": true, "request.timeout.ms=30000": true, "request.timeout.ms=5": false, "metric.reporters=x.Y": false, "metric.reporters=": true,
		"ssl.keystore.location=/k": true, "transaction.state.log.min.isr=1": true, "group.consumer.max.size=5": true, "process.roles=broker": false,
		"listener.name.plaintext.num.network.threads=5": true, "client.quota.callback.class=x.Y": false, "controller.quota.window.num=3": false, "alter.log.dirs.replication.quota.window.num=3": true,
	} {
		name, value, _ := strings.Cut(setting, "=")
		w, ok := Unserved(name, value)
		if !ok || w.Kind != NotServed || (w.Idle != "") != idle {
			t.Errorf("%s: %+v, %t", setting, w, ok)
		}
	}
	for setting, idle := range map[string]bool{"remote.storage.enable=true": false, "remote.storage.enable=false": true, "local.retention.ms=5": true} {
		name, value, _ := strings.Cut(setting, "=")
		if w, ok := UnservedTopic(name, value); !ok || (w.Idle != "") != idle {
			t.Errorf("a topic's %s: %+v, %t", setting, w, ok)
		}
	}
	for _, name := range []string{"log.retention.ms", "leader.replication.throttled.rate", "listener.name.x.max.connections"} {
		if w, ok := Unserved(name, "1"); ok {
			t.Errorf("%s is served: %+v", name, w)
		}
	}
	if w, ok := UnservedTopic("retention.ms", "1"); ok {
		t.Errorf("a topic's retention.ms is served: %+v", w)
	}
}
