package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
)

// The golden files hold what Apache Kafka 3.9.2 says; testdata/golden.sh makes them again.

func readGolden(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

type goldenProperty struct {
	Name, Type, Importance string
	Default, Validator     *string
	Internal               bool
	Synonyms               []string
}

// saysOtherwise has the properties whose validator describes itself in other words than Apache Kafka's on
// purpose, and klamm's words.
var saysOtherwise = map[string]string{
	// Ours names what is allowed, Kafka's a default.
	"remote.log.manager.copier.thread.pool.size":     "-1 or [1,...]",
	"remote.log.manager.expiration.thread.pool.size": "-1 or [1,...]",
}

func TestTableIsThatOfKafka(t *testing.T) {
	var golden struct {
		Broker, Topic []goldenProperty
		Modes         map[string]string
	}
	readGolden(t, "properties-3.9.2.json", &golden)
	kafkas := slices.DeleteFunc(BrokerProperties(), (*Property).Own)
	if len(golden.Broker) != len(kafkas) || len(golden.Topic) != len(TopicProperties()) {
		t.Errorf("%d broker and %d topic properties, Kafka has %d and %d",
			len(kafkas), len(TopicProperties()), len(golden.Broker), len(golden.Topic))
	}
	for _, g := range golden.Broker {
		p, ok := LookupBroker(g.Name)
		if !ok {
			t.Errorf("%s is missing", g.Name)
			continue
		}
		compareProperty(t, p, g)
		if want := golden.Modes[g.Name]; want != "" && want != p.Mode.String() || want == "" && p.Mode != ReadOnly {
			t.Errorf("%s: mode %s, want %s", g.Name, p.Mode, want)
		}
	}
	for _, g := range golden.Topic {
		p, ok := LookupTopic(g.Name)
		if !ok {
			t.Errorf("%s is missing", g.Name)
			continue
		}
		compareProperty(t, p, g)
		var names []string
		for _, f := range p.Fallback {
			names = append(names, f.Name)
		}
		if strings.Join(names, ",") != strings.Join(g.Synonyms, ",") {
			t.Errorf("%s falls back to %v, want %v", g.Name, names, g.Synonyms)
		}
	}
}

func compareProperty(t *testing.T, p *Property, g goldenProperty) {
	t.Helper()
	if p.Type.String() != g.Type || !strings.EqualFold(p.Importance.String(), g.Importance) || p.Internal != g.Internal {
		t.Errorf("%s: %s %s internal=%v, want %s %s internal=%v", p.Name, p.Type, p.Importance, p.Internal, g.Type, g.Importance, g.Internal)
	}
	if !reflect.DeepEqual(p.Default, g.Default) {
		t.Errorf("%s: another default than Kafka's", p.Name)
	}
	want := ""
	if g.Validator != nil {
		_, want, _ = strings.Cut(*g.Validator, "|")
	}
	if other, ok := saysOtherwise[p.Name]; ok {
		want = other
	}
	got := ""
	if p.Valid != nil {
		got = p.Valid.String()
	}
	if got != want {
		t.Errorf("%s allows %q, want %q", p.Name, got, want)
	}
	if len(p.Doc) < 15 || !strings.HasSuffix(p.Doc, ".") {
		t.Errorf("%s is not described: %q", p.Name, p.Doc)
	}
	if _, err := p.resolve(p.Default); err != nil {
		t.Errorf("%s: its own default is refused: %v", p.Name, err)
	}
}

type goldenEntry struct {
	Name, Source, Type  string
	Value               *string
	ReadOnly, Sensitive bool
	Synonyms            []goldenSynonym
}

type goldenSynonym struct {
	Name, Source string
	Value        *string
}

var sourceNames = map[ConfigSource]string{
	TopicConfig: "DYNAMIC_TOPIC_CONFIG", DynamicBrokerConfig: "DYNAMIC_BROKER_CONFIG", DynamicDefaultConfig: "DYNAMIC_DEFAULT_BROKER_CONFIG",
	StaticBrokerConfig: "STATIC_BROKER_CONFIG", DefaultConfig: "DEFAULT_CONFIG",
}

func asGolden(entries []Entry) []goldenEntry {
	var out []goldenEntry
	for _, e := range entries {
		g := goldenEntry{Name: e.Name, Source: sourceNames[e.Source], Type: e.Type.String(), Value: e.Value, ReadOnly: e.ReadOnly, Sensitive: e.Sensitive, Synonyms: []goldenSynonym{}}
		for _, y := range e.Synonyms {
			g.Synonyms = append(g.Synonyms, goldenSynonym{y.Name, sourceNames[y.Source], y.Value})
		}
		out = append(out, g)
	}
	return out
}

func compareEntries(t *testing.T, file string, got []Entry) {
	t.Helper()
	var want []goldenEntry
	readGolden(t, file, &want)
	sort.Slice(want, func(i, j int) bool { return want[i].Name < want[j].Name })
	ours := map[string]goldenEntry{}
	for _, e := range asGolden(got) {
		ours[e.Name] = e
	}
	if len(ours) != len(want) || len(got) != len(want) {
		t.Errorf("%s: %d entries, want %d", file, len(got), len(want))
	}
	for _, w := range want {
		g, ok := ours[w.Name]
		if a, b := asJSON(t, g), asJSON(t, w); !ok || a != b {
			t.Errorf("%s: %s\n got %s\nwant %s", file, w.Name, a, b)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// goldenTopic has the overrides with which testdata/Golden.java creates its topic.
var goldenTopic = map[string]string{"segment.bytes": " 1048576 ", "cleanup.policy": "compact, delete", "min.cleanable.dirty.ratio": ".25", "retention.ms": "1000"}

func goldenDynamic(t *testing.T) *Dynamic {
	t.Helper()
	b, _ := mustLoad(t, Options{File: filepath.Join("testdata", "server.properties")})
	return NewDynamic(b, b.ID())
}

func TestDescribeIsThatOfKafka(t *testing.T) {
	d := goldenDynamic(t)
	all := DescribeOptions{Synonyms: true}
	compareEntries(t, "describeconfigs-3.9.2-broker.json", d.DescribeBroker(all))
	compareEntries(t, "describeconfigs-3.9.2-topic.json", d.DescribeTopic(goldenTopic, all))
	compareEntries(t, "describeconfigs-3.9.2-plaintopic.json", d.DescribeTopic(nil, all))
}

func TestDescribeOptions(t *testing.T) {
	d := goldenDynamic(t)
	got := d.DescribeTopic(goldenTopic, DescribeOptions{Names: []string{"retention.ms", "no.such.thing", "segment.ms"}, Documentation: true})
	if len(got) != 2 || got[0].Name != "retention.ms" || got[1].Name != "segment.ms" {
		t.Fatalf("entries = %v", got)
	}
	if got[0].Synonyms != nil || got[0].Documentation == nil || !strings.Contains(*got[0].Documentation, "kept") || got[0].IsDefault || !got[1].IsDefault {
		t.Errorf("entry = %+v", got[0])
	}
	if got := d.DescribeBroker(DescribeOptions{Names: []string{"num.partitions"}}); len(got) != 1 || got[0].Documentation != nil {
		t.Errorf("entries = %v", got)
	}
}

type goldenAlter struct {
	Case, Type, Resource, Error, Message string
	Ops                                  []struct {
		Name, Op string
		Value    *string
	}
}

// answersOtherwise has the cases in which klamm deliberately answers something else than Apache Kafka 3.9.2, with
// klamm's answer and the reason.
var answersOtherwise = map[string]struct{ error, message, why string }{
	"append to an unknown property":        {"INVALID_CONFIG", "Unknown config name: no.such.thing", "Kafka fails inside"},
	"append to an unknown broker property": {"INVALID_CONFIG", "Unknown config name: no.such.thing", "Kafka fails inside"},
	"append to a rate":                     {"INVALID_CONFIG", "Config value append is not allowed for config key: leader.replication.throttled.rate", "Kafka fails inside"},
	"too many threads":                     {"INVALID_REQUEST", "Dynamic thread count update validation failed for num.io.threads=100, value should not be greater than double the current value 4", "Kafka wraps the sentence in a class name"},
	"too few threads":                      {"INVALID_REQUEST", "Dynamic thread count update validation failed for num.io.threads=1, value should be at least half the current value 4", "Kafka wraps the sentence in a class name"},
	"another broker":                       {"INVALID_REQUEST", "Unexpected broker id, expected 1, but received 2", "Kafka's client does not even ask"},
	"not a broker":                         {"INVALID_REQUEST", "Node id must be an integer, but it is: x", "Kafka's client does not even ask"},
	"topic that does not exist":            {"", "", "the caller looks for the topic"},
}

func TestAlterIsThatOfKafka(t *testing.T) {
	var cases []goldenAlter
	readGolden(t, "alterconfigs-3.9.2.json", &cases)
	d := goldenDynamic(t)
	held := map[string]map[string]string{"TOPIC golden": goldenTopic, "BROKER 1": nil, "BROKER ": nil}
	kinds := map[string]OpKind{"SET": Set, "DELETE": Delete, "APPEND": Append, "SUBTRACT": Subtract}
	kept := map[string]bool{"set to compact": true, "append delete": true, "append again": true, "subtract": true, "set for this broker": true, "set for all": true}
	if len(cases) < 60 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		var ops []Op
		for _, o := range c.Ops {
			ops = append(ops, Op{o.Name, kinds[o.Op], o.Value})
		}
		key := c.Type + " " + c.Resource
		var next map[string]string
		var err error
		if c.Type == "TOPIC" {
			next, err = d.AlterTopic(c.Resource, held[key], ops)
		} else {
			next, err = d.AlterBroker(c.Resource, held[key], ops)
		}
		wantError, wantMessage := c.Error, c.Message
		if other, ok := answersOtherwise[c.Case]; ok {
			wantError, wantMessage = other.error, other.message
		}
		gotError, gotMessage := "", ""
		if err != nil {
			gotError, gotMessage = map[AlterErrorKind]string{InvalidConfig: "INVALID_CONFIG", InvalidRequest: "INVALID_REQUEST"}[err.(*AlterError).Kind], err.Error()
			if next != nil {
				t.Errorf("%s: refused, and a result all the same", c.Case)
			}
		}
		if gotError != wantError || gotMessage != wantMessage {
			t.Errorf("%s:\n got %s %q\nwant %s %q", c.Case, gotError, gotMessage, wantError, wantMessage)
		}
		if kept[c.Case] {
			held[key] = next
		}
	}
	if errs := append(d.SetBroker(held["BROKER 1"]), d.SetDefault(held["BROKER "])...); len(errs) > 0 {
		t.Fatal(errs)
	}
	all := DescribeOptions{Synonyms: true}
	compareEntries(t, "describeconfigs-3.9.2-broker-altered.json", d.DescribeBroker(all))
	compareEntries(t, "describeconfigs-3.9.2-default-altered.json", d.DescribeDefault(all))
	compareEntries(t, "describeconfigs-3.9.2-topic-altered.json", d.DescribeTopic(held["TOPIC golden"], all))
	compareEntries(t, "describeconfigs-3.9.2-plaintopic-altered.json", d.DescribeTopic(nil, all))
}
