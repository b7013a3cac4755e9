package logstore

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"

	"klamm/protocol/batch"
)

// compaction runs the commands of scripts about compacted logs:
//
//	compacted         what cleaner-offset-checkpoint and the topic would say at open
//	put               appends a batch of the records key=value below, key= for a tombstone
//	clean map=n       cleans what is sealed, with a map of n slots
//	table             shows every batch, with its delete horizon, and its records
func (s *script) compaction(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "compacted":
		s.c.Compact, s.c.Delete = true, d.HasArg("delete")
		s.c.DeleteRetentionMs = s.num(d, "delete-retention-ms", s.c.DeleteRetentionMs)
		s.c.MinCompactionLagMs = s.num(d, "min-lag-ms", 0)
		if s.l != nil {
			s.l.Configure(s.c)
		}
		return "", nil
	case "put":
		return s.put(d)
	case "clean":
		return s.clean(d)
	case "table":
		return s.table()
	}
	return "", fmt.Errorf("no command %s", d.Cmd)
}

func (s *script) put(d *datadriven.TestData) (string, error) {
	b := batch.NewBuilder(batch.None)
	if d.HasArg("pid") {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = s.num(d, "pid", 0), 0, int32(s.num(d, "seq", 0))
	}
	for _, r := range strings.Fields(d.Input) {
		key, value, _ := strings.Cut(r, "=")
		var v []byte
		if value != "" {
			v = []byte(value)
		}
		b.Add(s.now(d), []byte(key), v)
	}
	data, err := b.Build()
	if err != nil {
		return "", err
	}
	r := appendOne(s.t, s.l, data, 0, s.now(d))
	s.l.SetHighWatermark(s.l.EndOffset())
	return fmt.Sprintf("%d..%d", r.BaseOffset, r.LastOffset), r.Err
}

func (s *script) clean(d *datadriven.TestData) (string, error) {
	if err := s.l.Flush(s.l.EndOffset()); err != nil {
		return "", err
	}
	c, err := s.l.cleanable(s.now(d))
	if err != nil {
		return "", err
	}
	if c.upTo <= c.from {
		return "nothing to clean", nil
	}
	st, err := s.l.clean(&c, testWork(s.num(d, "map", 1000)*keySlotSize, 1000), s.now(d))
	return fmt.Sprintf("ratio %.2f, cleaned %d..%d, records %d -> %d, keys %d full %v",
		c.ratio(), st.From, st.To, st.RecordsRead, st.RecordsWritten, st.Keys, st.Full), err
}

func (s *script) table() (string, error) {
	var out strings.Builder
	v := s.l.snapshot()
	for _, seg := range v.segments {
		fmt.Fprintf(&out, "segment %d\n", seg.base)
		data, err := s.disk.ReadFile(seg.path(logSuffix))
		if err != nil {
			return "", err
		}
		for one, err := range batch.Batches(data) {
			if err != nil {
				return out.String(), err
			}
			h, _ := batch.ParseHeader(one)
			fmt.Fprintf(&out, "  %d..%d", h.BaseOffset, h.LastOffset())
			if h.HasProducerID() {
				fmt.Fprintf(&out, " pid=%d seq=%d", h.ProducerID, h.LastSequence())
			}
			if h.HasDeleteHorizon() {
				fmt.Fprintf(&out, " horizon=%d", h.BaseTimestamp)
			}
			for r, err := range batch.Records(one, 0) {
				if err != nil {
					return out.String(), err
				}
				fmt.Fprintf(&out, " %s=%s", r.Key, r.Value)
			}
			out.WriteByte('\n')
		}
	}
	return out.String(), nil
}
