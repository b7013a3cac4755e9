package scripts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/scripts/jopt"
)

// consoleConsumerScript is kafka-console-consumer: org.apache.kafka.tools.consumer.ConsoleConsumer.
func consoleConsumerScript() *Script {
	return &Script{Name: "kafka-console-consumer", Does: "Prints records.",
		Differs: "without --group it joins no group, where Kafka's joins one of a random name. A property of consumers that klamm does not know is refused.",
		parser:  func() *jopt.Parser { return newConsoleConsumerOptions().p }, run: runConsoleConsumer}
}

type consoleConsumerOptions struct {
	p *jopt.Parser
	*jopt.Set
	topic, whitelist, include, partition, offset, consumerProperty, consumerConfig, formatter, property, formatterConfig, fromBeginning,
	maxMessages, timeout, skip, bootstrap, keyDeserializer, valueDeserializer, isolation, group *jopt.Option
}

func newConsoleConsumerOptions() *consoleConsumerOptions {
	p := jopt.New()
	p.Accepts("enable-systest-events", "").Refused("it is for the tests of Apache Kafka")
	return &consoleConsumerOptions{
		p:                 p,
		topic:             p.Accepts("topic", "The topic.").Needs("topic"),
		whitelist:         p.Accepts("whitelist", "The old name of --include, which goes over it.").Needs("Java regex (String)"),
		include:           p.Accepts("include", "The topics, a regular expression.").Needs("Java regex (String)"),
		partition:         p.Accepts("partition", "The partition to read, from its end or from --offset.").Needs("partition").Of(jopt.Int),
		offset:            p.Accepts("offset", "With --partition: an offset, earliest or latest.").Needs("consume offset").Or("latest"),
		consumerProperty:  p.Accepts("consumer-property", "A property of the consumer.").Needs("consumer_prop"),
		consumerConfig:    p.Accepts("consumer.config", "A properties file of a Java consumer.").Needs("config file"),
		formatter:         p.Accepts("formatter", "The class that prints; there are DefaultMessageFormatter and NoOpMessageFormatter.").Needs("class").Or("org.apache.kafka.tools.consumer.DefaultMessageFormatter"),
		property:          p.Accepts("property", "How records are printed: print.timestamp, print.key, print.offset, print.partition, print.headers, print.value, key.separator, line.separator, headers.separator, null.literal, key.deserializer, value.deserializer, headers.deserializer.").Needs("prop"),
		formatterConfig:   p.Accepts("formatter-config", "A file with such properties.").Needs("config file"),
		fromBeginning:     p.Accepts("from-beginning", "Begin at the start of the log, where the group has no offset."),
		maxMessages:       p.Accepts("max-messages", "End after so many records.").Needs("num_messages").Of(jopt.Int),
		timeout:           p.Accepts("timeout-ms", "End when no record comes for so long.").Needs("timeout_ms").Of(jopt.Long),
		skip:              p.Accepts("skip-message-on-error", "Go on behind a record that cannot be printed."),
		bootstrap:         p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server to connect to"),
		keyDeserializer:   p.Accepts("key-deserializer", "What keys are: Kafka's deserializer of strings, shorts, integers, longs, floats or doubles.").Needs("deserializer for key"),
		valueDeserializer: p.Accepts("value-deserializer", "What values are.").Needs("deserializer for values"),
		isolation:         p.Accepts("isolation-level", "read_committed leaves out what transactions did not commit.").Needs("level").Or("read_uncommitted"),
		group:             p.Accepts("group", "The group to join.").Needs("consumer group id"),
	}
}

// check finds what is wrong with the command line.
func (o *consoleConsumerOptions) check() error {
	if o.Has(o.topic) == (o.Has(o.include) || o.Has(o.whitelist)) {
		return usage(o.p, "Exactly one of --include/--topic is required. ")
	}
	switch {
	case o.Has(o.partition) && !o.Has(o.topic):
		return usage(o.p, "The topic is required when partition is specified.")
	case o.Has(o.partition) && o.Has(o.fromBeginning) && o.Has(o.offset):
		return usage(o.p, "Options from-beginning and offset cannot be specified together.")
	case !o.Has(o.partition) && o.Has(o.offset):
		return usage(o.p, "The partition is required when offset is specified.")
	}
	return requireOptions(o.p, o.Set, o.bootstrap)
}

