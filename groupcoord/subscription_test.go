package groupcoord

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestSubscription: the metadata of a consumer may be any bytes, and end anywhere.
func TestSubscription(t *testing.T) {
	for _, c := range []struct{ said, topics string }{
		{"\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff", "yes"},
		{"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff", "yes t"},
		{"\x00\x03\x00\x00\x00\x02\x00\x01u\x00\x01t\x00\x00\x00\x01x and what is newer", "yes t u"},
		{"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "no"},
		{"\x00\x00\x00\x00\x00\x00\x00\x00\x00", "no"},
		{"\x00\x00\x00\x00\x00\x00", "no"},
		{"\x00\x00\x00\x00\x00", "no"},
		{"", "no"},
		{"\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", "no"},
		{"\x00\x00\x7f\xff\xff\xff\x00\x01t\xff\xff\xff\xff", "no t"},
		{"\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff", "no"},
		{"\x00\x00\x00\x00\x00\x01\x00\x06t\xff\xff\xff\xff", "no"},
		{"\x00\x00\x00\x00\x00\x01\x00", "no"},
	} {
		topics := map[string]bool{}
		got := "no"
		if subscription([]byte(c.said), topics) {
			got = "yes"
		}
		if got = strings.Join(append([]string{got}, slices.Sorted(maps.Keys(topics))...), " "); got != c.topics {
			t.Errorf("%q: %s, want %s", c.said, got, c.topics)
		}
	}
}
