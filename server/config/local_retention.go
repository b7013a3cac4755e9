package config

// checkLocalRetention refuses to change a local retention to more than the total one. A running broker of Apache
// Kafka refuses the same (DynamicLogConfig); neither broker refuses it at start.
func checkLocalRetention(old, next *Values) error {
	for _, r := range []struct {
		local, all string
		is, was    [2]int64 // local and all
	}{
		{"log.local.retention.ms", "log.retention.ms", localAndAll(next, "log.local.retention.ms", retention(next)), localAndAll(old, "log.local.retention.ms", retention(old))},
		{"log.local.retention.bytes", "log.retention.bytes", localAndAll(next, "log.local.retention.bytes", next.Long("log.retention.bytes")),
			localAndAll(old, "log.local.retention.bytes", old.Long("log.retention.bytes"))},
	} {
		local, all := r.is[0], r.is[1]
		switch {
		case r.is == r.was || all == -1 || local == -2:
		case local == -1:
			return invalidRequest("Invalid value -1 for configuration %s: Value must not be -1 as %s value is set as %d.", r.local, r.all, all)
		case local > all:
			return invalidRequest("Invalid value %d for configuration %s: Value must not be more than %s property value: %d", local, r.local, r.all, all)
		}
	}
	return nil
}

func localAndAll(v *Values, local string, all int64) [2]int64 { return [2]int64{v.Long(local), all} }
