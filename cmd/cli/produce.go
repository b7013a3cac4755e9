package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/cmd/cli/records"
	"klamm/cmd/connect"
)

// produceFlags are the flags of klamm produce.
type produceFlags struct {
	format, file, compression, acks, partitioner string
	key                                          string
	headers                                      []string
	partition                                    int32
	keepPartitions, noIdempotence                bool
	timeout                                      time.Duration
	maxBytes                                     int32

	changed func(flag string) bool
	header  []kgo.RecordHeader // of headers
}

func produceCommand(p Process) *cobra.Command {
	var a ask
	var f produceFlags
	cmd := &cobra.Command{
		Use:   "produce [TOPIC]",
		Short: "Write records that are read from standard input or a file",
		Long: `Writes records to a topic. By default each line is the value of one. Without TOPIC the records say where they go, with it they all go there: klamm consume
a -f json | klamm produce b -f json copies a topic, with keys, values, headers and timestamps as they are.

` + records.Help + `

Of a properties file or a profile, acks, compression.type and enable.idempotence count where no flag says otherwise.

When a record cannot be written, the command writes no further ones, names it by its number, and ends with exit code 1. On a terminal it shows how far it is.`,
		Example: `  echo hello | klamm produce greetings
  klamm produce orders -f '%k\t%v\n' --file orders.tsv --compression zstd
  klamm consume orders -f json | klamm produce orders-copy -f json --keep-partitions`,
		Args:              arguments("at most one topic", 0, 1),
		ValidArgsFunction: a.complete(1, topicNames),
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.format, "format", "f", `%v\n`, "`format` of the input: json, or a template")
	flags.StringVar(&f.file, "file", "", "read this `file` in the place of standard input")
	flags.StringVarP(&f.key, "key", "k", "", "`key` of records that the format gives none")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "header of each record, `name=value`; may be repeated")
	flags.Int32VarP(&f.partition, "partition", "p", -1, "write to this partition `number`")
	flags.BoolVar(&f.keepPartitions, "keep-partitions", false, "write to the partitions that the records say")
	flags.StringVar(&f.partitioner, "partitioner", "java", "`who` chooses partitions: java (by the key as Java's clients do), round-robin, or sticky (whole batches, whatever the key)")
	flags.StringVarP(&f.compression, "compression", "z", "none", "`codec`: none, gzip, snappy, lz4 or zstd")
	flags.StringVar(&f.acks, "acks", "all", "`whose` acknowledgement is waited for: all, 1 (the leader) or 0 (nobody)")
	flags.BoolVar(&f.noIdempotence, "no-idempotence", false, "allow that a record is written twice when an answer is lost; acks other than all imply it")
	flags.DurationVar(&f.timeout, "timeout", 2*time.Minute, "how `long` to wait for an acknowledgement")
	flags.Int32Var(&f.maxBytes, "max-bytes", 1000012, "largest batch, and so the largest record, in `bytes`; the topic's max.message.bytes has to allow it")
	noDefault(cmd, "partition")
	f.changed = flags.Changed
	fixed(cmd, map[string][]string{"compression": codecs, "acks": {"all", "1", "0"}, "partitioner": {"java", "round-robin", "sticky"}})
	a.check = f.check
	a.options = f.options
	a.noFormat = true
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error { return s.produce(ctx, f, args) })
	return cmd
}

// fixed completes flags with the values that they may have.
func fixed(cmd *cobra.Command, values map[string][]string) {
	for flag, all := range values {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)) // it fails only where there is no such flag
	}
}

