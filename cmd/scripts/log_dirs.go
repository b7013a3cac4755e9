package scripts

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// logDirsScript is kafka-log-dirs: org.apache.kafka.tools.LogDirsCommand.
func logDirsScript() *Script {
	return &Script{Name: "kafka-log-dirs", Does: "Describes brokers' log directories, as JSON: their partitions, with sizes.",
		parser: func() *jopt.Parser { return newLogDirsOptions().p }, run: func(ctx context.Context, c *call) error { return plainly(describeLogDirs(ctx, c, newLogDirsOptions())) }}
}

type logDirsOptions struct {
	p                                                   *jopt.Parser
	bootstrap, commandConfig, describe, topics, brokers *jopt.Option
}

func newLogDirsOptions() *logDirsOptions {
	p := jopt.New()
	return &logDirsOptions{p,
		p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("The server(s) to use for bootstrapping"),
		p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("Admin client property file"),
		p.Accepts("describe", "Required: describe the directories."),
		p.Accepts("topic-list", "The topics, topic1,topic2 (default: all).").Needs("Topic list").Or(""),
		p.Accepts("broker-list", "The brokers, 0,1,2 (default: all).").Needs("Broker list").Or("")}
}

// words are the parts of a list that are not empty.
func words(opts *jopt.Set, o *jopt.Option) ([]string, error) {
	text, err := opts.Value(o)
	return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return s == "" }), err
}

func describeLogDirs(ctx context.Context, c *call, o *logDirsOptions) error {
	opts, err := c.parse(o.p, "This tool helps to query log directory usage on the specified brokers.")
	if err != nil {
		return err
	}
	if err := requireOptions(o.p, opts, o.bootstrap, o.describe); err != nil {
		return err
	}
	a, err := dialWith(ctx, opts, o.bootstrap, o.commandConfig, kgo.ClientID("log-dirs-tool"))
	if err != nil {
		return err
	}
	defer a.close()
	topics, err := words(opts, o.topics)
	if err != nil {
		return err
	}
	named, err := words(opts, o.brokers)
	if err != nil {
		return err
	}
	nodes, err := a.nodes(ctx)
	if err != nil {
		return javalib.Execution(err)
	}
	alive := javalib.CollectSet(javalib.IntHash, nodes.Keys())
	wanted, unknown := javalib.SetOf(javalib.IntHash, alive.Keys()), javalib.NewHashMap[int32, struct{}](javalib.IntHash)
	if len(named) > 0 {
		wanted = javalib.NewHashMap[int32, struct{}](javalib.IntHash)
	}
	for _, text := range named {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return numberFormat(text)
		}
		if alive.Has(int32(id)) {
			wanted.Put(int32(id), struct{}{})
		} else {
			unknown.Put(int32(id), struct{}{})
		}
	}
	if unknown.Len() > 0 {
		return terse("ERROR: The given brokers do not exist from --broker-list: %s. Current existent brokers: %s", javalib.Join(unknown.Keys(), ","), javalib.Join(alive.Keys(), ","))
	}
	c.println("Querying brokers for log directories information")
	described := javalib.NewHashMapFor[int32, string](javalib.IntHash, wanted.Len())
	for id := range wanted.All() {
		text, err := a.logDirsJSON(ctx, id, topics)
		if err != nil {
			return javalib.Execution(err)
		}
		described.Put(id, text)
	}
	c.println("Received log directory information from brokers " + javalib.Join(wanted.Keys(), ","))
	var brokers []string
	for id, dirs := range described.All() {
		brokers = append(brokers, object("broker", javalib.Itoa(id), "logDirs", dirs))
	}
	c.println(object("version", "1", "brokers", "["+strings.Join(brokers, ",")+"]"))
	return nil
}

// object writes names and values as JSON, in the order of a HashMap.
func object(pairs ...string) string {
	m := javalib.NewHashMap[string, string](javalib.StringHash)
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Put(pairs[i], pairs[i+1])
	}
	var fields []string
	for name, value := range m.All() {
		fields = append(fields, jsonText(name)+":"+value)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// logDirsJSON describes the directories of one broker.
func (a *admin) logDirsJSON(ctx context.Context, id int32, topics []string) (string, error) {
	resp, err := kmsg.NewPtrDescribeLogDirsRequest().RequestWith(ctx, a.client.Broker(int(id))) // without topics: all
	if err != nil {
		return "", javalib.OfError(err)
	}
	if e := javalib.FromCode(resp.ErrorCode, nil); e != nil {
		return "", e
	}
	dirs := javalib.NewHashMapFor[string, string](javalib.StringHash, len(resp.Dirs))
	for _, d := range resp.Dirs {
		replicas := newTPMap[string]()
		for _, t := range d.Topics {
			if len(topics) > 0 && !slices.Contains(topics, t.Topic) {
				continue
			}
			for _, p := range t.Partitions {
				at := javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}
				replicas.Put(at, object("partition", jsonText(at.String()), "size", javalib.Itoa(p.Size), "offsetLag", javalib.Itoa(p.OffsetLag), "isFuture", strconv.FormatBool(p.IsFuture)))
			}
		}
		var all []string
		for _, text := range replicas.All() {
			all = append(all, text)
		}
		failed := "null"
		if e := javalib.FromCode(d.ErrorCode, nil); e != nil {
			failed = jsonText(e.Class)
		}
		dirs.Put(d.Dir, object("logDir", jsonText(d.Dir), "error", failed, "partitions", "["+strings.Join(all, ",")+"]"))
	}
	var all []string
	for _, text := range dirs.All() {
		all = append(all, text)
	}
	return fmt.Sprintf("[%s]", strings.Join(all, ",")), nil
}
