package config

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestDynamicLevels(t *testing.T) {
	d := goldenDynamic(t)
	var changes []Change
	cancel := d.OnChange(func(c Change) { changes = append(changes, c) })

	if errs := d.SetDefault(map[string]string{"log.retention.ms": "8000", "message.max.bytes": "5"}); len(errs) > 0 {
		t.Fatal(errs)
	}
	if got := d.Current().Long("log.retention.ms"); got != 8000 {
		t.Errorf("log.retention.ms = %d", got)
	}
	if errs := d.SetBroker(map[string]string{"log.retention.ms": "7000"}); len(errs) > 0 {
		t.Fatal(errs)
	}
	if topic, _ := d.Topic(nil); topic.RetentionMs != 7000 || topic.MaxMessageBytes != 5 {
		t.Errorf("topic's retention %d, message bytes %d: this broker's level must win, and that of all count", topic.RetentionMs, topic.MaxMessageBytes)
	}
	d.SetBroker(nil)
	if got := d.Current().Long("log.retention.ms"); got != 8000 {
		t.Errorf("after the broker's level is gone log.retention.ms = %d", got)
	}
	d.SetBroker(nil) // nothing changes, nobody hears of it
	d.SetDefault(nil)
	if !d.Current().Null("log.retention.ms") || d.Current().Int("log.retention.hours") != 48 {
		t.Error("the file's log.retention.hours does not count again")
	}
	if len(changes) != 4 {
		t.Fatalf("%d changes told, want 4", len(changes))
	}
	first := changes[0]
	if want := []string{"log.retention.hours", "log.retention.ms", "message.max.bytes"}; !slices.Equal(first.Names, want) {
		t.Errorf("names = %v, want %v", first.Names, want)
	}
	if !first.Has("x", "message.max.bytes") || first.Has("num.partitions") || !first.Old.Null("log.retention.ms") || first.New.Null("log.retention.ms") {
		t.Errorf("change = %+v", first.Names)
	}
	cancel()
	d.SetDefault(map[string]string{"message.max.bytes": "6"})
	if len(changes) != 4 {
		t.Error("a change was told after cancel")
	}
}

func TestDynamicFromTheTreeIsChecked(t *testing.T) {
	d := goldenDynamic(t)
	errs := d.SetDefault(map[string]string{
		"message.max.bytes": "9", "broker.rack": "r", "log.segment.bytes": "x", "listeners": "PLAINTEXT://:1", "log.cleaner.threads": "-1",
	})
	if len(errs) != 4 {
		t.Errorf("errors = %v, want one for each of four", errs)
	}
	v := d.Current()
	if v.Int("message.max.bytes") != 9 || v.Int("log.segment.bytes") != 536870912 || !v.Null("broker.rack") || v.Int("log.cleaner.threads") != 1 {
		t.Error("what is valid does not count, or what is not does")
	}
	errs = d.SetBroker(map[string]string{"log.retention.ms": "0"})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "not applied") || !d.Current().Null("log.retention.ms") {
		t.Errorf("a contradiction was applied: %v", errs)
	}
}

// TestListenersInTheTreeAreReported: klamm opened the listeners of its file, and nothing said that the tree had others, which Apache's broker takes.
func TestListenersInTheTreeAreReported(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{"listeners=PLAINTEXT://h1:9092"}})
	d := NewDynamic(b, 1)
	inTree := map[string]string{"listeners": "PLAINTEXT://h1:9092", "advertised.listeners": "PLAINTEXT://h9:9092", "log.cleaner.threads": "2"}
	errs := d.SetBroker(inTree)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "dynamic configuration advertised.listeners does not count") || d.Current().Int("log.cleaner.threads") != 2 {
		t.Errorf("errors = %v, log.cleaner.threads = %d", errs, d.Current().Int("log.cleaner.threads"))
	}
	// They stay in the tree when something else is changed.
	threads := "3"
	next, err := d.AlterBroker("1", inTree, []Op{{Name: "log.cleaner.threads", Kind: Set, Value: &threads}})
	if err != nil || next["log.cleaner.threads"] != threads || next["advertised.listeners"] != inTree["advertised.listeners"] {
		t.Errorf("the tree has %v then, %v", next, err)
	}
}

