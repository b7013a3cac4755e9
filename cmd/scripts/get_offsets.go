package scripts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// getOffsetsScript is kafka-get-offsets: org.apache.kafka.tools.GetOffsetShell.
func getOffsetsScript() *Script {
	return &Script{Name: "kafka-get-offsets", Does: "Prints the offsets that partitions have at an end or at a time, one topic:partition:offset a line.",
		parser: func() *jopt.Parser { return newGetOffsetsOptions().p }, run: runGetOffsets}
}

type getOffsetsOptions struct {
	p *jopt.Parser
	*jopt.Set
	brokerList, bootstrap, patterns, topic, partitions, time, commandConfig, exclude *jopt.Option
}

func newGetOffsetsOptions() *getOffsetsOptions {
	p := jopt.New()
	return &getOffsetsOptions{
		p:             p,
		brokerList:    p.Accepts("broker-list", "The old name of --bootstrap-server, which goes over it.").Needs("HOST1:PORT1,...,HOST3:PORT3"),
		bootstrap:     p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("HOST1:PORT1,...,HOST3:PORT3").RequiredUnless("broker-list"),
		patterns:      p.Accepts("topic-partitions", "Topics (regular expressions) and partitions: all, one, or a range without its end.").Needs("topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3"),
		topic:         p.Accepts("topic", "The topics, a regular expression (default: all).").Needs("topic"),
		partitions:    p.Accepts("partitions", "The partitions, with commas between (default: all).").Needs("partition ids"),
		time:          p.Accepts("time", "A time in milliseconds, or where: -1 or latest, -2 or earliest, -3 or max-timestamp, -4 or earliest-local, -5 or latest-tiered.").Needs("<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered").Or("latest"),
		commandConfig: p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("config file"),
		exclude:       p.Accepts("exclude-internal-topics", "Leave out internal topics."),
	}
}

func runGetOffsets(ctx context.Context, c *call) error {
	o := newGetOffsetsOptions()
	err := o.get(ctx, c)
	if stop := new(exit); err == nil || errors.As(err, &stop) {
		return err
	}
	return &exit{1, "Error occurred: " + err.Error()}
}

// terse is an error whose text is all that there is to say.
func terse(format string, args ...any) error {
	return &javalib.Exception{Class: "org.apache.kafka.tools.TerseException", Message: fmt.Sprintf(format, args...)}
}

func (o *getOffsetsOptions) get(ctx context.Context, c *call) (err error) {
	const about = "An interactive shell for getting topic-partition offsets."
	if len(c.args) == 0 {
		return usage(o.p, about)
	}
	if o.Set, err = c.parse(o.p, about); err != nil {
		return err
	}
	servers := o.bootstrap
	if !o.Has(o.bootstrap) {
		servers = o.brokerList
	}
	bootstrap, err := o.Value(servers)
	if err != nil {
		return err
	}
	if text := badServers(bootstrap); text != "" {
		return usage(o.p, "%s", text)
	}
	if o.Has(o.patterns) && (o.Has(o.topic) || o.Has(o.partitions)) {
		return terse("--topic-partitions cannot be used with --topic or --partitions")
	}
	at, err := o.moment()
	if err != nil {
		return err
	}
	wanted, err := o.filter()
	if err != nil {
		return err
	}
	file, err := o.Value(o.commandConfig)
	if err != nil {
		return err
	}
	a, err := dial(ctx, bootstrap, file, kgo.ClientID("GetOffsetShell"))
	if err != nil {
		return err
	}
	defer a.close()
	return o.print(ctx, c, a, wanted, at)
}

// badServers says what is wrong with a list of addresses.
func badServers(text string) string {
	if strings.TrimSpace(text) == "" {
		return "Error while validating the bootstrap address\n"
	}
	for _, one := range javalib.Split(text, ",") {
		if !regexp.MustCompile(`^.*?\[?[0-9a-zA-Z\-%._:]*\]?:[0-9]+$`).MatchString(one) {
			return "Please provide valid host:port like host1:9091,host2:9092\n"
		}
	}
	return ""
}

