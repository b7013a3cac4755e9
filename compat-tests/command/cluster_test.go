package command

import (
	"fmt"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// TestClusterIsUsedWrongly gives the commands what they cannot work with.
func TestClusterIsUsedWrongly(t *testing.T) {
	b := harness.Start(t, harness.Options{})
	harness.Topic(t, b.Addr, 1)
	at := "--bootstrap-server=" + b.Addr
	brokers, err := harness.Admin(t, b.Addr).ListBrokers(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  string
		words []string
	}{
		"an unknown command":           {"balance", []string{"balance", "rebalance"}},
		"an unknown flag":              {"rebalance --fast", []string{"--fast"}},
		"an unknown goal":              {"rebalance --goal disks " + at, []string{"disks", "racks", "leaders"}},
		"an argument":                  {"rebalance 1 " + at, []string{`"1"`}},
		"no server":                    {"rebalance", []string{"--bootstrap-server"}},
		"a server without a port":      {"rebalance --bootstrap-server kafka-1", []string{`"kafka-1"`, "host:port"}},
		"no rate":                      {"rebalance --throttle 0 " + at, []string{"--throttle", `"0"`}},
		"an unknown topic":             {"rebalance --exclude-topic gone " + at, []string{`"gone"`}},
		"racks without racks":          {"rebalance --goal racks " + at, []string{"racks", "broker.rack"}},
		"racks that do not count":      {"rebalance --goal racks --ignore-racks " + at, []string{"--goal racks", "--ignore-racks"}},
		"no broker to drain":           {"drain " + at, []string{"id of one broker"}},
		"not an id":                    {"drain one " + at, []string{`"one"`}},
		"an unknown broker":            {"drain 77 " + at, []string{"broker 77"}},
		"the last broker":              {fmt.Sprint("drain ", brokers[0].NodeID, " ", at), []string{"no other broker is alive"}},
		"no factor":                    {"reassign " + at, []string{"--replication-factor"}},
		"a factor of nothing":          {"reassign --bootstrap-server 127.0.0.1:1 --replication-factor 0", []string{"--replication-factor 0"}},
		"more replicas than brokers":   {"reassign --replication-factor 2 " + at, []string{"replication factor of 2", "1 are alive"}},
		"a topic that does not exist":  {"reassign --replication-factor 1 --topic gone " + at, []string{`"gone"`}},
		"an argument of cancel":        {"cancel orders " + at, []string{"orders"}},
		"a flag that is not of cancel": {"cancel --throttle 1 " + at, []string{"--throttle"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := klamm(t, t.TempDir(), nil, append([]string{"cluster"}, strings.Fields(c.args)...)...)
			e.refused(t, c.words...)
			if e.code != 2 {
				t.Errorf("exit code %d\n%s", e.code, e.stderr)
			}
		})
	}
}
