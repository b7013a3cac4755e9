package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"klamm/bench/figures"
)

// The media.
const (
	tmpfs = "tmpfs"
	disk  = "disk"
)

// check compares the names on the command line with those that exist.
func (o *options) check() error {
	for _, name := range o.loads {
		if !slices.ContainsFunc(loads, func(l load) bool { return l.named(name) }) {
			return fmt.Errorf("no load is called %q; there are %s", name, strings.Join(loadNames(), ", "))
		}
	}
	for i, name := range o.brokers {
		if flagNames[name] == "" {
			return fmt.Errorf("no broker is called %q; there are %s", name, strings.Join(brokerNames, ", "))
		}
		o.brokers[i] = flagNames[name]
	}
	for _, name := range o.media {
		if name != tmpfs && name != disk {
			return fmt.Errorf("no medium is called %q; there are %s and %s", name, tmpfs, disk)
		}
	}
	if len(o.brokers) == 0 || len(o.media) == 0 {
		return errors.New("want at least one broker and one medium")
	}
	return nil
}

// run is one run of the command.
type run struct {
	*options
	out, progress io.Writer
	dirs          *directories
	targets       map[string]target // what runs, by the broker's name
	begun         time.Time
	results       []figures.Result
	made          int // directories
}

func newRun(o *options, out, progress io.Writer) (*run, error) {
	dirs, err := makeDirectories(o.disk)
	if err != nil {
		return nil, err
	}
	// A broker may still be deleting its last topic while its next one is filled.
	if slices.Contains(o.media, tmpfs) {
		if err := dirs.room(o.volume*2 + min(o.warm, warmVolume)); err != nil {
			dirs.remove()
			return nil, err
		}
	}
	// What the harness puts beside the data goes with the rest.
	if err := os.Setenv("TMPDIR", dirs.disk); err != nil {
		dirs.remove()
		return nil, err
	}
	return &run{options: o, out: out, progress: progress, dirs: dirs, targets: map[string]target{}, begun: time.Now()}, nil
}

// all runs the loads, medium by medium: first those that share brokers, which stay
// up, then those that share clusters, then those that start brokers of their own.
func (r *run) all(ctx context.Context) error {
	fmt.Fprintf(r.out, "%s; client and brokers share it\n\n", machine())
	for _, medium := range r.media {
		for _, turn := range []func(load) bool{
			func(l load) bool { return !l.own && !l.cluster },
			func(l load) bool { return !l.own && l.cluster },
			func(l load) bool { return l.own },
		} {
			for _, l := range loads {
				if !turn(l) || !slices.Contains(l.media, medium) || !l.wanted(r.loads) {
					continue
				}
				if err := r.load(ctx, l, medium); err != nil {
					return fmt.Errorf("%s (%s): %w", l.name, medium, err)
				}
			}
			if err := r.stopTargets(); err != nil {
				return err
			}
		}
	}
	return nil
}

// load runs one load on one medium against each broker and prints its table.
func (r *run) load(ctx context.Context, l load, medium string) error {
	result := figures.Result{Load: l.name, About: l.about, Medium: medium, Order: l.columns}
	for _, name := range r.brokers {
		if name == limits && !l.limited || l.cluster && !clustered(name) {
			continue
		}
		rounds, err := r.measure(ctx, l, medium, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		result.Rows = append(result.Rows, figures.NewRow(name, rounds))
	}
	if len(result.Rows) == 0 {
		return nil
	}
	r.results = append(r.results, result)
	return errors.Join(figures.Print(r.out, result), r.writeJSON())
}

// measure measures one broker.
func (r *run) measure(ctx context.Context, l load, medium, name string) (rounds []figures.Sample, err error) {
	s := &subject{scale: r.scale, name: name, dir: r.newDirectory(medium, name)}
	if !l.own {
		if s.target, err = r.target(ctx, medium, name, l.cluster); err != nil {
			return nil, err
		}
	}
	r.say("%s (%s): %s", l.name, medium, name)
	session, err := l.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, session.close(ctx))
		if err == nil || ctx.Err() != nil {
			return
		}
		switch t := s.target.(type) {
		case *broker:
			err = fmt.Errorf("%w; the broker's log is kept: %s", err, t.KeepLog())
		case *cluster:
			err = fmt.Errorf("%w; the brokers' logs are kept: %s", err, t.logs())
		}
	}()
	for range r.rounds {
		sample, err := session.round(ctx)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, sample)
	}
	return rounds, nil
}

// target gives a broker or a cluster that several loads share, and starts it for the first one.
func (r *run) target(ctx context.Context, medium, name string, three bool) (target, error) {
	if three {
		return r.cluster(ctx, medium, name)
	}
	if t := r.targets[name]; t != nil {
		return t, nil
	}
	dir := r.newDirectory(medium, name)
	if name == limits {
		r.targets[name] = &limitProcess{dir: dir}
		return r.targets[name], nil
	}
	r.say("starting %s (%s)", name, medium)
	b, err := startBroker(name, dir)
	if err != nil {
		return nil, err
	}
	r.targets[name] = b
	if name == klamm || r.warm == 0 {
		return b, nil
	}
	r.say("warming %s with %d MB", name, r.warm/1e6)
	return b, warm(ctx, b, r.warm)
}

// cluster is target for three brokers. They are up when no single broker is.
func (r *run) cluster(ctx context.Context, medium, name string) (target, error) {
	if t := r.targets[name]; t != nil {
		return t, nil
	}
	r.say("starting three of %s (%s)", name, medium)
	c, err := startCluster(name, r.newDirectory(medium, name), r.session)
	if err != nil {
		return nil, err
	}
	r.targets[name] = c
	if name == klamm || r.warm == 0 {
		return c, nil
	}
	r.say("warming three of %s with %d MB", name, r.warm/1e6)
	return c, warmCluster(ctx, c, r.warm)
}

// newDirectory names a directory that nothing uses yet. It does not create the directory.
func (r *run) newDirectory(medium, name string) string {
	r.made++
	return filepath.Join(r.dirs.on(medium), fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), r.made))
}

func (r *run) stopTargets() error {
	var errs []error
	for name, t := range r.targets {
		errs = append(errs, t.close())
		delete(r.targets, name)
	}
	return errors.Join(errs...)
}

// close stops what runs and removes every file.
func (r *run) close() error {
	err := r.stopTargets()
	r.dirs.remove()
	return err
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "bench: %s %s\n", time.Since(r.begun).Round(time.Second), fmt.Sprintf(format, args...))
}

// writeJSON writes what there is so far: what was measured outlives a run that fails.
func (r *run) writeJSON() error {
	if r.json == "" {
		return nil
	}
	f, err := os.Create(r.json)
	if err != nil {
		return err
	}
	err = figures.WriteJSON(f, figures.Report{Machine: machine(), Begun: r.begun, Seconds: time.Since(r.begun).Seconds(), Rounds: r.rounds, Results: r.results})
	return errors.Join(err, f.Close())
}

func machine() string {
	return fmt.Sprintf("%d cores, %s %s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