// codecs are the names of compression.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// check refuses flags that do not go together.
func (f *produceFlags) check(args []string) error {
	switch {
	case !slices.Contains(codecs, f.compression):
		return misuse("--compression %s: the codecs are %s", f.compression, strings.Join(codecs, ", "))
	case !slices.Contains([]string{"all", "-1", "1", "0"}, f.acks):
		return misuse("--acks %s: it is all, 1 or 0", f.acks)
	case !slices.Contains([]string{"java", "round-robin", "sticky"}, f.partitioner):
		return misuse("--partitioner %s: it is java, round-robin or sticky", f.partitioner)
	case f.changed("partition") && (f.partition < 0 || f.keepPartitions || f.changed("partitioner")):
		return misuse("--partition is a number from 0, and excludes --keep-partitions and --partitioner")
	case f.keepPartitions && f.changed("partitioner"):
		return misuse("--keep-partitions and --partitioner exclude each other")
	case f.timeout < time.Second:
		return misuse("--timeout is at least 1s")
	case f.maxBytes < 1<<10 || f.maxBytes > 1<<30:
		return misuse("--max-bytes is from 1024 to 1073741824")
	case len(args) == 0 && f.format != records.JSON && !strings.Contains(f.format, "%t"):
		return misuse("klamm produce wants a topic, or a format in which the records say theirs")
	}
	if _, err := records.NewReader(f.format, strings.NewReader("")); err != nil {
		return misuse("--format: %w", err)
	}
	if f.file != "" {
		if _, err := os.Stat(f.file); err != nil {
			return misuse("--file: %w", err)
		}
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return misuse("--header %q is not name=value", h)
		}
		f.header = append(f.header, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return checkTopics(args)
}

// adopt takes what a properties file says of a producer, where no flag does.
func (f *produceFlags) adopt(p connect.Properties) error {
	for name, of := range map[string]struct {
		flag   string
		into   *string
		values []string
	}{"acks": {"acks", &f.acks, []string{"all", "-1", "1", "0"}}, "compression.type": {"compression", &f.compression, codecs}} {
		value := p[name]
		if value == "" || f.changed(of.flag) {
			continue
		}
		if !slices.Contains(of.values, value) {
			return misuse("%s=%s in the properties is none of %s", name, value, strings.Join(of.values, ", "))
		}
		*of.into = value
	}
	if p["enable.idempotence"] == "false" && !f.changed("no-idempotence") {
		f.noIdempotence = true
	}
	return nil
}

// options are those of the producer.
func (f *produceFlags) options(p connect.Properties) ([]kgo.Opt, error) {
	if err := f.adopt(p); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchMaxBytes(f.maxBytes), kgo.BrokerMaxWriteBytes(max(f.maxBytes+1<<20, 100<<20)),
		kgo.MaxBufferedBytes(max(int(f.maxBytes), 64<<20)), kgo.UnknownTopicRetries(10),
	}
	codec := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	opts = append(opts, kgo.ProducerBatchCompression(codec[f.compression]))
	switch f.acks {
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	}
	if f.noIdempotence || f.acks == "1" || f.acks == "0" {
		opts = append(opts, kgo.DisableIdempotentWrite())
	} else {
		opts = append(opts, kgo.AllowIdempotentProduceCancellation()) // or a broker that died amid a request would hold the command for ever
	}
	switch {
	case f.keepPartitions || f.changed("partition"):
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	case f.partitioner == "round-robin":
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	case f.partitioner == "sticky":
		opts = append(opts, kgo.RecordPartitioner(kgo.StickyPartitioner()))
	default:
		opts = append(opts, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	}
	return opts, nil
}

// outcome is what became of the records.
type outcome struct {
	broken chan struct{} // closed when a record failed

	mu      sync.Mutex
	waiting int       // guarded by mu, as all that follows: records that are under way
	heard   time.Time // when the last one was acknowledged, or when the first one set out since none was under way
	written int
	bytes   int64 // of keys and values that were written
	failed  int
	first   int // the number of the first record that failed
	why     error
}

// sent notes that a record is on its way.
func (o *outcome) sent() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting++; o.waiting == 1 {
		o.heard = time.Now()
	}
}

// silence says for how long nothing was heard of records that are under way.
func (o *outcome) silence() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == 0 {
		return 0
	}
	return time.Since(o.heard)
}

// errSilent says that no acknowledgement came in time.
var errSilent = errors.New("no acknowledgement came in time")

// watch ends the context of the records when nothing is heard for too long. The client's own limit counts from the time that a record says, which may be long ago.
func (o *outcome) watch(ctx context.Context, timeout time.Duration) (context.Context, func()) {
	ctx, giveUp := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(timeout / 20)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if o.silence() > timeout {
					giveUp(errSilent)
				}
			}
		}
	}()
	return ctx, func() { giveUp(nil) }
}

// done notes what became of a record.
func (o *outcome) done(n int, r *kgo.Record, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting, o.heard = o.waiting-1, time.Now()
	if err == nil {
		o.written++
		o.bytes += int64(len(r.Key) + len(r.Value))
		return
	}
	if o.failed++; o.failed == 1 {
		close(o.broken)
	}
	if o.first == 0 || n < o.first {
		o.first, o.why = n, err
	}
}

