package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == limitArgument {
		if err := serveLimit(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintf(os.Stderr, "bench: limit: %v\n", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options are what the command line says. No field's zero value is of use.
type options struct {
	loads   []string // names, or what they begin with up to a slash; empty: all
	brokers []string
	media   []string
	rounds  int
	scale
	json string // file, or empty
	disk string // directory for what is to be on the disk
}

// scale is how much work each load is.
type scale struct {
	volume     int64         // bytes that a round of a load moves
	requests   int           // of a load whose requests are small
	warm       int64         // bytes that a JVM has taken before it is measured
	during     time.Duration // of a round of a load that has a rate instead of a volume
	clients    int           // of crowd
	groups     int           // of heartbeats, commits and offsets-load
	members    int           // of groups-join
	partitions int           // of topics, start, groups-join and offsets-load
	session    time.Duration // of a cluster's brokers at ZooKeeper
	settle     time.Duration // for what a broker does behind a start or many requests, before it counts as idle
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	loads := f.String("loads", "", "the loads to run, by name (big/acks=1) or all of a kind (big); empty: all")
	brokers := f.String("brokers", strings.Join(brokerNames, ","), "the brokers, in the order in which they are measured; ratios are of the first one")
	media := f.String("media", "tmpfs,disk", "where the data is")
	f.IntVar(&o.rounds, "rounds", 3, "how often each load is measured; the median counts")
	volume := f.Int64("volume", 2048, "MB that a round of a load moves")
	warm := f.Int64("warm", 4096, "MB that a JVM has taken before it is measured")
	f.IntVar(&o.requests, "requests", 200_000, "requests of a round of a load whose requests are small")
	f.DurationVar(&o.during, "during", 10*time.Second, "how long a round takes of a load that has a rate")
	f.IntVar(&o.clients, "clients", 5000, "connections of crowd; twice as many stand beside the loads of scale")
	f.IntVar(&o.partitions, "partitions", 10_000, "partitions of topics/idle and beside the loads of scale; a tenth of topics/1000, groups-join and offsets-load, a fifth at the starts with data")
	f.IntVar(&o.groups, "groups", 10_000, "groups of heartbeats; a tenth of commits and offsets-load, and beside the loads of scale")
	f.IntVar(&o.members, "members", 1000, "members of groups-join/members=1000; a tenth of groups-join/members=100")
	f.DurationVar(&o.session, "session", 18*time.Second, "zookeeper.session.timeout.ms of the brokers of a cluster")
	f.DurationVar(&o.settle, "settle", 3*time.Second, "how long a broker is left alone before it counts as idle")
	f.StringVar(&o.json, "json", "", "also write the figures to this file")
	f.StringVar(&o.disk, "disk", "build", "a directory on the disk")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.loads, o.brokers, o.media = split(*loads), split(*brokers), split(*media)
	o.volume, o.warm = *volume*1e6, *warm*1e6
	if f.NArg() > 0 || o.rounds < 1 || o.volume <= 0 || o.requests < 1 || o.during <= 0 || o.clients < 2 || o.partitions < 10 || o.groups < 1 || o.members < 1 {
		return nil, errors.New("want no argument but flags, and each number above zero")
	}
	return o, o.check()
}

func split(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// command measures what the arguments ask for and prints it as it comes.
func command(ctx context.Context, args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := newRun(o, os.Stdout, os.Stderr)
	if err != nil {
		return err
	}
	err = errors.Join(r.all(ctx), r.close())
	if ctx.Err() != nil {
		// The interrupt is the cause of other errors: a terminal interrupts the brokers
		// as well.
		return errors.New("interrupted")
	}
	return err
}
