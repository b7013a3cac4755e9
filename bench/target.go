package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/bench/replay"
	"klamm/compat-tests/harness"
)

// target is a broker that runs, or the limit in its place.
type target interface {
	addr() string
	pids() []int
	// places says which broker leads which of a topic's partitions.
	places(partitions int) []place
	// makeTopic returns once every partition has a leader that knows it.
	makeTopic(ctx context.Context, name string, partitions int, configs map[string]string) error
	// dropTopic returns once the topic's files are gone.
	dropTopic(ctx context.Context, name string) error
	close() error
}

// place is a broker's address and the partitions that it leads.
type place struct {
	addr       string
	partitions []int32
}

// The brokers' names.
const (
	klamm       = "klamm"
	kafka39     = "Kafka " + harness.Kafka39
	kafkaNewest = "Kafka " + harness.KafkaNewest
	limits      = "limit"
)

// flagNames are the brokers as the command line names them, in the order of the table.
var (
	brokerNames = []string{"klamm", harness.KafkaNewest, harness.Kafka39, "limit"}
	flagNames   = map[string]string{"klamm": klamm, harness.Kafka39: kafka39, harness.KafkaNewest: kafkaNewest, "limit": limits}
)

// brokerOptions are how a broker is started, with its data below dir.
func brokerOptions(name, dir string) harness.Options {
	o := harness.Options{Broker: "klamm", Measured: true, DataDir: dir, Properties: map[string]string{
		// Deleted files go at once, so that a load does not meet those of the load before.
		// The thread that deletes them starts after the initial task delay.
		"log.initial.task.delay.ms":   "1000",
		"log.segment.delete.delay.ms": "100",
		// Connections come one after the other as fast as they can. With the default of 50
		// the kernel drops some of them, and the client waits a second.
		"socket.listen.backlog.size": "4096",
		// A miniature does not wait 6 s for a member's death.
		"group.min.session.timeout.ms": "1000",
	}}
	switch name {
	case kafka39:
		o.Broker, o.Release = "apache", harness.Kafka39
	case kafkaNewest:
		o.Broker, o.Release = "apache", harness.KafkaNewest
	}
	return o
}

// broker is klamm or Apache Kafka.
type broker struct {
	*harness.Broker
	client *kgo.Client
	admin  *kadm.Client
}

func startBroker(name, dir string) (*broker, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	b, err := harness.New(brokerOptions(name, dir))
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		_ = b.Close()
		b.Remove()
		return nil, err
	}
	admin := kadm.NewClient(client)
	admin.SetTimeoutMillis(int32(pollWithin.Milliseconds())) // a thousand partitions take a cold JVM its time
	return &broker{b, client, admin}, nil
}

func (b *broker) addr() string { return b.Addr }

func (b *broker) pid() int { return b.PID() }

func (b *broker) pids() []int { return []int{b.PID()} }

func (b *broker) places(partitions int) []place {
	return []place{{b.Addr, replay.First(partitions)}}
}

func (b *broker) close() error {
	b.client.Close()
	err := b.Close()
	b.Remove()
	os.RemoveAll(filepath.Dir(b.LogDir))
	return err
}

func (b *broker) makeTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	pointers := map[string]*string{}
	for k, v := range configs {
		pointers[k] = &v
	}
	if _, err := b.admin.CreateTopic(ctx, int32(partitions), 1, pointers, name); err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	return awaitLeaders(ctx, b.admin, partitions, name)
}

// awaitLeaders waits until the topics have so many partitions that are led.
func awaitLeaders(ctx context.Context, admin *kadm.Client, partitions int, names ...string) error {
	return poll(ctx, func() (bool, error) {
		if n, err := leaders(ctx, admin, names...); n != partitions {
			return false, err
		}
		// Metadata names a leader a moment before that broker knows that it leads.
		ends, err := admin.ListEndOffsets(ctx, names...)
		return err == nil && ends.Error() == nil, ctx.Err()
	})
}

// leaders counts the partitions that have a leader; no name stands for all topics.
func leaders(ctx context.Context, admin *kadm.Client, names ...string) (n int, err error) {
	m, err := admin.Metadata(ctx, names...)
	if err != nil {
		return 0, err
	}
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if p.Err == nil && p.Leader >= 0 {
			n++
		}
	})
	return n, nil
}

func (b *broker) dropTopic(ctx context.Context, name string) error {
	if _, err := b.admin.DeleteTopic(ctx, name); err != nil {
		return fmt.Errorf("deleting %s: %w", name, err)
	}
	return b.gone(ctx, name+"-*")
}

// gone waits until no partition's directory has such a name.
func (b *broker) gone(ctx context.Context, pattern string) error {
	return poll(ctx, func() (bool, error) {
		left, err := filepath.Glob(filepath.Join(b.LogDir, pattern))
		return len(left) == 0, err
	})
}

// pollWithin bounds what is waited for.
const pollWithin = 10 * time.Minute

// poll asks until the answer is true: another process has no event to wait for.
func poll(ctx context.Context, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	for {
		so, err := ask()
		if so || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
