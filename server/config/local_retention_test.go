package config

import "testing"

// TestARunningBrokerIsNotGivenWhatApacheRefuses makes changes that a running broker of Apache Kafka 3.9.2
// refuses. klamm used to accept them.
func TestARunningBrokerIsNotGivenWhatApacheRefuses(t *testing.T) {
	d := goldenDynamic(t)
	set := func(name, value string) error {
		_, err := d.AlterBroker("", nil, []Op{{name, Set, &value}})
		return err
	}
	for _, c := range []struct{ name, refused, taken string }{
		{"log.cleaner.threads", "0", "1"},
		{"log.cleaner.threads", "7", "2"},
		{"log.local.retention.ms", "-1", "-2"},
		{"log.local.retention.ms", "99999999999", "1000"},
	} {
		if err := set(c.name, c.refused); err == nil {
			t.Errorf("%s=%s is taken", c.name, c.refused)
		}
		if err := set(c.name, c.taken); err != nil {
			t.Errorf("%s=%s: %v", c.name, c.taken, err)
		}
	}
}