func runConsoleConsumer(ctx context.Context, c *call) error {
	o := newConsoleConsumerOptions()
	var err error
	if o.Set, err = c.parse(o.p, "This tool helps to read data from Kafka topics and outputs it to standard output."); err != nil {
		if misread := new(jopt.Error); errors.As(err, &misread) {
			return usage(o.p, "%s", misread.Message)
		}
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	properties, err := readProperties(o.Set, o.consumerConfig, o.consumerProperty)
	if err != nil {
		return err
	}
	group, err := o.groupID(properties)
	if err != nil {
		return err
	}
	print, err := o.printer()
	if err != nil {
		return err
	}
	opts, err := o.consumer(properties, group)
	if err != nil {
		return err
	}
	bootstrap, err := o.Value(o.bootstrap)
	if err != nil {
		return err
	}
	client, err := properties.open(ctx, bootstrap, "console-consumer", opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	count, err := o.consume(ctx, c, client, print)
	if commits := properties["enable.auto.commit"] != "false"; group != "" && commits {
		if e := client.CommitMarkedOffsets(context.WithoutCancel(ctx)); e != nil && err == nil {
			err = &exit{1, "committing the offsets: " + e.Error()}
		}
	}
	if ctx.Err() != nil && err == nil {
		err = interrupted(ctx)
	}
	fmt.Fprintf(c.errs, "Processed a total of %d messages\n", count)
	return err
}

// interrupted is the exit code of a program that a signal ended.
func interrupted(ctx context.Context) error {
	const interrupt, terminated, hangup = 130, 143, 129
	why := fmt.Sprint(context.Cause(ctx))
	switch {
	case strings.Contains(why, "terminated"):
		return &exit{terminated, ""}
	case strings.Contains(why, "hangup"):
		return &exit{hangup, ""}
	}
	return &exit{interrupt, ""}
}

// groupID gives the group to join, "" for none.
func (o *consoleConsumerOptions) groupID(properties clientProperties) (string, error) {
	group, err := o.Value(o.group)
	if err != nil {
		return "", err
	}
	other := properties["group.id"]
	if group != "" && other != "" && group != other {
		return "", usage(o.p, "The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: '%s', '%s'", group, other)
	}
	group = orElse(group, other)
	if group != "" && o.Has(o.partition) {
		return "", usage(o.p, "Options group and partition cannot be specified together.")
	}
	return group, nil
}

// start is where to begin.
func (o *consoleConsumerOptions) start() (kgo.Offset, error) {
	text, err := o.Value(o.offset)
	if err != nil {
		return kgo.Offset{}, err
	}
	switch {
	case !o.Has(o.offset) && o.Has(o.fromBeginning), strings.EqualFold(text, "earliest"):
		return kgo.NewOffset().AtStart(), nil
	case !o.Has(o.offset), strings.EqualFold(text, "latest"):
		return kgo.NewOffset().AtEnd(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return kgo.Offset{}, usage(o.p, "The provided offset value '%s' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.", text)
	}
	return kgo.NewOffset().At(n), nil
}

// consumer makes the options of the client.
func (o *consoleConsumerOptions) consumer(properties clientProperties, group string) ([]kgo.Opt, error) {
	reset := kgo.NewOffset().AtEnd()
	switch set := properties["auto.offset.reset"]; {
	case o.Has(o.fromBeginning) && set != "" && set != "earliest":
		return nil, &exit{1, "Can't simultaneously specify --from-beginning and 'auto.offset.reset=" + set + "', please remove one option"}
	case o.Has(o.fromBeginning) || set == "earliest":
		reset = kgo.NewOffset().AtStart()
	case set != "" && set != "latest":
		return nil, &exit{1, "Invalid value " + set + " for configuration auto.offset.reset: klamm serves earliest and latest"}
	}
	more, err := properties.options(consumerSettings())
	if err != nil {
		return nil, err
	}
	opts := append([]kgo.Opt{kgo.AllowAutoTopicCreation(), kgo.ConsumeResetOffset(reset)}, more...)
	level, err := o.Value(o.isolation)
	if err != nil {
		return nil, err
	}
	if set := properties["isolation.level"]; set != "" && !o.Has(o.isolation) {
		level = set
	}
	switch level {
	case "read_committed":
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	case "read_uncommitted":
	default:
		return nil, &exit{1, "Invalid value " + level + " for configuration isolation.level: String must be one of: read_committed, read_uncommitted"}
	}
	if group != "" {
		opts = append(opts, kgo.ConsumerGroup(group), kgo.AutoCommitMarks())
		if properties["enable.auto.commit"] == "false" {
			opts = append(opts, kgo.DisableAutoCommit())
		}
		if id := properties["group.instance.id"]; id != "" {
			opts = append(opts, kgo.InstanceID(id))
		}
	}
	what, err := o.what()
	return append(opts, what...), err
}

// what gives the topics or the partition to read.
func (o *consoleConsumerOptions) what() ([]kgo.Opt, error) {
	topic, err := o.Value(o.topic)
	if err != nil {
		return nil, err
	}
	if o.Has(o.partition) {
		number, err := o.Number(o.partition)
		if err != nil {
			return nil, err
		}
		at, err := o.start()
		return []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {int32(number): at}})}, err
	}
	if o.Has(o.topic) {
		return []kgo.Opt{kgo.ConsumeTopics(topic)}, nil
	}
	which := o.include
	if !o.Has(which) {
		which = o.whitelist
	}
	pattern, err := o.Value(which)
	if err != nil {
		return nil, err
	}
	whole := "^(?:" + pattern + ")$"
	if _, err := regexp.Compile(whole); err != nil {
		return nil, &exit{1, pattern + " is an invalid regex."}
	}
	return []kgo.Opt{kgo.ConsumeRegex(), kgo.ConsumeTopics(whole)}, nil
}

