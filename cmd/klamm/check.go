package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"klamm/broker/migrate/size"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
)

// dirsCommand describes klamm check.
func dirsCommand(p process) *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "check DIR ...",
		Short: "Check the log directories of a stopped broker",
		Long: `Reads everything in the log directories of a broker that is stopped, klamm or Apache Kafka 3.9: each batch of each
segment with its CRC, offsets and leader epoch, the indexes, the checkpoints, meta.properties, partition.metadata and
the snapshots of producers. It says what is not as it should be, where, and what a start of klamm would do about it.
It changes nothing. A note is something that costs nothing, such as a file that a crash has left.

Name all directories of log.dirs: it also compares them with each other.

The exit code is 0 if there are no problems, 1 if there are, and 2 if the command line is wrong, a broker uses a
directory, or one cannot be looked at.`,
		Example: `  klamm check /var/lib/klamm
  klamm check /data/1 /data/2 -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused(cmd, errors.New("klamm check needs the log directories to check"))
			}
			return misusedIf(cmd, form.check())
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.checkDirs(cmd.Context(), args, form.asJSON()) },
	}
	cmd.SetFlagErrorFunc(misused)
	form.add(cmd)
	return cmd
}

// checkDirs checks log directories and writes what it finds.
func (p process) checkDirs(ctx context.Context, dirs []string, asJSON bool) error {
	if err := inUse(dirs); err != nil {
		return &codedError{wrongUse, err}
	}
	r := &dirsReport{Dirs: dirs, Findings: []dirsFinding{}}
	progress := p.progress()
	for _, dir := range dirs {
		err := logstore.Inspect(stoppable{ctx: ctx}, dir, r.add, func(i logstore.Inspected) {
			r.Partitions, r.Segments, r.Batches, r.Bytes = r.Partitions+i.Partitions, r.Segments+i.Segments, r.Batches+i.Batches, r.Bytes+i.Bytes
			progress(r)
		})
		if err = errors.Join(ctx.Err(), err); err != nil {
			return &codedError{wrongUse, fmt.Errorf("%s cannot be checked: %w", dir, err)}
		}
	}
	r.compare(dirs)
	// What a broker writes meanwhile looks like a fault.
	if err := inUse(dirs); err != nil {
		return &codedError{wrongUse, err}
	}
	return p.write(r, asJSON)
}

// inUse says which of the directories a broker uses.
func inUse(dirs []string) error {
	for _, dir := range dirs {
		switch held, err := (vfs.OS{}).Locked(logstore.LockFile(dir)); {
		case errors.Is(err, fs.ErrNotExist): // no broker has used it
		case err != nil:
			return fmt.Errorf("%s: cannot find out whether a broker uses the directory: %w", dir, err)
		case held:
			return fmt.Errorf("%s: a broker uses the directory; stop it first", dir)
		}
	}
	return nil
}

// stoppable is the file system until ctx ends.
type stoppable struct {
	vfs.OS
	ctx context.Context
}

// OpenRead implements vfs.FS.
func (s stoppable) OpenRead(path string) (vfs.File, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	return s.OS.OpenRead(path)
}

// progress gives a function that says now and then on a terminal how far the check is. Elsewhere it says nothing.
func (p process) progress() func(*dirsReport) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(*dirsReport) {}
	}
	said := time.Now()
	return func(r *dirsReport) {
		if time.Since(said) > time.Second {
			said = time.Now()
			fmt.Fprintf(p.stderr, "%d partitions, %s read, %d problems\n", r.Partitions, size.Text(r.Bytes), r.Problems)
		}
	}
}

// dirsReport is what klamm check found.
type dirsReport struct {
	Dirs       []string      `json:"dirs"`
	Partitions int           `json:"partitions"`
	Segments   int           `json:"segments"`
	Batches    int64         `json:"batches"`
	Bytes      int64         `json:"bytes"`
	Problems   int           `json:"problems"`
	Findings   []dirsFinding `json:"findings"`
}

// dirsFinding is one line of a report.
type dirsFinding struct {
	Severity  string `json:"severity"` // problem or note
	Path      string `json:"path"`
	Topic     string `json:"topic,omitempty"`
	Partition *int32 `json:"partition,omitempty"`
	Offset    *int64 `json:"offset,omitempty"`
	Position  *int64 `json:"position,omitempty"` // in the file, in bytes
	What      string `json:"what"`
	Then      string `json:"then"` // what a start does
}

// add adds a finding.
func (r *dirsReport) add(f logstore.Finding) {
	out := dirsFinding{Severity: "note", Path: f.Path, Topic: f.Partition.Topic, What: f.What, Then: f.Then}
	if f.Severity == logstore.Problem {
		out.Severity = "problem"
		r.Problems++
	}
	if f.Partition.Topic != "" {
		out.Partition = &f.Partition.Partition
	}
	if f.Offset >= 0 {
		out.Offset = &f.Offset
	}
	if f.Position >= 0 {
		out.Position = &f.Position
	}
	r.Findings = append(r.Findings, out)
}

// compare finds what only shows in several directories together.
func (r *dirsReport) compare(dirs []string) {
	where, first := map[protocol.TopicPartition]string{}, logstore.MetaProperties{}
	known := ""
	for _, dir := range dirs {
		if m, err := logstore.ReadMetaProperties(vfs.OS{}, dir); err == nil {
			if known != "" && (m.BrokerID != first.BrokerID || m.ClusterID != first.ClusterID) {
				r.add(logstore.Finding{Severity: logstore.Problem, Path: filepath.Join(dir, "meta.properties"), Offset: -1, Position: -1, Then: "no broker starts with both",
					What: fmt.Sprintf("the directory is of broker %d in cluster %s, and %s is of broker %d in cluster %s", m.BrokerID, m.ClusterID, known, first.BrokerID, first.ClusterID)})
			}
			known, first = dir, m
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // Inspect has told
		}
		for _, e := range entries {
			tp, kind, ok := logstore.ParseDirName(e.Name())
			if !ok || kind != logstore.DirLive || !e.IsDir() {
				continue
			}
			if other := where[tp]; other != "" {
				r.add(logstore.Finding{Severity: logstore.Problem, Path: filepath.Join(dir, e.Name()), Partition: tp, Offset: -1, Position: -1,
					What: "the partition is in " + other + " as well", Then: "a start removes the one that has nothing more, and fails if both have"})
			}
			where[tp] = dir
		}
	}
}

// WriteText writes one line for each finding, and one for the whole.
func (r *dirsReport) WriteText(out io.Writer) error {
	for _, f := range r.Findings {
		place := f.Path
		if f.Offset != nil {
			place += fmt.Sprintf(", offset %d", *f.Offset)
		}
		if f.Position != nil {
			place += fmt.Sprintf(", position %d", *f.Position)
		}
		if _, err := fmt.Fprintf(out, "%-8s %s: %s; %s\n", f.Severity+":", place, f.What, f.Then); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d partitions, %d segments, %d batches, %s: %d problems, %d notes\n", r.Partitions, r.Segments, r.Batches, size.Text(r.Bytes), r.Problems,
		len(r.Findings)-r.Problems)
	return err
}

// ExitCode gives 1 if there are problems.
func (r *dirsReport) ExitCode() int {
	if r.Problems > 0 {
		return 1
	}
	return 0
}