func TestTopicValues(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{"log.retention.minutes=2", "log.roll.hours=3", "log.retention.hours=9", "log.flush.scheduler.interval.ms=77",
		"log.message.timestamp.difference.max.ms=1000", "log.message.timestamp.after.max.ms=60000", "min.insync.replicas=2"}})
	d := NewDynamic(b, 1)
	topic, errs := d.Topic(map[string]string{"cleanup.policy": "compact", "max.compaction.lag.ms": "5000", "segment.bytes": "no", "unheard.of": "1", "index.interval.bytes": "8"})
	if len(errs) != 2 {
		t.Errorf("errors = %v, want one for the bad and one for the unknown override", errs)
	}
	if topic.SegmentBytes != 1<<30 || topic.SegmentMs != 3*msPerHour || topic.RetentionMs != 2*msPerMinute || topic.FlushMs != 77 ||
		topic.MinInSyncReplicas != 2 || topic.IndexIntervalBytes != 8 || topic.IndexBytes != 10<<20 {
		t.Errorf("topic = %+v", topic)
	}
	if topic.TimestampBeforeMaxMs != 1000 || topic.TimestampAfterMaxMs != 60000 {
		t.Errorf("bounds on timestamps %d, %d", topic.TimestampBeforeMaxMs, topic.TimestampAfterMaxMs)
	}
	if topic.Delete || !topic.Compact || topic.RollMs() != 5000 {
		t.Errorf("delete %v, compact %v, roll %d", topic.Delete, topic.Compact, topic.RollMs())
	}
	if plain, _ := d.Topic(nil); !plain.Delete || plain.Compact || plain.RollMs() != 3*msPerHour || plain.FlushMessages != math.MaxInt64 {
		t.Errorf("plain = %+v", plain)
	}
	b, _ = mustLoad(t, Options{Sets: []string{"log.retention.ms=-5"}})
	if topic, errs := NewDynamic(b, 1).Topic(nil); topic.RetentionMs != -1 || len(errs) != 0 {
		t.Errorf("retention %d, %v: every negative number is for ever", topic.RetentionMs, errs)
	}
}

// TestOverridesWereDroppedWithABadBrokerSetting: a broker may start with some settings that no topic may have. A topic without an
// override of such a setting lost its other overrides, retention and cleanup.policy too, and the broker's good settings.
func TestOverridesWereDroppedWithABadBrokerSetting(t *testing.T) {
	b, _ := mustLoad(t, Options{Sets: []string{"log.flush.interval.ms=-1", "log.retention.ms=5"}})
	topic, errs := NewDynamic(b, 1).Topic(map[string]string{"retention.bytes": "7", "cleanup.policy": "compact"})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "flush.ms") {
		t.Errorf("errors = %v, want one about flush.ms", errs)
	}
	if topic.RetentionBytes != 7 || !topic.Compact || topic.Delete || topic.RetentionMs != 5 || topic.FlushMs != math.MaxInt64 {
		t.Errorf("topic = %+v", topic)
	}
}

