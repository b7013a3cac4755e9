package logstore

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// script runs one file of testdata/scripts on a log on a disk in memory. The
// commands are the cases of run. Rewrite the answers with -rewrite.
type script struct {
	t    *testing.T
	disk *vfs.Mem
	l    *Log
	c    Config
}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, file string) {
		s := &script{t: t, disk: newMemDisk(t), c: DefaultConfig()}
		s.c.RetentionMs = -1
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			out, err := s.run(d)
			if err != nil {
				out += "error: " + err.Error()
			} else if out == "" {
				out = "ok"
			}
			return strings.TrimSuffix(out, "\n") + "\n"
		})
	})
}

// now is the time in scripts, so that small numbers stand for it.
func (s *script) now(d *datadriven.TestData) int64 { return s.num(d, "now", 1000) }

func (s *script) num(d *datadriven.TestData, key string, otherwise int64) int64 {
	var v int64
	if d.MaybeScanArgs(s.t, key, &v) {
		return v
	}
	return otherwise
}

func (s *script) word(d *datadriven.TestData, key string) string {
	var v string
	d.MaybeScanArgs(s.t, key, &v)
	return v
}

func (s *script) run(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "config":
		return s.configure(d)
	case "open":
		return s.open(d)
	case "append":
		return s.append(d)
	case "read":
		return s.read(d)
	case "ls":
		return s.ls(d)
	case "offsets":
		start, end := s.l.Offsets()
		return fmt.Sprintf("start=%d hw=%d end=%d recovery-point=%d segments=%d bytes=%d",
			start, s.l.HighWatermark(), end, s.l.RecoveryPoint(), s.l.Segments(), s.l.SizeBytes()), nil
	case "producers":
		var out string
		for _, p := range s.l.ActiveProducers() {
			out += fmt.Sprintf("%d epoch=%d seq=%d time=%d\n", p.ProducerID, p.ProducerEpoch, p.LastSequence, p.LastTimestampMs)
		}
		return out, nil
	case "epochs":
		var out string
		for e := int32(0); e <= s.l.LatestEpoch()+1; e++ {
			found, end, ok := s.l.EndOffsetForEpoch(e)
			out += fmt.Sprintf("%d: epoch=%d end=%d %v\n", e, found, end, ok)
		}
		return out, nil
	case "time":
		at, found, err := s.l.OffsetForTimestamp(s.num(d, "ts", 0))
		return fmt.Sprintf("offset=%d time=%d epoch=%d found=%v", at.Offset, at.TimestampMs, at.LeaderEpoch, found), err
	case "max-time":
		at, found, err := s.l.MaxTimestampOffset()
		return fmt.Sprintf("offset=%d time=%d epoch=%d found=%v", at.Offset, at.TimestampMs, at.LeaderEpoch, found), err
	}
	return s.change(d)
}

// change runs the commands that only change something.
func (s *script) change(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "flush":
		return "", s.l.Flush(s.num(d, "upto", 1<<62))
	case "roll":
		return "", s.l.Roll(s.now(d))
	case "hw":
		return fmt.Sprint(s.l.SetHighWatermark(s.num(d, "to", 1<<62))), nil
	case "retain":
		n, size, err := s.l.Retain(s.now(d))
		return fmt.Sprintf("%d segments, %d bytes", n, size), err
	case "delete-records":
		start, err := s.l.DeleteRecordsBefore(s.num(d, "before", 0))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("start=%d", start), nil
	case "truncate":
		return "", s.l.TruncateTo(s.num(d, "to", 0), s.now(d))
	case "expire":
		s.l.ExpireProducers(s.now(d))
		return "", nil
	case "assign-epoch":
		s.l.AssignLeaderEpoch(int32(s.num(d, "epoch", 0)))
		return "", nil
	case "close":
		return "", s.l.Close()
	case "kill": // the process dies, the machine goes on
		s.disk = s.disk.Clone()
		return "", nil
	case "crash": // the machine dies
		s.disk = s.disk.CrashClone(uint64(s.num(d, "seed", 0)))
		return "", nil
	case "damage":
		return "", s.damage(d)
	}
	return s.compaction(d)
}

func (s *script) configure(d *datadriven.TestData) (string, error) {
	c := &s.c
	c.SegmentBytes = int32(s.num(d, "segment-bytes", int64(c.SegmentBytes)))
	c.SegmentMs = s.num(d, "segment-ms", c.SegmentMs)
	c.IndexIntervalBytes = int32(s.num(d, "index-interval", int64(c.IndexIntervalBytes)))
	c.IndexBytes = int32(s.num(d, "index-bytes", int64(c.IndexBytes)))
	c.RetentionMs = s.num(d, "retention-ms", c.RetentionMs)
	c.RetentionBytes = s.num(d, "retention-bytes", c.RetentionBytes)
	c.FlushMessages = s.num(d, "flush-messages", c.FlushMessages)
	d.MaybeScanArgs(s.t, "preallocate", &c.Preallocate)
	c.ProducerExpirationMs = s.num(d, "producer-expiration-ms", c.ProducerExpirationMs)
	if s.l != nil {
		s.l.Configure(*c)
	}
	return "", nil
}

