package scripts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// consoleProducerScript is kafka-console-producer: kafka.tools.ConsoleProducer.
func consoleProducerScript() *Script {
	return &Script{Name: "kafka-console-producer", Does: "Sends lines of standard input as records.",
		Differs: "a batch holds up to max.request.size bytes, whatever batch.size says. A property of producers that klamm does not know is refused.",
		parser:  func() *jopt.Parser { return newConsoleProducerOptions().p }, run: runConsoleProducer}
}

type consoleProducerOptions struct {
	p *jopt.Parser
	*jopt.Set
	topic, brokerList, bootstrap, sync, codec, retries, backoff, linger, acks, requestTimeout, metadataAge, memory, reader, property, readerConfig,
	producerProperty, producerConfig *jopt.Option
}

func newConsoleProducerOptions() *consoleProducerOptions {
	p := jopt.New()
	const library = "the client fills batches and sizes its buffers by itself"
	p.Accepts("batch-size", "").Needs("size").Refused(library)
	p.Accepts("max-partition-memory-bytes", "").Needs("memory in bytes per partition").Refused(library)
	p.Accepts("socket-buffer-size", "").Needs("size").Refused(library)
	p.Accepts("max-block-ms", "").Needs("max block on send").Refused("a record waits for its topic for as long as delivery.timeout.ms says; set that by --producer-property")
	return &consoleProducerOptions{
		p:                p,
		topic:            p.Accepts("topic", "Required: the topic.").Needs("topic"),
		brokerList:       p.Accepts("broker-list", "The old name of --bootstrap-server, which goes over it.").Needs("broker-list"),
		bootstrap:        p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server to connect to").RequiredUnless("broker-list"),
		sync:             p.Accepts("sync", "Wait for each record before the next one is sent."),
		codec:            p.Accepts("compression-codec", "none, gzip, snappy, lz4 or zstd; gzip where none is named.").May("compression-codec"),
		retries:          p.Accepts("message-send-max-retries", "How often a record is sent again (retries).").Needs("times").Of(jopt.Int).Or("3"),
		backoff:          p.Accepts("retry-backoff-ms", "How long to wait before that (retry.backoff.ms).").Needs("ms").Of(jopt.Long).Or("100"),
		linger:           p.Accepts("timeout", "How long a record may wait for others in its batch (linger.ms).").Needs("timeout_ms").Of(jopt.Long).Or("1000"),
		acks:             p.Accepts("request-required-acks", "How many replicas have to have a record (acks).").Needs("request required acks").Or("-1"),
		requestTimeout:   p.Accepts("request-timeout-ms", "How long a broker may take to answer.").Needs("request timeout ms").Of(jopt.Int).Or("1500"),
		metadataAge:      p.Accepts("metadata-expiry-ms", "How old what is known of the cluster may be (metadata.max.age.ms).").Needs("metadata expiration interval").Of(jopt.Long).Or("300000"),
		memory:           p.Accepts("max-memory-bytes", "How much may wait to be sent (buffer.memory).").Needs("total memory in bytes").Of(jopt.Long).Or("33554432"),
		reader:           p.Accepts("line-reader", "The class that reads lines; there is Kafka's own alone.").Needs("reader_class").Or("kafka.tools.ConsoleProducer$LineMessageReader"),
		property:         p.Accepts("property", "How lines are read: parse.key, parse.headers, ignore.error, key.separator, headers.delimiter, headers.separator, headers.key.separator, null.marker.").Needs("prop"),
		readerConfig:     p.Accepts("reader-config", "A file with such properties.").Needs("config file"),
		producerProperty: p.Accepts("producer-property", "A property of the producer.").Needs("producer_prop"),
		producerConfig:   p.Accepts("producer.config", "A properties file of a Java producer.").Needs("config file"),
	}
}

func runConsoleProducer(ctx context.Context, c *call) error {
	o := newConsoleProducerOptions()
	var err error
	if o.Set, err = c.parse(o.p, "This tool helps to read data from standard input and publish it to Kafka."); err != nil {
		if misread := new(jopt.Error); errors.As(err, &misread) {
			return usage(o.p, "%s", misread.Message)
		}
		return err
	}
	if err := requireOptions(o.p, o.Set, o.topic); err != nil {
		return err
	}
	err = o.produce(ctx, c)
	if misread := new(jopt.Error); errors.As(err, &misread) {
		return &exit{1, misread.Message}
	}
	return err
}

