package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"klamm/broker/migrate/size"
	"klamm/broker/migrate/verify"
	"klamm/cmd/connect"
)

// verifyOptions are the flags of klamm migrate verify.
type verifyOptions struct {
	verify.Options
	json bool
}

// verifyCommand describes klamm migrate verify.
func verifyCommand(p process) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify --bootstrap-server HOST:PORT",
		Short: "Compare the replicas of a cluster's partitions between its brokers",
		Long: `Compares the replicas of all partitions of a cluster between its brokers, Apache Kafka's of 3.9 and
klamm's alike. It reads each replica from its own broker, as a consumer, and holds it against the leader's
batch by batch, up to the lower of their high watermarks. It changes nothing, and clients may go on.

The progress goes to stderr. Ctrl-C ends the command with a report of what was compared until then.

The exit code is 0 if the replicas are equal, 1 if there are differences, and 2 if the command line is wrong
or something could not be compared.`,
		Example: `  klamm migrate verify --bootstrap-server kafka-1:9092
  klamm migrate verify --bootstrap-server kafka-1:9092,kafka-2:9092 --topic orders --topic payments --throttle 20000000
  klamm migrate verify --bootstrap-server kafka-1:9092 --exclude-internal --brokers 1,3 --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("unexpected argument %q; --topic names a topic", args[0]))
			}
			return misusedIf(cmd, o.check())
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.verify(cmd.Context(), o) },
	}
	cmd.Flags().VarP((*connect.Servers)(&o.Bootstrap), "bootstrap-server", "b", "`addresses` of brokers, host:port,...; the first that answers tells of the others")
	cmd.Flags().StringArrayVar(&o.Topics, "topic", nil, "compare this `topic`; may be repeated (default: all)")
	cmd.Flags().BoolVar(&o.ExcludeInternal, "exclude-internal", false, "leave out __consumer_offsets and __transaction_state")
	(*rate)(&o.BytesPerSecond).add(cmd, "read this many `bytes` a second at most, from all brokers together")
	cmd.Flags().Int32SliceVar(&o.Brokers, "brokers", nil, "compare the replicas on these brokers alone: `ids`, separated by commas")
	cmd.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return cmd
}

// misusedIf makes an error, if there is one, one of wrong use.
func misusedIf(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return misused(cmd, err)
}

// check says what is wrong with the flags.
func (o *verifyOptions) check() error {
	if len(o.Bootstrap) == 0 {
		return errors.New("--bootstrap-server has to name a broker, host:port")
	}
	for _, topic := range o.Topics {
		if topic == "" {
			return errors.New("--topic: the name is empty")
		}
	}
	if len(o.Topics) > 0 && o.ExcludeInternal {
		return errors.New("--topic and --exclude-internal exclude each other")
	}
	slices.Sort(o.Brokers)
	if o.Brokers = slices.Compact(o.Brokers); len(o.Brokers) == 1 {
		return fmt.Errorf("--brokers: broker %d alone has nothing to be compared with", o.Brokers[0])
	}
	return nil
}

// verify compares the replicas and writes what it finds.
func (p process) verify(ctx context.Context, o verifyOptions) error {
	o.Progress = func(now verify.Progress) { writeProgress(p.stderr, now) }
	report, err := verify.Verify(ctx, o.Options)
	if err != nil {
		return &codedError{wrongUse, err}
	}
	return p.write(report, o.json)
}

// writeProgress writes a line.
func writeProgress(out io.Writer, now verify.Progress) {
	rest := ""
	if now.Rest >= 0 {
		rest = fmt.Sprintf(", %v left", now.Rest.Round(time.Second))
	}
	fmt.Fprintf(out, "%d of %d partitions, %s read, %s/s%s\n", now.Done, now.Partitions, size.Text(now.Bytes), size.Text(now.PerSecond), rest)
}
