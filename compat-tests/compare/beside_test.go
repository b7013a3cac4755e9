package compare

import (
	"maps"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// beside asks questions that a broker may never answer, on connections of their own and
// while everything else goes on: each takes as long as patience lasts. compareThem waits
// for the outcomes and compares them.
func (p *pair) beside() (compareThem func()) {
	var waits []func()
	for _, w := range silentTable() {
		key := w.req.Key()
		r, served := p.served[key]
		if !served || !p.asks(key) {
			continue
		}
		for v := max(r[0], w.from); v <= r[1]; v++ {
			w.req.SetVersion(v)
			q := question{key: key, version: v, body: w.req.AppendTo(nil), req: w.req, how: w.name}
			k, a := p.klamm.again(q), p.apache.again(q)
			waits = append(waits, func() {
				p.counts[kmsg.NameForKey(key)]++
				for _, g := range compare(p.klamm.tree(<-k), p.apache.tree(<-a), "") {
					p.judge(q, g)
				}
			})
		}
	}
	return func() {
		for _, wait := range waits {
			wait()
		}
	}
}

// again asks over a connection of its own.
func (s *side) again(q question) <-chan outcome {
	o := make(chan outcome, 1)
	own := &side{name: s.name, broker: s.broker, ids: maps.Clone(s.ids), names: maps.Clone(s.names)}
	go func() {
		defer own.hangUp()
		o <- own.ask(q)
	}()
	return o
}

// stuckGroup is a group that never becomes stable on one of the brokers.
const stuckGroup = "stuck"

func silentTable() []written {
	twice := kmsg.NewPtrAlterConfigsRequest()
	twice.ValidateOnly = true
	for _, name := range []string{"conf", "conf", "alpha"} {
		r := kmsg.NewAlterConfigsRequestResource()
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		value := "1000"
		r.ResourceType, r.ResourceName, c.Name, c.Value = kmsg.ConfigResourceTypeTopic, name, "retention.ms", &value
		r.Configs = append(r.Configs, c)
		twice.Resources = append(twice.Resources, r)
	}
	protocols := kmsg.NewPtrJoinGroupRequest()
	protocols.Group, protocols.ProtocolType, protocols.SessionTimeoutMillis, protocols.RebalanceTimeoutMillis = stuckGroup, "consumer", 30000, 30000
	protocols.InstanceID = kmsg.StringPtr("i")
	protocols.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}, {Name: "range"}}
	return []written{
		{name: "a resource twice beside another", req: twice},
		{name: "no groups", from: 8, req: kmsg.NewPtrOffsetFetchRequest()},
		{name: "a protocol named twice", from: 9, req: protocols},
		{name: "null for records", req: produce("rec", 0, nil)},
	}
}
