package main

import (
	"slices"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// usage is what brokers' processes took over a piece of work.
type usage struct {
	cpu  time.Duration // of all
	peak int64         // most bytes resident of one
	took time.Duration
}

// metered does the work and says what the processes took meanwhile.
func metered(pids []int, work func() error) (usage, error) {
	for _, pid := range pids {
		if err := figures.ResetPeak(pid); err != nil {
			return usage{}, err
		}
	}
	before, err := cpuOf(pids)
	if err != nil {
		return usage{}, err
	}
	begun := time.Now()
	if err := work(); err != nil {
		return usage{}, err
	}
	u := usage{took: time.Since(begun)}
	if u.cpu, err = cpuOf(pids); err != nil {
		return usage{}, err
	}
	u.cpu -= before
	for _, pid := range pids {
		peak, err := figures.PeakResident(pid)
		if err != nil {
			return usage{}, err
		}
		u.peak = max(u.peak, peak)
	}
	return u, nil
}

// cpuOf adds up the CPU time of processes.
func cpuOf(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		cpu, err := figures.CPU(pid)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

const (
	mega = 1e6
	giga = 1e9
)

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// sample makes figures of a replay and of what the broker took for it.
func sample(done replay.Done, u usage) figures.Sample {
	s := latencies(done.Latencies)
	requests, bytes := float64(done.Requests), float64(done.Bytes)
	if bytes > 0 { // heartbeats carry none
		s[figures.Throughput] = bytes / mega / done.Took.Seconds()
		s[figures.CPUPerGB] = u.cpu.Seconds() / (bytes / giga)
	}
	s[figures.Requests] = requests / done.Took.Seconds()
	s[figures.CPUPerMillion] = u.cpu.Seconds() / (requests / mega)
	s[figures.CPUShare] = 100 * u.cpu.Seconds() / u.took.Seconds()
	s[figures.Peak] = float64(u.peak) / mega
	return s
}

// latencies makes figures of nanoseconds in any order, which it sorts.
func latencies(ns []int64) figures.Sample {
	slices.Sort(ns)
	s := figures.Sample{}
	for f, part := range map[figures.Figure]float64{figures.P50: 0.5, figures.P99: 0.99, figures.P999: 0.999} {
		s[f] = milliseconds(time.Duration(figures.Percentile(ns, part)))
	}
	return s
}
