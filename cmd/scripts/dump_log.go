package scripts

import (
	"context"
	"errors"

	"klamm/cmd/dumplog"
	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// dumpLogScript is kafka-dump-log: kafka.tools.DumpLogSegments.
//
// It does not read what KRaft and tiered storage write, and knows the four decoders of Kafka's own by their names. Records of
// __consumer_offsets that only a broker with KRaft writes count as unknown.
func dumpLogScript() *Script {
	return &Script{Name: "kafka-dump-log", Does: "Prints what stands in the files of a log.",
		Differs: "Snapshots of KRaft are not read, and records that only KRaft's group coordinator writes are unknown.",
		parser:  func() *jopt.Parser { return newDumpLogOptions().p }, run: runDumpLog}
}

type dumpLogOptions struct {
	p *jopt.Parser
	*jopt.Set
	files, print, verify, sanity, deep, skip, offsets, transactions, cluster, remote, maxMessage, maxBytes, key, value *jopt.Option
}

func newDumpLogOptions() *dumpLogOptions {
	p := jopt.New()
	return &dumpLogOptions{
		p:            p,
		files:        p.Accepts("files", "Required: the files, separated by commas.").Needs("file1, file2, ..."),
		print:        p.Accepts("print-data-log", "Print keys and values. A decoder implies it."),
		verify:       p.Accepts("verify-index-only", "Compare indexes with the log, and print no entry."),
		sanity:       p.Accepts("index-sanity-check", "Make the check of indexes that a broker makes at its start, only."),
		deep:         p.Accepts("deep-iteration", "Print a line for each record. --print-data-log implies it."),
		skip:         p.Accepts("skip-record-metadata", "Print nothing of a record but its key and value."),
		offsets:      p.Accepts("offsets-decoder", "Records are those of __consumer_offsets."),
		transactions: p.Accepts("transaction-log-decoder", "Records are those of __transaction_state."),
		cluster:      p.Accepts("cluster-metadata-decoder", "For the metadata of KRaft.").Refused("klamm does not read the metadata of KRaft"),
		remote:       p.Accepts("remote-log-metadata-decoder", "For the metadata of tiered storage.").Refused("klamm does not read the metadata of tiered storage"),
		maxMessage:   p.Accepts("max-message-size", "The size of the largest batch that an index may point to.").Needs("size").Of(jopt.Int).Or(javalib.Itoa(dumplog.DefaultMaxMessageSize)),
		maxBytes:     p.Accepts("max-bytes", "How many bytes of a log are read at most.").Needs("size").Of(jopt.Int).Or(javalib.Itoa(dumplog.NoMaxBytes)),
		key:          p.Accepts("key-decoder-class", "The decoder of keys: StringDecoder, IntegerDecoder or LongDecoder in org.apache.kafka.tools.api.").May("class").Or(dumplog.DefaultDecoder),
		value:        p.Accepts("value-decoder-class", "The decoder of values.").May("class").Or(dumplog.DefaultDecoder),
	}
}

func runDumpLog(_ context.Context, c *call) error {
	o := newDumpLogOptions()
	var err error
	if o.Set, err = c.parse(o.p, "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log segment."); err != nil {
		return err
	}
	if err := requireOptions(o.p, o.Set, o.files); err != nil {
		return err
	}
	options, err := o.options(c)
	if err != nil {
		return err
	}
	return dumplog.Run(options, c.out, c.errs)
}

// options gives what the command line asks for.
func (o *dumpLogOptions) options(c *call) (out dumplog.Options, err error) {
	files, err := o.Value(o.files)
	if err != nil {
		return out, err
	}
	size, err := o.Number(o.maxMessage)
	if err != nil {
		return out, err
	}
	most, err := o.Number(o.maxBytes)
	if err != nil {
		return out, err
	}
	key, keyErr := o.Value(o.key)
	value, valueErr := o.Value(o.value)
	if err := errors.Join(keyErr, valueErr); err != nil {
		return out, err
	}
	out = dumplog.Options{
		Files: javalib.Split(files, ","), Deep: o.Has(o.deep), SkipMetadata: o.Has(o.skip), VerifyOnly: o.Has(o.verify), SanityOnly: o.Has(o.sanity),
		Print:          o.Has(o.print) || o.Has(o.offsets) || o.Has(o.transactions) || o.Has(o.key) || o.Has(o.value),
		MaxMessageSize: int32(size), MaxBytes: int32(most),
	}
	switch {
	case o.Has(o.offsets):
		out.Parse = dumplog.Offsets
	case o.Has(o.transactions):
		out.Parse = dumplog.Transactions
	default:
		if out.Parse, out.Said, err = dumplog.Decoders(key, value); err != nil {
			return out, &exit{1, c.script.Name + ": " + err.Error()}
		}
	}
	return out, nil
}
