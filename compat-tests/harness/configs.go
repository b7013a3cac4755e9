package harness

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// SetBrokerConfigs sets dynamic properties of brokers and waits until each of them has the values: with ZooKeeper the answer
// comes before a broker has heard of the change.
func SetBrokerConfigs(t testing.TB, admin *kadm.Client, values map[string]string, brokers ...int32) {
	t.Helper()
	var change []kadm.AlterConfig
	for name, value := range values {
		change = append(change, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	altered, err := admin.AlterBrokerConfigs(Context(t), change, brokers...)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range altered {
		if a.Err != nil {
			t.Fatalf("broker %s: %v: %s", a.Name, a.Err, a.ErrMessage)
		}
	}
	Await(t, "the brokers to have their new configuration", func() bool {
		described, err := admin.DescribeBrokerConfigs(Context(t), brokers...)
		have := 0
		for _, b := range described {
			for _, c := range b.Configs {
				if value, ok := values[c.Key]; ok && c.MaybeValue() == value {
					have++
				}
			}
		}
		return err == nil && have == len(values)*len(brokers)
	})
}
