package main

import (
	"bufio"
	"errors"

	"github.com/spf13/cobra"

	"klamm/cmd/dumplog"
	"klamm/cmd/scripts/javalib"
)

// dumpLogCommand describes klamm dump-log.
func dumpLogCommand(p process) *cobra.Command {
	o := dumplog.Options{}
	var key, value string
	var offsets, transactions bool
	cmd := &cobra.Command{
		Use:   "dump-log FILE ...",
		Short: "Print what stands in the files of a log: .log, .index, .timeindex, .txnindex, .snapshot",
		Long: `Prints what stands in the files of a log, to the letter as kafka-dump-log.sh of Apache Kafka 3.9 does: batches and
records, the entries of the indexes and whether they fit the log, aborted transactions, producers. It changes
nothing, and a broker may run meanwhile. klamm check says what a start of a broker would do about the files.

The exit code is 1 where a file makes no sense.`,
		Example: `  klamm dump-log /var/lib/klamm/orders-0/00000000000000000000.log --deep-iteration
  klamm dump-log --files a.log,a.index --print-data-log
  klamm dump-log /var/lib/klamm/__consumer_offsets-12/*.log --offsets-decoder`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && len(o.Files) == 0 {
				return misused(cmd, errors.New("klamm dump-log needs the files to print"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.Files = append(o.Files, args...)
			o.Print = o.Print || offsets || transactions || cmd.Flags().Changed("key-decoder-class") || cmd.Flags().Changed("value-decoder-class")
			switch {
			case offsets:
				o.Parse = dumplog.Offsets
			case transactions:
				o.Parse = dumplog.Transactions
			default:
				if o.Parse, o.Said, err = dumplog.Decoders(key, value); err != nil {
					return misused(cmd, err)
				}
			}
			return p.dumpLog(o)
		},
	}
	cmd.SetFlagErrorFunc(misused)
	f := cmd.Flags()
	f.StringSliceVar(&o.Files, "files", nil, "the `files`, separated by commas")
	f.BoolVar(&o.Print, "print-data-log", false, "print keys and values; a decoder implies it")
	f.BoolVar(&o.Deep, "deep-iteration", false, "print a line for each record; --print-data-log implies it")
	f.BoolVar(&o.SkipMetadata, "skip-record-metadata", false, "print nothing of a record but its key and value")
	f.BoolVar(&o.VerifyOnly, "verify-index-only", false, "compare indexes with the log, and print no entry")
	f.BoolVar(&o.SanityOnly, "index-sanity-check", false, "make the check of indexes that a broker makes at its start, only")
	f.Int32Var(&o.MaxMessageSize, "max-message-size", dumplog.DefaultMaxMessageSize, "the `size` of the largest batch that an index may point to")
	f.Int32Var(&o.MaxBytes, "max-bytes", dumplog.NoMaxBytes, "read this many `bytes` of a log at most")
	f.BoolVar(&offsets, "offsets-decoder", false, "the records are those of __consumer_offsets")
	f.BoolVar(&transactions, "transaction-log-decoder", false, "the records are those of __transaction_state")
	f.StringVar(&key, "key-decoder-class", dumplog.DefaultDecoder, "the decoder of keys, `class` StringDecoder, IntegerDecoder or LongDecoder of org.apache.kafka.tools.api")
	f.StringVar(&value, "value-decoder-class", dumplog.DefaultDecoder, "the decoder of values, a `class` as for keys")
	return cmd
}

// dumpLog prints files.
func (p process) dumpLog(o dumplog.Options) error {
	out := bufio.NewWriter(p.report)
	err := dumplog.Run(o, out, p.stderr)
	if thrown := (*javalib.Exception)(nil); errors.As(err, &thrown) {
		err = errors.New(thrown.String())
	}
	return errors.Join(err, out.Flush())
}
