package harness

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// AwaitBrokerConfigDeleted waits until no broker has a dynamic value of a property any more, neither of its own nor of all brokers. Where
// brokers are restarted, one of them may be away for a while.
func AwaitBrokerConfigDeleted(t testing.TB, admin *kadm.Client, name string, brokers ...int32) {
	t.Helper()
	for _, id := range brokers {
		Await(t, fmt.Sprintf("broker %d has no %s of its own", id, name), func() bool {
			described, err := admin.DescribeBrokerConfigs(Context(t), id)
			if err != nil || len(described) != 1 || described[0].Err != nil {
				return false
			}
			for _, c := range described[0].Configs {
				if c.Key == name {
					return c.Source != kmsg.ConfigSourceDynamicBrokerConfig && c.Source != kmsg.ConfigSourceDynamicDefaultBrokerConfig
				}
			}
			return false
		})
	}
}