// consume prints records until there are enough, none comes any more, or nobody reads them.
func (o *consoleConsumerOptions) consume(ctx context.Context, c *call, client *kgo.Client, print *recordPrinter) (count int64, err error) {
	most := int64(-1)
	if o.Has(o.maxMessages) {
		if most, err = o.Number(o.maxMessages); err != nil {
			return 0, err
		}
	}
	wait := time.Duration(math.MaxInt64)
	if ms, err := o.Number(o.timeout); err != nil {
		return 0, err
	} else if o.Has(o.timeout) && ms >= 0 {
		wait = time.Duration(ms) * time.Millisecond
	}
	for most < 0 || count < most {
		poll, cancel := context.WithTimeout(ctx, wait)
		fetches := client.PollRecords(poll, 500)
		timedOut := errors.Is(poll.Err(), context.DeadlineExceeded)
		cancel()
		if ctx.Err() != nil {
			return count, nil
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				return count, &exit{1, fmt.Sprintf("Error processing message, terminating consumer process: %v", e.Err)}
			}
		}
		if fetches.NumRecords() == 0 && timedOut {
			fmt.Fprintln(c.errs, "Error processing message, terminating consumer process: no record came within --timeout-ms")
			return count, nil
		}
		for it := fetches.RecordIter(); !it.Done() && (most < 0 || count < most); {
			r := it.Next()
			count++
			if err := print.write(c.out, r); err != nil && !o.Has(o.skip) {
				return count, &exit{1, err.Error()}
			} else if err != nil {
				fmt.Fprintf(c.errs, "Error processing message, skipping this message: %v\n", err)
			}
			client.MarkCommitRecords(r)
		}
		if c.out.Flush() != nil {
			fmt.Fprintln(c.errs, "Unable to write to standard out, closing consumer.")
			return count, nil
		}
	}
	return count, nil
}
