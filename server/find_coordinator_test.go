package server

import "testing"

// The numbers are what Java's "...".hashCode() gives, and Kafka's way from
// there to one of 50 partitions.
func TestGroupsHashAsInJava(t *testing.T) {
	for _, c := range []struct {
		group string
		want  int
	}{
		{"", 0},
		{"a", 47},
		{"golden", 43}, // below 0
		{"console-consumer-1", 24},
		{"Grüße", 1},
		{"\U0001F600", 49},        // two units of UTF-16
		{"polygenelubricants", 0}, // the lowest number, which has no absolute
	} {
		if got := coordinatedBy(c.group, 50); got != c.want {
			t.Errorf("%q: partition %d, want %d", c.group, got, c.want)
		}
	}
}