// String says how far it is.
func (o *outcome) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprintf("%s written, %s", count(o.written, "record"), sizeOf(&o.bytes))
}

// produce writes what it reads, and waits until all of it is written or failed.
func (s *session) produce(ctx context.Context, f produceFlags, args []string) error {
	in := s.In
	if f.file != "" {
		file, err := os.Open(f.file)
		if err != nil {
			return fmt.Errorf("--file: %w", err)
		}
		defer file.Close()
		in = file
	} else if s.InTerminal {
		fmt.Fprintln(s.Err, "reading from the terminal; Ctrl-D ends the input")
	}
	read, err := records.NewReader(f.format, in)
	if err != nil {
		return err
	}
	o := outcome{broken: make(chan struct{})}
	progress := s.progress(f.file != "" || !s.InTerminal, o.String)
	// A record that is under way is not given up for an interruption: nobody would know whether it is written.
	sending, giveUp := o.watch(context.WithoutCancel(ctx), f.timeout)
	defer giveUp()
	err = s.pump(ctx, sending, f, args, read, &o)
	// Records that are given up still have to come back, within moments.
	flushing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(sending, func() { time.AfterFunc(time.Minute, cancel) })
	if flushed := s.Client.Flush(flushing); err == nil && flushed != nil {
		err = fmt.Errorf("waiting for what is written: %w", flushed)
	}
	progress.end()
	return o.verdict(ctx, s, err)
}

// verdict says what became of it all. err is why no more was read.
func (o *outcome) verdict(ctx context.Context, s *session, err error) error {
	said := o.String()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.failed > 0:
		return fmt.Errorf("record %d was not written: %s; %s, %d not", o.first, s.whyNot(o.why), said, o.failed)
	case ctx.Err() != nil:
		return &Exit{CodeInterrupted, fmt.Errorf("interrupted: %s", said)}
	case err != nil:
		return fmt.Errorf("%w; %s", err, said)
	}
	return nil
}

// whyNot says why a record was not written.
func (s *session) whyNot(err error) string {
	if errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, kgo.ErrRecordRetries) || errors.Is(err, context.Canceled) {
		if explained := s.Unreached(); explained != nil {
			return fmt.Sprintf("%v: %v", errSilent, explained)
		}
		return errSilent.Error()
	}
	if errors.Is(err, kerr.MessageTooLarge) {
		return refusal(err, "") + "; --max-bytes and the topic's max.message.bytes bound it"
	}
	return refusal(s.Explain(err), "")
}

// pump reads records and hands them to the client, until the end of the input, an interruption, or the first record that is not written.
func (s *session) pump(ctx, sending context.Context, f produceFlags, args []string, read records.Reader, o *outcome) error {
	type next struct {
		r   *kgo.Record
		err error
	}
	ahead := make(chan next, 64)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // a read may wait for a person, and cannot be interrupted
		for {
			r, err := read()
			select {
			case ahead <- next{r, err}:
			case <-reading.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	known := map[string]bool{}
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.broken:
			return nil
		case got := <-ahead:
			if errors.Is(got.err, io.EOF) {
				return nil
			}
			if got.err != nil {
				return got.err
			}
			if err := f.complete(got.r, args); err != nil {
				return fmt.Errorf("record %d: %w", n, err)
			}
			if !known[got.r.Topic] {
				if err := checkTopic(got.r.Topic); err != nil {
					return fmt.Errorf("record %d: %w", n, err)
				}
				if _, err := s.topics(ctx, got.r.Topic); err != nil {
					return err
				}
				known[got.r.Topic] = true
			}
			o.sent()
			s.Client.Produce(sending, got.r, func(r *kgo.Record, err error) { o.done(n, r, err) })
		}
	}
}

// complete gives a record what the command line says of all.
func (f *produceFlags) complete(r *kgo.Record, args []string) error {
	if len(args) > 0 {
		r.Topic = args[0]
	}
	if r.Topic == "" {
		return errors.New("it has no topic, and the command line names none")
	}
	if f.changed("partition") {
		r.Partition = f.partition
	}
	if f.keepPartitions && r.Partition < 0 {
		return errors.New("it has no partition, which --keep-partitions wants")
	}
	if r.Key == nil && f.changed("key") {
		r.Key = []byte(f.key)
	}
	r.Headers = append(r.Headers, f.header...)
	return nil
}
