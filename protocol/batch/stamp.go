package batch

import "runtime"

// Stamp is a record's offset and its timestamp in ms.
type Stamp struct{ Offset, Timestamp int64 }

// FindStamp finds the first record that matches in the one batch that b holds. It
// passes over keys and values, so that it keeps nothing of what the batch expands to,
// and waits for a turn as Validate does. The records may expand to limit bytes. match
// may be called twice for a record. FindStamp does not check the CRC. Its errors are
// those of Records, and *BusyError.
func FindStamp(b []byte, limit int64, match func(Stamp) bool) (found Stamp, ok bool, err error) {
	b, h, err := whole(b)
	if err != nil || h.Count == 0 { // compaction leaves batches without records
		return found, false, err
	}
	find := func(t turn) error {
		found, ok, err = findStamp(b, &h, t, match)
		return err
	}
	if h.Codec() == None {
		err = find(turn{limit: limit})
	} else {
		err = inTurn(len(b), limit, false, nil, find)
	}
	return found, ok, err
}

func findStamp(b []byte, h *Header, t turn, match func(Stamp) bool) (found Stamp, ok bool, err error) {
	wide := wideNone
	if t.long {
		wide = wideOne
	}
	var c cursor
	e, err := c.start(b, h, t.limit, wide)
	if err == errLongTurn {
		return found, false, err
	}
	if err != nil {
		return found, false, invalid(err)
	}
	if e != nil {
		defer e.release()
	}
	if t.long {
		c.pause = runtime.Gosched
	}
	for range h.Count {
		g, err := c.glance()
		if err != nil {
			return found, false, invalid(err)
		}
		found = Stamp{h.BaseOffset + int64(g.offsetDelta), h.timestampOf(&fields{timestampDelta: g.timestampDelta})}
		if match(found) {
			return found, true, nil
		}
	}
	if err := c.mustEnd(); err != nil {
		return found, false, invalid(err)
	}
	return found, false, nil
}