func TestCreateTopicRefuses(t *testing.T) {
	d := goldenDynamic(t)
	str := func(s string) *string { return &s }
	for _, c := range []struct {
		overrides map[string]*string
		want      string
	}{
		{map[string]*string{"retention.ms": nil, "flush.ms": nil}, "Null value not supported for topic configs: flush.ms,retention.ms"},
		{map[string]*string{"x": str("1")}, "Unknown topic config name: x"},
		{map[string]*string{"retention.ms": str("x")}, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{map[string]*string{"retention.ms": str("1")}, ""},
	} {
		next, err := d.CreateTopic(c.overrides)
		if got := errText(err); got != c.want || (err == nil) != (next != nil) {
			t.Errorf("%v: %q, want %q", c.overrides, got, c.want)
		}
	}
}

func TestListenersAreNotChangedYet(t *testing.T) {
	d := goldenDynamic(t)
	value := "PLAINTEXT://x:1"
	for _, name := range []string{"advertised.listeners", "listener.name.plaintext.ssl.client.auth", "listener.name.plaintext.scram-sha-256.sasl.jaas.config"} {
		v := value
		if strings.HasSuffix(name, "client.auth") {
			v = "none"
		}
		_, err := d.AlterBroker("1", nil, []Op{{name, Set, &v}})
		if !strings.Contains(errText(err), "klamm cannot change "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestJavaDouble(t *testing.T) {
	for f, want := range map[float64]string{0.5: "0.5", 0: "0.0", 1: "1.0", 9999999: "9999999.0", 1e7: "1.0E7", 0.001: "0.001",
		0.00012: "1.2E-4", math.MaxFloat64: "1.7976931348623157E308", -25e8: "-2.5E9", math.Inf(-1): "-Infinity"} {
		if got := javaDouble(f); got != want {
			t.Errorf("%v is printed %s, want %s", f, got, want)
		}
	}
	for _, s := range []string{"0x1p3", "1_0", "inf", "nan", "", "1.5x"} {
		if _, ok := parseDouble(s); ok {
			t.Errorf("%q is read as a number", s)
		}
	}
	for s, want := range map[string]float64{"1.5d": 1.5, ".25": .25, "1e3f": 1000, "-Infinity": math.Inf(-1)} {
		if got, ok := parseDouble(s); !ok || got != want {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}

func TestVersions(t *testing.T) {
	for s, want := range map[string]string{"3.9": "3.9-IV0", "3.9.2": "3.9-IV0", "0.10.1": "0.10.1-IV2", "0.10.0.1": "0.10.0-IV1", "2.8-IV0": "2.8-IV0", "0.8.2.1": "0.8.2"} {
		if got, ok := findVersion(s); !ok || got != want {
			t.Errorf("%s means %q, want %q", s, got, want)
		}
	}
	for _, s := range []string{"", "3", "9.9", "3.9-IV7"} {
		if got, ok := findVersion(s); ok {
			t.Errorf("%q means %q", s, got)
		}
	}
}

// TestThrottlesAreDynamicOnly sets a rate that no file can set. It follows what the tree holds, and what the tree
// holds for one broker overrides what it holds for all.
func TestThrottlesAreDynamicOnly(t *testing.T) {
	const rate = "replica.alter.log.dirs.io.max.bytes.per.second"
	b, _ := mustLoad(t, Options{Sets: []string{rate + "=7"}})
	d := NewDynamic(b, 1)
	told := 0
	d.OnChange(func(c Change) {
		told++
		if !c.Has(rate) {
			t.Errorf("told of %v", c.Names)
		}
	})
	for _, step := range []struct {
		all, broker string
		want        float64
	}{{"", "", 0}, {"1000", "", 1000}, {"1000", "20", 20}, {"", "0", 1}, {"", "9223372036854775807", 0}} {
		for _, level := range []struct {
			value string
			set   func(map[string]string) []error
		}{{step.all, d.SetDefault}, {step.broker, d.SetBroker}} {
			props := map[string]string{}
			if level.value != "" {
				props[rate] = level.value
			}
			if errs := level.set(props); len(errs) != 0 {
				t.Error(errs)
			}
		}
		if got := MoveBytesPerSecond(d.Current()); got != step.want {
			t.Errorf("all %q, broker %q: %g, want %g", step.all, step.broker, got, step.want)
		}
	}
	if told != 4 {
		t.Errorf("told %d times", told)
	}
}

// TestConfigProvidersAreNotChangedWhileRunning checks that klamm refuses such a change. klamm used to accept
// these properties as any unknown name, and they had no effect.
func TestConfigProvidersAreNotChangedWhileRunning(t *testing.T) {
	b, _ := mustLoad(t, Options{})
	d := NewDynamic(b, 1)
	for _, name := range []string{"config.providers", "config.providers.env.class"} {
		value := "x"
		if _, err := d.AlterBroker("1", nil, []Op{{Name: name, Value: &value}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
