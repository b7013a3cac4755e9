package history

import (
	"fmt"
	"strings"
)

// Misplaced finds records that are not where the acknowledgement said. stored has the keys of the partition's records, by offset.
func (s *Sent) Misplaced(partition int32, stored []string) (faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.acked[partition] {
		key, there := Value(s.Name, partition, a.N), "nothing"
		if a.Offset >= 0 && a.Offset < int64(len(stored)) {
			there = stored[a.Offset]
		}
		if there != key {
			faults = append(faults, fmt.Sprintf("record %q was acknowledged at offset %d, where %q is stored", key, a.Offset, there))
		}
	}
	return faults
}

// Misread finds records that are not where the reader read them.
func (r *Reader) Misread(partition int32, stored []string) (faults []string) {
	for offset, key := range r.Seen(partition) {
		if offset >= len(stored) || stored[offset] != key {
			faults = append(faults, fmt.Sprintf("partition %d: the reader read %q at offset %d, where it is no more", partition, key, offset))
		}
	}
	return faults
}

// Disordered finds where the records that a producer sent are not there once each and in order.
func (s *Sent) Disordered(partition int32, stored []string) (faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := 0
	for offset, key := range stored {
		if !strings.HasPrefix(key, s.Name+" ") {
			continue
		}
		if want := Value(s.Name, partition, due); key != want {
			faults = append(faults, fmt.Sprintf("offset %d has %q where %q is due", offset, key, want))
			_, _ = fmt.Sscanf(key, s.Name+" %d %d", new(int), &due)
		}
		due++
	}
	if due != s.sent[partition] {
		faults = append(faults, fmt.Sprintf("partition %d ends with record %d of %d", partition, due, s.sent[partition]))
	}
	return faults
}

// Missing finds records that are not stored at all.
func (s *Sent) Missing(partition int32, stored []string) (faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := map[string]bool{}
	for _, key := range stored {
		there[key] = true
	}
	for n := range s.sent[partition] {
		if key := Value(s.Name, partition, n); !there[key] {
			faults = append(faults, fmt.Sprintf("%q is not stored", key))
		}
	}
	return faults
}

// Unread finds offsets that no member of the group read.
func (g *Group) Unread(partition int32, end int64) (faults []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for offset := range end {
		if offset >= int64(len(g.read[partition])) || g.read[partition][offset] == 0 {
			faults = append(faults, fmt.Sprintf("partition %d, offset %d", partition, offset))
		}
	}
	return faults
}