// client makes the producer.
func (o *consoleProducerOptions) client(ctx context.Context) (*kgo.Client, error) {
	servers := o.bootstrap
	if !o.Has(servers) {
		servers = o.brokerList
	}
	bootstrap, err := o.Value(servers)
	if err != nil {
		return nil, err
	}
	if text := badServers(bootstrap); text != "" {
		return nil, usage(o.p, "Please provide valid host:port like host1:9091,host2:9092\n ")
	}
	properties, err := readProperties(o.Set, o.producerConfig, o.producerProperty)
	if err != nil {
		return nil, err
	}
	for name, option := range map[string]*jopt.Option{"linger.ms": o.linger, "acks": o.acks, "request.timeout.ms": o.requestTimeout, "retries": o.retries, "retry.backoff.ms": o.backoff, "buffer.memory": o.memory, "metadata.max.age.ms": o.metadataAge} {
		if _, has := properties[name]; has && !o.Has(option) {
			continue
		}
		if properties[name], err = o.Value(option); err != nil {
			return nil, err
		}
	}
	compression, err := o.Value(o.codec)
	if err != nil {
		return nil, err
	}
	properties["compression.type"] = "none"
	if o.Has(o.codec) {
		properties["compression.type"] = orElse(compression, "gzip")
	}
	more, err := properties.options(producerSettings())
	if err != nil {
		return nil, err
	}
	return properties.open(ctx, bootstrap, "console-producer", append([]kgo.Opt{kgo.AllowAutoTopicCreation(), kgo.ProducerBatchMaxBytes(1 << 20)}, more...)...)
}

func (o *consoleProducerOptions) produce(ctx context.Context, c *call) error {
	topic, err := o.Value(o.topic)
	if err != nil {
		return err
	}
	class, err := o.Value(o.reader)
	if err != nil {
		return err
	}
	if class != o.reader.Default && class != "org.apache.kafka.tools.LineMessageReader" {
		return &exit{1, "klamm runs no Java class, so that --line-reader " + class + " is not served"}
	}
	properties, err := readProperties(o.Set, o.readerConfig, o.property)
	if err != nil {
		return err
	}
	lines, err := newLineReader(c.in, properties)
	if err != nil {
		return err
	}
	client, err := o.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	prompt := terminal(c.in) && terminal(c.terminal)
	for ctx.Err() == nil {
		if prompt {
			c.printf(">")
			if c.out.Flush() != nil {
				break
			}
		}
		r, err := lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(err, client.Flush(ctx))
		}
		r.Topic = topic
		o.send(ctx, c, client, r)
	}
	return client.Flush(ctx)
}

// send sends a record, and tells of one that could not be sent.
func (o *consoleProducerOptions) send(ctx context.Context, c *call, client *kgo.Client, r *kgo.Record) {
	tell := func(r *kgo.Record, err error) {
		if err != nil {
			fmt.Fprintf(c.errs, "ERROR Error when sending message to topic %s with key: %d bytes, value: %d bytes with error: %v\n", r.Topic, len(r.Key), len(r.Value), err)
		}
	}
	if o.Has(o.sync) {
		tell(r, client.ProduceSync(ctx, r).FirstErr())
		return
	}
	client.Produce(ctx, r, tell)
}

// terminal says whether a stream is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	its, err := f.Stat()
	if err != nil || its.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(its, null)
}

// lineReader makes records of lines (ConsoleProducer.LineMessageReader).
type lineReader struct {
	in                                                                          *bufio.Reader
	afterCR                                                                     bool
	line                                                                        int64
	parseKey, parseHeaders, ignore, marks                                       bool
	keySeparator, headersDelimiter, headersSeparator, headersKeySeparator, null string
}

