package config

import "strings"

// metadataVersions are the versions that inter.broker.protocol.version may name, oldest first
// (MetadataVersion in Apache Kafka 3.9).
var metadataVersions = []string{
	"0.8.0", "0.8.1", "0.8.2", "0.9.0", "0.10.0-IV0", "0.10.0-IV1", "0.10.1-IV0", "0.10.1-IV1", "0.10.1-IV2",
	"0.10.2-IV0", "0.11.0-IV0", "0.11.0-IV1", "0.11.0-IV2", "1.0-IV0", "1.1-IV0", "2.0-IV0", "2.0-IV1",
	"2.1-IV0", "2.1-IV1", "2.1-IV2", "2.2-IV0", "2.2-IV1", "2.3-IV0", "2.3-IV1", "2.4-IV0", "2.4-IV1", "2.5-IV0",
	"2.6-IV0", "2.7-IV0", "2.7-IV1", "2.7-IV2", "2.8-IV0", "2.8-IV1", "3.0-IV0", "3.0-IV1", "3.1-IV0", "3.2-IV0",
	"3.3-IV0", "3.3-IV1", "3.3-IV2", "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1",
	"3.6-IV2", "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1",
}

// findVersion finds the version that a user names (3.9, 3.9-IV0, 0.10.0.1). A release alone means the newest
// version of that release. Only the first two numbers of a release count, and of 0.x the first three.
func findVersion(s string) (string, bool) {
	parts := strings.Split(s, ".")
	keep := 2
	if strings.HasPrefix(s, "0.") {
		keep = 3
	}
	key := s
	if len(parts) > keep {
		key = strings.Join(parts[:keep], ".")
	}
	found, ok := "", false
	for _, v := range metadataVersions {
		short, _, _ := strings.Cut(v, "-")
		if v == key || short == key {
			found, ok = v, true
		}
	}
	return found, ok
}

// rejectVersion is the check of a metadata version.
func rejectVersion(_ string, v any) (string, string) {
	s, _ := v.(string)
	if _, ok := findVersion(s); !ok {
		return s, "Version " + s + " is not a valid version"
	}
	return "", ""
}
