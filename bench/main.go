package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"klamm/compat-tests/harness"
)

var (
	seconds    = flag.Int("seconds", 10, "how long each load runs")
	partitions = flag.Int("partitions", 2000, "partitions that are there at the kill -9")
	rounds     = flag.Int("rounds", 3, "how often a start on an empty directory is measured; the median counts")
)

// result is what was measured of one broker.
type result struct {
	startEmpty   time.Duration // exec to the first Metadata answer
	startCrashed time.Duration // the same with partitions, after kill -9
	leading      time.Duration // until every partition of those has a leader
	idle, loaded int64         // resident bytes; loaded is the peak
	produced     rate
	consumed     rate
}

// rate is a throughput.
type rate struct{ records, bytes float64 }

func main() {
	flag.Parse()
	results := map[string]*result{}
	for _, broker := range []string{"klamm", "apache"} {
		os.Setenv("KLAMM_BROKER", broker)
		fmt.Fprintf(os.Stderr, "bench: measuring %s\n", broker)
		r, err := measure()
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", broker, err)
			os.Exit(1)
		}
		results[broker] = r
	}
	print(results["klamm"], results["apache"])
}

// measure runs all measurements against one broker.
func measure() (*result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	r := &result{}
	var err error
	if r.startEmpty, r.idle, err = empty(ctx); err != nil {
		return nil, fmt.Errorf("start on an empty directory: %w", err)
	}
	if r.startCrashed, r.leading, err = crashed(ctx); err != nil {
		return nil, fmt.Errorf("start after kill -9: %w", err)
	}
	if err := load(ctx, r); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return r, nil
}

func print(klamm, apache *result) {
	fmt.Printf("%d cores, client and broker on the same machine, %s %s; Apache Kafka %s\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, harness.Kafka39)
	fmt.Printf("%-66s %10s %10s\n", "", "klamm", "Kafka "+harness.Kafka39[:3])
	row := func(name, unit string, of func(*result) float64) {
		fmt.Printf("%-66s %10.1f %10.1f\n", name+", "+unit, of(klamm), of(apache))
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	const mb = 1e6
	row("start to first Metadata, empty directory", "ms", func(r *result) float64 { return ms(r.startEmpty) })
	row(fmt.Sprintf("start to first Metadata, %d partitions, after kill -9", *partitions), "ms", func(r *result) float64 { return ms(r.startCrashed) })
	row("... until each of them has a leader", "ms", func(r *result) float64 { return ms(r.leading) })
	row("resident memory, idle", "MB", func(r *result) float64 { return float64(r.idle) / mb })
	row("resident memory, 4 connections at full speed, peak", "MB", func(r *result) float64 { return float64(r.loaded) / mb })
	row("produce, 4 connections, 1 kB records, acks=all", "records/s", func(r *result) float64 { return r.produced.records })
	row("the same", "MB/s", func(r *result) float64 { return r.produced.bytes / mb })
	row("consume, 4 connections", "records/s", func(r *result) float64 { return r.consumed.records })
	row("the same", "MB/s", func(r *result) float64 { return r.consumed.bytes / mb })
}
