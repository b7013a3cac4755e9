package broker

import (
	"log/slog"
	"testing"
	"time"

	"klamm/server/config"
)

// TestClusterOptions: these settings reached nothing.
func TestClusterOptions(t *testing.T) {
	cfg, _, err := config.Load(config.Options{Sets: []string{
		"broker.id=7", "zookeeper.session.timeout.ms=4000", "delete.topic.enable=false", "leader.imbalance.per.broker.percentage=3",
		"unclean.leader.election.enable=true",
	}})
	if err != nil {
		t.Fatal(err)
	}
	dynamic := config.NewDynamic(cfg, 7)
	o := (&Broker{lines: slog.New(slog.DiscardHandler)}).clusterOptions(dynamic, nil, identity{broker: 7}, nil)
	if o.SessionTimeout != 4*time.Second || !o.KeepTopics || o.ImbalancePercent != 3 || !o.Unclean() {
		t.Errorf("options %+v", o)
	}
	if errs := dynamic.SetDefault(map[string]string{"unclean.leader.election.enable": "false"}); len(errs) > 0 || o.Unclean() {
		t.Errorf("unclean elections are allowed still (%v)", errs)
	}
}
