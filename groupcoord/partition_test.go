package groupcoord

import "testing"

// TestGroupsHashAsInJava compares with numbers that Java's "...".hashCode() gives, taken to one of 50 partitions as Kafka does.
func TestGroupsHashAsInJava(t *testing.T) {
	config := testConfig()
	config.Partitions = func() int32 { return 50 }
	groups := New(testOptions(config, nil))
	for _, c := range []struct {
		group string
		want  int32
	}{
		{"", 0},
		{"a", 47},
		{"golden", 43}, // below 0
		{"console-consumer-1", 24},
		{"Grüße", 1},
		{"\U0001F600", 49},        // two units of UTF-16
		{"polygenelubricants", 0}, // the lowest number, which has no absolute
	} {
		if got := groups.PartitionOf(c.group); got != c.want {
			t.Errorf("%q: partition %d, want %d", c.group, got, c.want)
		}
	}
}