func (s *script) open(d *datadriven.TestData) (string, error) {
	o := testOptions(s.disk, s.c)
	o.Clean, o.NowMs = d.HasArg("clean"), s.now(d)
	o.RecoveryPoint, o.StartOffset = s.num(d, "recovery-point", 0), s.num(d, "start", 0)
	if d.HasArg("keep-deleted") {
		o.Remove = func([]string, int64) {}
	}
	l, err := OpenLog(o)
	if err != nil {
		return "", err
	}
	s.l = l
	start, end := l.Offsets()
	return fmt.Sprintf("start=%d end=%d recovery-point=%d segments=%d epoch=%d", start, end, l.RecoveryPoint(), l.Segments(), l.LatestEpoch()), nil
}

func (s *script) append(d *datadriven.TestData) (string, error) {
	var out string
	sp := spec{count: int(s.num(d, "count", 1)), size: int(s.num(d, "size", 10)), ts: s.num(d, "ts", 1000)}
	if d.HasArg("pid") {
		sp.idem, sp.pid, sp.epoch, sp.seq = true, s.num(d, "pid", 0), int16(s.num(d, "epoch", 0)), int32(s.num(d, "seq", 0))
	}
	var appends []Append
	for i := range s.num(d, "times", 1) {
		each := sp
		each.ts += i * s.num(d, "step", 0)
		each.seq += int32(i) * int32(each.count)
		a := toAppend(s.t, build(s.t, each))
		a.LogAppendTime = d.HasArg("log-append-time")
		appends = append(appends, a)
	}
	s.l.Append(appends, int32(s.num(d, "leader-epoch", 0)), s.now(d))
	for _, a := range appends {
		r := a.Result
		switch {
		case r.Err != nil:
			out += fmt.Sprintf("error: %v\n", r.Err)
		case r.Duplicate:
			out += fmt.Sprintf("duplicate of %d..%d time=%d\n", r.BaseOffset, r.LastOffset, r.LogAppendTimeMs)
		default:
			out += fmt.Sprintf("%d..%d time=%d bytes=%d\n", r.BaseOffset, r.LastOffset, r.LogAppendTimeMs, r.Size)
		}
	}
	if d.HasArg("quiet") {
		return fmt.Sprintf("end=%d", s.l.EndOffset()), nil
	}
	return out, nil
}

func (s *script) read(d *datadriven.TestData) (string, error) {
	r, err := s.l.Read(s.num(d, "from", 0), int(s.num(d, "max", 1<<20)), s.num(d, "upto", 1<<62), !d.HasArg("strict"))
	if err != nil {
		return "", err
	}
	defer r.Release()
	var out string
	for b := readBytes(s.t, &r); len(b) > 0; {
		h, err := batch.ParseHeader(b)
		if err != nil {
			return out, err
		}
		out += fmt.Sprintf("%d..%d epoch=%d time=%d bytes=%d\n", h.BaseOffset, h.LastOffset(), h.PartitionLeaderEpoch, h.MaxTimestamp, h.Size())
		b = b[h.Size():]
	}
	if out == "" {
		out = "nothing"
	}
	return out, nil
}

func (s *script) ls(d *datadriven.TestData) (string, error) {
	entries, err := s.disk.ReadDir(testDir)
	var out string
	for _, e := range entries {
		info, _ := e.Info()
		if want := s.word(d, "suffix"); strings.HasSuffix(e.Name(), want) {
			out += fmt.Sprintf("%s %d\n", e.Name(), info.Size())
		}
	}
	return out, err
}

// damage changes a file behind the log's back: remove, cut=n bytes off its end,
// flip the byte at=n (from the end if negative), zeros=n bytes more, text, or
// copy another file.
func (s *script) damage(d *datadriven.TestData) error {
	name := path.Join(testDir, s.word(d, "file"))
	if d.HasArg("remove") {
		return s.disk.Remove(name)
	}
	from := name
	if other := s.word(d, "copy"); other != "" {
		from = path.Join(testDir, other)
	}
	data, err := s.disk.ReadFile(from)
	if err != nil && !d.HasArg("create") {
		return err
	}
	data = slices.Clone(data)
	if cut := s.num(d, "cut", 0); cut > 0 {
		data = data[:len(data)-int(cut)]
	}
	if at := s.num(d, "at", 0); d.HasArg("at") {
		if at < 0 {
			at += int64(len(data))
		}
		data[at] ^= 0xff
	}
	data = append(data, make([]byte, s.num(d, "zeros", 0))...)
	data = append(data, s.word(d, "text")...)
	return writeFile(s.disk, name, data, true)
}