// print prints the offsets of the partitions that are wanted.
func (o *getOffsetsOptions) print(ctx context.Context, c *call, a *admin, wanted []partitionFilter, at int64) error {
	all, err := a.topicNames(ctx, !o.Has(o.exclude))
	if err != nil {
		return javalib.Execution(err)
	}
	var names []string
	for _, name := range all.Keys() {
		if slices.ContainsFunc(wanted, func(f partitionFilter) bool { return f.topic(name) }) {
			names = append(names, name)
		}
	}
	described, err := a.describedTopics(ctx, javalib.CollectSet(javalib.StringHash, names).Keys(), 2000)
	if err != nil {
		return javalib.Execution(err)
	}
	var parts []javalib.TopicPartition
	for name, t := range described.All() {
		for _, p := range t.partitions {
			if slices.ContainsFunc(wanted, func(f partitionFilter) bool { return f.topic(name) && f.partition(p.number) }) {
				parts = append(parts, javalib.TopicPartition{Topic: name, Partition: p.number})
			}
		}
	}
	if len(parts) == 0 {
		return terse("Could not match any topic-partitions with the specified filters")
	}
	told, err := a.listOffsets(ctx, parts, at)
	if err != nil {
		return javalib.Execution(err)
	}
	for _, p := range parts {
		if e := told.Get(p).err; e != nil {
			fmt.Fprintf(c.errs, "Skip getting offsets for topic-partition %s due to error: %s\n", p, e.String())
		}
	}
	slices.SortFunc(parts, func(p, q javalib.TopicPartition) int { return javalib.CompareStrings(p.String(), q.String()) })
	for _, p := range parts {
		if answer := told.Get(p); answer.err == nil && answer.offset != -1 {
			c.printf("%s:%d:%d\n", p.Topic, p.Partition, answer.offset)
		}
	}
	return nil
}

// moment reads --time.
func (o *getOffsetsOptions) moment() (int64, error) {
	text, err := o.Value(o.time)
	if err != nil {
		return 0, err
	}
	if at, ok := map[string]int64{"latest": -1, "earliest": -2, "max-timestamp": -3, "earliest-local": -4, "latest-tiered": -5}[text]; ok {
		return at, nil
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, terse("Malformed time argument %s. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp", text)
	}
	return at, nil
}

// partitionFilter says which topics and which of their partitions are meant.
type partitionFilter struct {
	topic     func(string) bool
	partition func(int32) bool
}

// rule is one of --topic-partitions.
var rule = regexp.MustCompile(`^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$`)

func (o *getOffsetsOptions) filter() (all []partitionFilter, err error) {
	if !o.Has(o.patterns) {
		return o.plainFilter()
	}
	text, err := o.Value(o.patterns)
	if err != nil {
		return nil, err
	}
	for _, spec := range javalib.Split(text, ",") {
		part := rule.FindStringSubmatch(spec)
		if part == nil {
			return nil, &javalib.Exception{Class: "java.lang.RuntimeException", Message: "org.apache.kafka.server.util.TerseException: Invalid rule specification: " + spec}
		}
		pattern := part[1]
		if pattern == "" {
			pattern = ".*"
		}
		f := partitionFilter{}
		if f.topic, err = topicPattern(pattern); err != nil {
			return nil, err
		}
		low, high := int64(0), int64(math.MaxInt32)
		for i, into := range map[int]*int64{3: &low, 4: &high} {
			if part[i] != "" {
				if *into, err = strconv.ParseInt(part[i], 10, 32); err != nil {
					return nil, numberFormat(part[i])
				}
			}
		}
		if part[2] != "" {
			if low, err = strconv.ParseInt(part[2], 10, 32); err != nil {
				return nil, numberFormat(part[2])
			}
			high = low + 1
		}
		f.partition = func(n int32) bool { return int64(n) >= low && int64(n) < high }
		all = append(all, f)
	}
	return all, nil
}

// plainFilter is that of --topic and --partitions.
func (o *getOffsetsOptions) plainFilter() ([]partitionFilter, error) {
	pattern, err := o.Value(o.topic)
	if err != nil {
		return nil, err
	}
	if !o.Has(o.topic) {
		pattern = ".*"
	}
	topic, err := topicPattern(pattern)
	if err != nil {
		return nil, err
	}
	text, err := o.Value(o.partitions)
	if err != nil {
		return nil, err
	}
	var numbers []int32
	for _, word := range javalib.Split(text, ",") {
		if text == "" {
			break
		}
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return nil, terse("--partitions expects a comma separated list of numeric partition ids, but received: %s", text)
		}
		numbers = append(numbers, int32(n))
	}
	return []partitionFilter{{topic, func(n int32) bool { return len(numbers) == 0 || slices.Contains(numbers, n) }}}, nil
}
