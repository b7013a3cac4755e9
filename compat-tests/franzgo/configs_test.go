package franzgo

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// config gives one configuration of a topic.
func config(t *testing.T, topic, name string) kadm.Config {
	t.Helper()
	described, err := harness.Admin(t, broker.Addr).DescribeTopicConfigs(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	r, err := described.On(topic, nil)
	if err != nil || r.Err != nil {
		t.Fatal(err, r.Err)
	}
	for _, c := range r.Configs {
		if c.Key == name {
			return c
		}
	}
	t.Fatalf("%s is not among the %d configurations of %s", name, len(r.Configs), topic)
	return kadm.Config{}
}

func TestTopicConfigsAreDescribed(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1, "retention.ms", "777")
	for _, c := range []struct {
		name, value string
		source      kmsg.ConfigSource
	}{
		{"retention.ms", "777", kmsg.ConfigSourceDynamicTopicConfig},
		{"cleanup.policy", "delete", kmsg.ConfigSourceDefaultConfig},
		{"segment.bytes", "1073741824", kmsg.ConfigSourceDefaultConfig},
		{"compression.type", "producer", kmsg.ConfigSourceDefaultConfig},
		{"max.message.bytes", "1048588", kmsg.ConfigSourceDefaultConfig},
		{"message.timestamp.type", "CreateTime", kmsg.ConfigSourceDefaultConfig},
	} {
		got := config(t, topic, c.name)
		if got.Value == nil || *got.Value != c.value || got.Source != c.source {
			t.Errorf("%s is %v from %v, want %q from %v", c.name, got.MaybeValue(), got.Source, c.value, c.source)
		}
	}
	if got := config(t, topic, "retention.ms"); len(got.Synonyms) == 0 || got.Synonyms[0].Key != "retention.ms" {
		t.Errorf("the synonyms of retention.ms: %+v", got.Synonyms)
	}
}

func TestOnlyTheAskedConfigsAreDescribed(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	cl := harness.Client(t, broker.Addr)
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	for _, r := range []struct {
		kind kmsg.ConfigResourceType
		name string
		key  string
	}{{kmsg.ConfigResourceTypeTopic, topic, "retention.ms"}, {kmsg.ConfigResourceTypeBroker, fmt.Sprint(broker.IDs()[0]), "num.partitions"}, {kmsg.ConfigResourceTypeTopic, "no-such-topic-at-all", "retention.ms"}} {
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName, rr.ConfigNames = r.kind, r.name, []string{r.key}
		req.Resources = append(req.Resources, rr)
	}
	for _, r := range ask[*kmsg.DescribeConfigsResponse](t, cl, req).Resources {
		if r.ResourceName == "no-such-topic-at-all" {
			if err := kerr.ErrorForCode(r.ErrorCode); err != kerr.UnknownTopicOrPartition {
				t.Errorf("a topic that is not: %v, want UNKNOWN_TOPIC_OR_PARTITION", err)
			}
			continue
		}
		if r.ErrorCode != 0 || len(r.Configs) != 1 {
			t.Fatalf("%s: error %d and %d configurations, one was asked for", r.ResourceName, r.ErrorCode, len(r.Configs))
		}
		c := r.Configs[0]
		if c.Documentation == nil || *c.Documentation == "" || c.ConfigType == 0 {
			t.Errorf("%s: type %v, documentation %v", c.Name, c.ConfigType, c.Documentation)
		}
	}
}

func TestIncrementalAlterConfigs(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := harness.Topic(t, broker.Addr, 1, "segment.ms", "60000")
	alter := func(want error, changes ...kadm.AlterConfig) {
		t.Helper()
		got, err := adm.AlterTopicConfigs(ctx, changes, topic)
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(got[0].Err, want) {
			t.Errorf("%v: %v (%s), want %v", changes[0].Name, got[0].Err, got[0].ErrMessage, want)
		}
	}
	set := func(op kadm.IncrementalOp, name, value string) kadm.AlterConfig {
		return kadm.AlterConfig{Op: op, Name: name, Value: &value}
	}
	is := func(name, want string) {
		t.Helper()
		for {
			c := config(t, topic, name)
			got := c.MaybeValue()
			if got == want {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("%s stays %q, want %q", name, got, want)
			}
		}
	}
	alter(nil, set(kadm.SetConfig, "retention.ms", "4242"), set(kadm.AppendConfig, "cleanup.policy", "compact"))
	is("retention.ms", "4242")
	is("cleanup.policy", "delete,compact")
	is("segment.ms", "60000")
	alter(nil, set(kadm.SubtractConfig, "cleanup.policy", "delete"), kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"})
	is("cleanup.policy", "compact")
	is("retention.ms", "604800000")
	alter(kerr.InvalidConfig, set(kadm.SetConfig, "retention.ms", "soon"))
	alter(kerr.InvalidConfig, set(kadm.SetConfig, "no.such.config", "1"))
	alter(kerr.InvalidConfig, set(kadm.AppendConfig, "retention.ms", "1"))
	is("segment.ms", "60000")

	got, err := adm.ValidateAlterTopicConfigs(ctx, []kadm.AlterConfig{set(kadm.SetConfig, "segment.ms", "70000")}, topic)
	if err != nil || got[0].Err != nil {
		t.Errorf("only validated: %v %v", err, got)
	}
	is("segment.ms", "60000")

	// AlterConfigs replaces all configurations: it removes those that the request does
	// not name.
	got, err = adm.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("99")}}, topic)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	is("retention.ms", "99")
	is("segment.ms", "604800000")
}

func TestBrokerConfigs(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	id := broker.IDs()[0]
	described, err := adm.DescribeBrokerConfigs(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := described.On(fmt.Sprint(id), nil)
	if err != nil || r.Err != nil {
		t.Fatal(err, r.Err)
	}
	if len(r.Configs) < 200 {
		t.Errorf("%d broker configurations, Kafka 3.9 has over 200", len(r.Configs))
	}
	has := map[string]string{}
	for _, c := range r.Configs {
		has[c.Key] = c.MaybeValue()
	}
	for name, want := range map[string]string{"num.partitions": "1", "default.replication.factor": fmt.Sprint(harness.Brokers()), "log.retention.hours": "168", "broker.id": fmt.Sprint(id), "message.max.bytes": "1048588"} {
		if has[name] != want {
			t.Errorf("%s is %q, want %q", name, has[name], want)
		}
	}

	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.max.bytes", Value: kadm.StringPtr("2000000")}}
	got, err := adm.AlterBrokerConfigs(ctx, change, id)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	topic := broker.TopicOnOne(t, 1)
	for {
		// Another broker of a cluster answers with its own value.
		if c := config(t, topic, "max.message.bytes"); c.MaybeValue() == "2000000" {
			if c.Source != kmsg.ConfigSourceDynamicBrokerConfig {
				t.Errorf("max.message.bytes comes from %v, want the broker's dynamic configuration", c.Source)
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatal("a broker's message.max.bytes that changed does not reach its topics")
		}
	}
	change = []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "message.max.bytes"}}
	if got, err = adm.AlterBrokerConfigs(ctx, change, id); err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	harness.AwaitBrokerConfigDeleted(t, adm, "message.max.bytes", id)
	change = []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "broker.id", Value: kadm.StringPtr("5")}}
	if got, err = adm.AlterBrokerConfigs(ctx, change, id); err != nil || !errors.Is(got[0].Err, kerr.InvalidRequest) {
		t.Errorf("a property that needs a restart: %v %v, want INVALID_REQUEST", err, got)
	}
}