// newLineReader makes a reader of the properties.
func newLineReader(in io.Reader, p clientProperties) (*lineReader, error) {
	l := &lineReader{in: bufio.NewReader(in), keySeparator: "\t", headersDelimiter: "\t", headersSeparator: ",", headersKeySeparator: ":"}
	for name, value := range p {
		yes := strings.EqualFold(strings.TrimSpace(value), "true")
		switch name {
		case "parse.key":
			l.parseKey = yes
		case "parse.headers":
			l.parseHeaders = yes
		case "ignore.error":
			l.ignore = yes
		case "key.separator":
			l.keySeparator = value
		case "headers.delimiter":
			l.headersDelimiter = value
		case "headers.separator":
			l.headersSeparator = value
		case "headers.key.separator":
			l.headersKeySeparator = value
		case "null.marker":
			l.null, l.marks = value, true
		default:
			return nil, &exit{1, "klamm's reader of lines has no property " + name}
		}
	}
	same := func(a, b, nameA, nameB string) error {
		if a != b {
			return nil
		}
		return &javalib.Exception{Class: "org.apache.kafka.common.KafkaException", Message: nameA + " and " + nameB + " may not be equal"}
	}
	errs := []error{
		same(l.headersDelimiter, l.headersSeparator, "headers.delimiter", "headers.separator"),
		same(l.headersDelimiter, l.headersKeySeparator, "headers.delimiter", "headers.key.separator"),
		same(l.headersSeparator, l.headersKeySeparator, "headers.separator", "headers.key.separator"),
	}
	if l.marks {
		errs = append(errs, same(l.null, l.keySeparator, "null.marker", "key.separator"), same(l.null, l.headersSeparator, "null.marker", "headers.separator"),
			same(l.null, l.headersDelimiter, "null.marker", "headers.delimiter"), same(l.null, l.headersKeySeparator, "null.marker", "headers.key.separator"))
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// read reads a line, which ends with LF, CR or both.
func (l *lineReader) read() (string, error) {
	var line []byte
	for {
		b, err := l.in.ReadByte()
		if err != nil {
			if len(line) > 0 && err == io.EOF {
				return string(line), nil
			}
			return "", err
		}
		skip := l.afterCR && b == '\n'
		l.afterCR = b == '\r'
		switch {
		case skip:
		case b == '\n' || b == '\r':
			return string(line), nil
		default:
			line = append(line, b)
		}
	}
}

// next gives the next record, or io.EOF.
func (l *lineReader) next() (*kgo.Record, error) {
	l.line++
	number := l.line
	line, err := l.read()
	if err != nil {
		return nil, err
	}
	cut := func(enabled bool, separator, name string) (string, bool, error) {
		if !enabled {
			return "", false, nil
		}
		before, after, ok := strings.Cut(line, separator)
		if !ok && l.ignore {
			return "", false, nil
		}
		if !ok {
			return "", false, &javalib.Exception{Class: "org.apache.kafka.common.KafkaException", Message: fmt.Sprintf("No %s found on line number %d: '%s'", name, number, line)}
		}
		line = after
		return before, true, nil
	}
	headers, hasHeaders, err := cut(l.parseHeaders, l.headersDelimiter, "headers delimiter")
	if err != nil {
		return nil, err
	}
	key, hasKey, err := cut(l.parseKey, l.keySeparator, "key separator")
	if err != nil {
		return nil, err
	}
	r := &kgo.Record{Value: l.bytes(line)}
	if hasKey {
		r.Key = l.bytes(key)
	}
	if hasHeaders && !(l.marks && headers == l.null) {
		r.Headers, err = l.headers(headers, number)
	}
	return r, err
}

// bytes is a text, or nil for the mark of nulls.
func (l *lineReader) bytes(text string) []byte {
	if l.marks && text == l.null {
		return nil
	}
	return []byte(text)
}

func (l *lineReader) headers(text string, line int64) (all []kgo.RecordHeader, err error) {
	for _, pair := range javalib.Split(text, l.headersSeparator) {
		key, value, ok := strings.Cut(pair, l.headersKeySeparator)
		switch {
		case !ok && !l.ignore:
			return nil, &javalib.Exception{Class: "org.apache.kafka.common.KafkaException", Message: fmt.Sprintf("No header key separator found in pair '%s' on line number %d", pair, line)}
		case !ok:
			all = append(all, kgo.RecordHeader{Key: pair})
			continue
		case l.marks && key == l.null:
			return nil, &javalib.Exception{Class: "org.apache.kafka.common.KafkaException", Message: fmt.Sprintf("Header keys should not be equal to the null marker '%s' as they can't be null", l.null)}
		}
		all = append(all, kgo.RecordHeader{Key: key, Value: l.bytes(value)})
	}
	return all, nil
}
