package franzgo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// effect is a property of topics, the name of the brokers' default for it, a value, and a
// check whether a topic shows that value.
type effect struct {
	topic, broker, value string
	seen                 func(t *testing.T, topic string) bool
	// anew says that only topics that are created afterwards show the value.
	anew bool
}

// refused makes a check that a record is refused with an error.
func refused(want error, record func() *kgo.Record) func(t *testing.T, topic string) bool {
	return func(t *testing.T, topic string) bool {
		t.Helper()
		r := record()
		r.Topic = topic
		err := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(kgo.NoCompression())).ProduceSync(harness.Context(t), r).FirstErr()
		if err != nil && !errors.Is(err, want) {
			t.Fatal(err)
		}
		return err != nil
	}
}

// filesOf gives the sizes of a topic's segments, after a record of 700 bytes.
func filesOf(t *testing.T, topic string) (sizes []int64) {
	t.Helper()
	produce(t, harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(kgo.NoCompression())), &kgo.Record{Topic: topic, Key: []byte("k"), Value: make([]byte, 700)})
	files, err := filepath.Glob(filepath.Join(broker.LogDir, topic+"-0", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	return sizes
}

func at(ago time.Duration) func() *kgo.Record {
	return func() *kgo.Record { return &kgo.Record{Key: []byte("k"), Timestamp: time.Now().Add(-ago)} }
}

var effects = []effect{
	{"max.message.bytes", "message.max.bytes", "200", refused(kerr.MessageTooLarge, func() *kgo.Record { return &kgo.Record{Value: make([]byte, 300)} }), false},
	{"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", "3600000", refused(kerr.InvalidTimestamp, at(2*time.Hour)), false},
	{"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", "3600000", refused(kerr.InvalidTimestamp, at(-2*time.Hour)), false},
	{"message.timestamp.difference.max.ms", "log.message.timestamp.difference.max.ms", "3600000", refused(kerr.InvalidTimestamp, at(2*time.Hour)), false},
	{"cleanup.policy", "log.cleanup.policy", "compact", refused(kerr.InvalidRecord, func() *kgo.Record { return &kgo.Record{Value: []byte("no key")} }), false},
	{"message.timestamp.type", "log.message.timestamp.type", "LogAppendTime", func(t *testing.T, topic string) bool {
		produce(t, harness.Client(t, broker.Addr), &kgo.Record{Topic: topic, Key: []byte("k")})
		end := harness.EndOffset(t, broker.Addr, topic, 0)
		return harness.ReadPartition(t, broker.Addr, topic, 0, end-1, end)[0].Attrs.TimestampType() == 1
	}, false},
	{"segment.bytes", "log.segment.bytes", "1000", func(t *testing.T, topic string) bool {
		before := len(filesOf(t, topic))
		return len(filesOf(t, topic)) > before // each record is in a segment of its own
	}, false},
	{"segment.ms", "log.roll.ms", "3600000", func(t *testing.T, topic string) bool {
		old := at(2 * time.Hour)()
		old.Topic = topic
		produce(t, harness.Client(t, broker.Addr), old)
		return len(filesOf(t, topic)) == 2 // the record of now is in another segment
	}, true},
	{"preallocate", "log.preallocate", "true", func(t *testing.T, topic string) bool {
		sizes := filesOf(t, topic)
		return sizes[len(sizes)-1] == 1<<30
	}, true},
}

// TestConfigsTakeEffectAtOnce: a topic's configuration takes effect when AlterConfigs has
// answered, and ends when it is deleted again. The same holds for the broker's default
// for all topics.
func TestConfigsTakeEffectAtOnce(t *testing.T) {
	for _, e := range effects {
		t.Run(e.topic, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, 1)
			if !e.anew {
				e.becomes(t, topic, false)
				alterTopic(t, topic, e.topic, e.value)
				e.becomes(t, topic, true)
				deleteConfig(t, topic, e.topic)
			}
			e.becomes(t, topic, false)
			alterBrokers(t, kadm.SetConfig, e.broker, e.value)
			t.Cleanup(func() { alterBrokers(t, kadm.DeleteConfig, e.broker, "") })
			e.becomes(t, topic, true)
			alterBrokers(t, kadm.DeleteConfig, e.broker, "")
			e.becomes(t, topic, false)
			harness.AwaitBrokerConfigDeleted(t, harness.Admin(t, broker.Addr), e.broker, broker.IDs()...)
		})
	}
}

// becomes fails the test unless the first check sees the effect, or with want false does
// not see it. Apache's broker applies a change only after it has answered, so there
// becomes checks again.
func (e *effect) becomes(t *testing.T, topic string, want bool) {
	t.Helper()
	ctx := harness.Context(t)
	for {
		if e.anew {
			topic = harness.Topic(t, broker.Addr, 1)
		}
		if e.seen(t, topic) == want {
			return
		}
		if ctx.Err() != nil || harness.AtOnce() {
			t.Fatalf("the effect of %s=%s is seen: %t", e.topic, e.value, !want)
		}
	}
}

func deleteConfig(t *testing.T, topic, name string) {
	t.Helper()
	got, err := harness.Admin(t, broker.Addr).AlterTopicConfigs(harness.Context(t), []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: name}}, topic)
	if err == nil {
		err = got[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

// alterBrokers changes a default of all brokers.
func alterBrokers(t *testing.T, op kadm.IncrementalOp, name, value string) {
	t.Helper()
	cl, err := kgo.NewClient(harness.Seeds(broker.Addr)) // also from a Cleanup
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	got, err := kadm.NewClient(cl).AlterBrokerConfigs(context.Background(), []kadm.AlterConfig{{Op: op, Name: name, Value: &value}})
	if err == nil {
		err = got[0].Err
	}
	if err != nil {
		t.Fatalf("%s=%s: %v", name, value, err)
	}
}
