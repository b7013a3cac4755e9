package compare

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sweptValues are what every setting is tried with.
var sweptValues = []string{"1", "0", "-1", "-2", "", "abc", "true", "TRUE", "yes", "1.5", "0.5", "1.1", " 7 ", "+5", "1e3", "0x10", "1_000", "99999999999", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
	"compact", "delete,compact", " compact , delete ", "compact,compact", "gzip", "Gzip", "zstd", "producer", "uncompressed", "none", "CreateTime", "createtime", "3.9-IV0", "0.10.0", "9.9", "*", "0:0,1:0", "0:0:0", ",", "1048576", "4611686018427387904", "14", "9", "22"}

// fewValues are what settings are tried with that cost a request each.
var fewValues = []string{"1", "0", "-1", "", "abc", "true", " 7 ", "1.5", "99999999999", "compact", "gzip", "CreateTime"}

// sweep tries every setting that either broker has with every value.
func (p *pair) sweep() {
	if p.asks(int16(kmsg.CreateTopics)) {
		p.sweepTopicSettings(p.settingsOf(kmsg.ConfigResourceTypeTopic, "alpha"))
	}
	if p.asks(int16(kmsg.IncrementalAlterConfigs)) {
		p.sweepBrokerSettings(p.settingsOf(kmsg.ConfigResourceTypeBroker, "0"))
	}
}

// settingsOf are the names of what can be set on a resource, on either side.
func (p *pair) settingsOf(kind kmsg.ConfigResourceType, name string) (names []string) {
	for _, s := range []*side{p.apache, p.klamm} {
		req := kmsg.NewPtrDescribeConfigsRequest()
		addResource(req, kind, name)
		resp, err := s.call(req, 4)
		if err != nil {
			p.Fatal(err)
		}
		for _, c := range resp.(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sweepTopicSettings asks whether topics could be made with settings, many
// topics a request.
func (p *pair) sweepTopicSettings(settings []string) {
	const many = 60
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis, req.ValidateOnly = 30000, true
	ask := func() {
		req.SetVersion(p.served[req.Key()][1])
		p.ask(question{key: req.Key(), version: req.Version, body: req.AppendTo(nil), req: req, how: "settings"})
		req.Topics = nil
	}
	for _, name := range settings {
		for i, value := range sweptValues {
			t := kmsg.NewCreateTopicsRequestTopic()
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("%s-%d", name, i), 1, 1
			c.Name, c.Value = name, &value
			t.Configs = append(t.Configs, c)
			req.Topics = append(req.Topics, t)
			if len(req.Topics) == many {
				ask()
			}
		}
	}
	ask()
}

// sweepBrokerSettings asks whether the broker's settings could be set, for it
// alone and for all brokers.
func (p *pair) sweepBrokerSettings(settings []string) {
	for _, name := range settings {
		for i, value := range fewValues {
			for _, broker := range []string{"0", ""} {
				if broker == "" && i > 2 {
					continue
				}
				req := kmsg.NewPtrIncrementalAlterConfigsRequest()
				req.ValidateOnly = true
				r := kmsg.NewIncrementalAlterConfigsRequestResource()
				c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
				r.ResourceType, r.ResourceName, c.Name, c.Value = kmsg.ConfigResourceTypeBroker, broker, name, &value
				r.Configs = append(r.Configs, c)
				req.Resources = append(req.Resources, r)
				req.SetVersion(1)
				p.ask(question{key: req.Key(), version: 1, body: req.AppendTo(nil), req: req, how: fmt.Sprintf("%s set to %q for broker %q", name, value, broker)})
			}
		}
	}
}
