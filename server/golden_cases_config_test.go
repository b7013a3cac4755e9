package server_test

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	ofTopic   = kmsg.ConfigResourceTypeTopic
	ofBroker  = kmsg.ConfigResourceTypeBroker
	ofLogger  = kmsg.ConfigResourceTypeBrokerLogger
	ofMetrics = kmsg.ConfigResourceType(16)
	ofGroup   = kmsg.ConfigResourceType(32)
)

func configCases() []goldenCase {
	return slices.Concat(describeConfigsCases(), alterConfigsCases(), incrementalCases())
}

func describeConfigsCases() []goldenCase {
	const key = kmsg.DescribeConfigs
	of := func(kind kmsg.ConfigResourceType, name string, names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			if name == "a" || name == "none" {
				return describe(kind, t.n(name), names...)
			}
			return describe(kind, name, names...)
		})
	}
	full := func(kind kmsg.ConfigResourceType, name string, names ...string) goldenStep {
		s := of(kind, name, names...)
		return step(func(t *talk) kmsg.Request {
			req := s.req(t).(*kmsg.DescribeConfigsRequest)
			req.IncludeSynonyms, req.IncludeDocumentation = true, true
			return req
		})
	}
	setup := topics(topic("a", 1, "retention.ms", "1234", "cleanup.policy", "compact"))
	some := []string{"num.partitions", "default.replication.factor", "log.retention.hours", "auto.create.topics.enable", "message.max.bytes", "compression.type", "log.cleanup.policy", "ssl.keystore.password"}
	return []goldenCase{
		{name: "describe_configs/topic", key: key, setup: setup, steps: []goldenStep{
			of(ofTopic, "a", "retention.ms", "cleanup.policy", "segment.bytes", "flush.ms"), full(ofTopic, "a", "retention.ms", "segment.bytes", "compression.type", "retention.bytes"), of(ofTopic, "a", "no.such.config"),
			step(func(t *talk) kmsg.Request {
				req := describe(ofTopic, t.n("a"))
				req.Resources[0].ConfigNames = []string{"retention.ms", "retention.ms"}
				return req
			}),
		}},
		{name: "describe_configs/topic_all", key: key, to: 3, setup: setup, steps: []goldenStep{of(ofTopic, "a"),
			step(func(t *talk) kmsg.Request {
				req := describe(ofTopic, t.n("a"))
				req.Resources[0].ConfigNames = []string{}
				return req
			})}},
		{name: "describe_configs/refused", key: key, setup: setup, steps: []goldenStep{of(ofTopic, "none"), of(ofTopic, "bad name"), of(ofTopic, ""), of(ofBroker, "7"), of(ofBroker, "x"), of(ofLogger, ""), of(ofLogger, "7"), of(ofLogger, "x"), of(ofMetrics, "")}},
		{name: "describe_configs/unexpected_type", key: key, setup: setup, steps: []goldenStep{of(0, "a"), of(1, "a"), of(3, "a"), of(100, "a")}},
		{name: "describe_configs/empty", key: key, steps: []goldenStep{step(func(t *talk) kmsg.Request { return kmsg.NewPtrDescribeConfigsRequest() })}},
		{name: "describe_configs/loggers", key: key, steps: []goldenStep{of(ofLogger, "0", "root"), full(ofLogger, "0", "root"), of(ofLogger, "0", "no.such.logger")}},
		{name: "describe_configs/metrics", key: key, steps: []goldenStep{of(ofMetrics, "nobody"), of(ofGroup, "nobody"), of(ofGroup, "")}},
		{name: "describe_configs/broker", key: key, steps: []goldenStep{of(ofBroker, "0", some...), full(ofBroker, "0", some...), of(ofBroker, "", some...)}},
		{name: "describe_configs/broker_all", unset: true, key: key, from: 4, only: "3.9.2", steps: []goldenStep{{
			drop: []string{"Value", "Source", "ConfigSynonyms"}, req: full(ofBroker, "0").req,
		}}},
		{name: "describe_configs/twice", key: key, setup: setup, steps: []goldenStep{step(func(t *talk) kmsg.Request {
			req := describe(ofTopic, t.n("a"), "retention.ms")
			req.Resources = append(req.Resources, describe(ofTopic, t.n("a"), "segment.bytes").Resources...)
			req.Resources = append(req.Resources, describe(ofTopic, t.n("none")).Resources...)
			return req
		})}},
	}
}

func alterConfigsCases() []goldenCase {
	const key = kmsg.AlterConfigs
	on := func(kind kmsg.ConfigResourceType, name string, configs ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			if name == "a" || name == "none" {
				return alter(kind, t.n(name), configs...)
			}
			return alter(kind, name, configs...)
		})
	}
	changed := func(name string, f func(t *talk, req *kmsg.AlterConfigsRequest), configs ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := alter(ofTopic, t.n(name), configs...)
			f(t, req)
			return req
		})
	}
	look := func(names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request { return describe(ofTopic, t.n("a"), names...) })
	}
	setup := topics(topic("a", 1, "retention.ms", "1234", "cleanup.policy", "compact"))
	lookBroker := func(name string, names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := describe(ofBroker, name, names...)
			req.IncludeSynonyms = true
			return req
		})
	}
	return []goldenCase{
		{name: "alter_configs/topic", key: key, setup: setup, steps: []goldenStep{on(ofTopic, "a", "segment.ms", "99999"), look("segment.ms", "retention.ms", "cleanup.policy"), on(ofTopic, "a"), look("segment.ms", "retention.ms")}},
		{name: "alter_configs/refused", key: key, klamm: "a request with a resource that is named twice, beside another, is never answered by 3.9.2", setup: setup, steps: []goldenStep{
			on(ofTopic, "a", "no.such", "1"), on(ofTopic, "a", "retention.ms", "soon"), on(ofTopic, "none", "retention.ms", "1"), on(ofTopic, "", "retention.ms", "1"), on(ofTopic, "bad name", "retention.ms", "1"),
			on(ofTopic, "none", "no.such", "1"), on(ofBroker, "7", "log.retention.ms", "1"), on(ofBroker, "x", "log.retention.ms", "1"), on(ofBroker, "0", "num.partitions", "7"), on(ofBroker, "0", "no.such", "1"),
			on(ofBroker, "0", "log.retention.ms", "soon"), on(ofLogger, "0", "kafka", "INFO"), on(3, "a", "x", "1"), on(0, "a", "x", "1"),
			changed("a", func(t *talk, req *kmsg.AlterConfigsRequest) {
				req.Resources = append(req.Resources, alter(ofTopic, t.n("a"), "segment.ms", "5").Resources...)
				req.Resources = append(req.Resources, alter(ofTopic, t.n("none"), "segment.ms", "5").Resources...)
			}, "retention.ms", "1"),
			on(ofTopic, "a", "retention.ms", "1", "retention.ms", "2"),
			changed("a", func(t *talk, req *kmsg.AlterConfigsRequest) { req.Resources[0].Configs[0].Value = nil }, "retention.ms", "1"),
			look("retention.ms", "segment.ms"),
		}},
		{name: "alter_configs/validate_only", key: key, setup: setup, steps: []goldenStep{
			changed("a", func(t *talk, req *kmsg.AlterConfigsRequest) { req.ValidateOnly = true }, "retention.ms", "1"),
			changed("a", func(t *talk, req *kmsg.AlterConfigsRequest) { req.ValidateOnly = true }, "retention.ms", "soon"),
			look("retention.ms"),
		}},
		{name: "alter_configs/empty", key: key, steps: []goldenStep{step(func(t *talk) kmsg.Request { return kmsg.NewPtrAlterConfigsRequest() })}},
		{name: "alter_configs/broker", key: key, steps: []goldenStep{
			on(ofBroker, "", "log.segment.bytes", "2097152"),
			{until: hasSource(3, "2097152"), req: lookBroker("0", "log.segment.bytes").req},
			lookBroker("", "log.segment.bytes"),
			on(ofBroker, "0", "log.segment.bytes", "3145728"),
			{until: hasSource(2, "3145728"), req: lookBroker("0", "log.segment.bytes").req},
			on(ofBroker, "0"), on(ofBroker, ""),
			{until: hasSource(5, "1073741824"), req: lookBroker("0", "log.segment.bytes").req},
		}},
	}
}

// hasSource waits for a config's source: broker configs change a moment after
// they are acknowledged.
func hasSource(source kmsg.ConfigSource, value string) func(kmsg.Response) bool {
	return func(r kmsg.Response) bool {
		c := r.(*kmsg.DescribeConfigsResponse).Resources[0].Configs
		return len(c) > 0 && c[0].Source == source && *c[0].Value == value
	}
}

func incrementalCases() []goldenCase {
	const key = kmsg.IncrementalAlterConfigs
	on := func(kind kmsg.ConfigResourceType, name string, changes ...change) goldenStep {
		return step(func(t *talk) kmsg.Request {
			if name == "a" || name == "none" {
				return incremental(kind, t.n(name), changes...)
			}
			return incremental(kind, name, changes...)
		})
	}
	look := func(names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request { return describe(ofTopic, t.n("a"), names...) })
	}
	levels := step(func(t *talk) kmsg.Request { return describe(ofLogger, "0", "root") })
	setup := topics(topic("a", 1, "retention.ms", "1234", "cleanup.policy", "compact"))
	return []goldenCase{
		{name: "incremental_alter_configs/topic", key: key, setup: setup, steps: []goldenStep{
			on(ofTopic, "a", set("segment.ms", "99999"), del("retention.ms")), look("segment.ms", "retention.ms", "cleanup.policy"),
			on(ofTopic, "a", appendTo("cleanup.policy", "delete")), look("cleanup.policy"),
			on(ofTopic, "a", appendTo("cleanup.policy", "delete")), look("cleanup.policy"),
			on(ofTopic, "a", subtract("cleanup.policy", "compact")), look("cleanup.policy"),
			on(ofTopic, "a", del("cleanup.policy")), on(ofTopic, "a", appendTo("cleanup.policy", "compact")), look("cleanup.policy"),
			on(ofTopic, "a", del("no.such.config")), on(ofTopic, "a"), on(ofTopic, "a", del("flush.ms")),
		}},
		{name: "incremental_alter_configs/refused", key: key, klamm: "3.9.2 answers UNKNOWN_SERVER_ERROR to appending to a topic setting that there is not, and to an unknown operation on a topic", setup: setup, steps: []goldenStep{
			on(ofTopic, "a", set("no.such", "1")), on(ofTopic, "a", set("retention.ms", "soon")), on(ofTopic, "none", set("retention.ms", "1")), on(ofTopic, "", set("retention.ms", "1")),
			on(ofTopic, "bad name", set("retention.ms", "1")), on(ofTopic, "a", appendTo("retention.ms", "1")), on(ofTopic, "a", subtract("retention.ms", "1")),
			on(ofTopic, "a", appendTo("no.such", "1")), on(ofTopic, "a", change{9, "retention.ms", ptr("1")}), on(ofTopic, "a", change{0, "retention.ms", nil}),
			on(ofTopic, "a", set("retention.ms", "1"), set("retention.ms", "2")), on(ofTopic, "a", set("retention.ms", "1"), del("retention.ms")),
			on(ofTopic, "a", subtract("cleanup.policy", "compact"), set("retention.ms", "77")), on(ofTopic, "a", appendTo("cleanup.policy", "shred")),
			on(ofBroker, "7", set("log.retention.ms", "1")), on(ofBroker, "x", set("log.retention.ms", "1")), on(ofBroker, "0", set("num.partitions", "7")), on(ofBroker, "0", set("no.such", "1")),
			on(ofBroker, "0", set("log.retention.ms", "soon")), on(ofBroker, "0", change{9, "log.retention.ms", ptr("1")}), on(3, "a", set("x", "1")), on(0, "a", set("x", "1")),
			step(func(t *talk) kmsg.Request {
				req := incremental(ofTopic, t.n("a"), set("retention.ms", "5"))
				req.Resources = append(req.Resources, req.Resources[0])
				req.Resources = append(req.Resources, incremental(ofTopic, t.n("none"), set("retention.ms", "5")).Resources...)
				return req
			}),
			look("retention.ms", "cleanup.policy"),
			on(ofBroker, "0", del("no.such")),
		}},
		{name: "incremental_alter_configs/loggers", key: key, steps: []goldenStep{
			on(ofLogger, "0", set("root", "WARN")), levels, on(ofLogger, "0", set("root", "TRACE")), levels, on(ofLogger, "0", set("root", "FATAL")), levels,
			on(ofLogger, "0", set("root", "OFF")), on(ofLogger, "0", set("root", "info")), on(ofLogger, "0", set("root", "")), on(ofLogger, "0", del("root")),
			on(ofLogger, "0", set("no.such.logger", "INFO")), on(ofLogger, "0", del("no.such.logger")), on(ofLogger, "0", set("no.such.logger", "loud")),
			on(ofLogger, "0", appendTo("root", "INFO")), on(ofLogger, "0", subtract("root", "INFO")),
			on(ofLogger, "0", appendTo("no.such.logger", "INFO")), on(ofLogger, "0", change{0, "root", nil}), on(ofLogger, "0", change{1, "root", ptr("INFO")}),
			on(ofLogger, "7", set("root", "INFO")), on(ofLogger, "x", set("root", "INFO")), on(ofLogger, "", set("root", "INFO")), on(ofLogger, "7", set("no.such.logger", "loud")),
			on(ofLogger, "0", set("root", "INFO"), set("no.such.logger", "INFO")), on(ofLogger, "0", set("root", "INFO"), set("root", "WARN")), levels,
			on(ofLogger, "0"), step(func(t *talk) kmsg.Request {
				req := incremental(ofLogger, "0", set("root", "ERROR"))
				req.ValidateOnly = true
				return req
			}), levels, on(ofLogger, "0", set("root", "INFO")), levels,
		}},
		{name: "incremental_alter_configs/loggers_unknown_operation", key: key, klamm: "3.9.2 answers UNKNOWN_SERVER_ERROR to an unknown operation", steps: []goldenStep{
			on(ofLogger, "0", change{9, "root", ptr("INFO")}), on(ofLogger, "7", change{9, "root", ptr("INFO")}), on(ofLogger, "0", change{9, "no.such.logger", ptr("INFO")}),
		}},
		{name: "incremental_alter_configs/validate_only", key: key, setup: setup, steps: []goldenStep{
			step(func(t *talk) kmsg.Request {
				req := incremental(ofTopic, t.n("a"), set("retention.ms", "5"))
				req.ValidateOnly = true
				return req
			}),
			look("retention.ms"),
		}},
		{name: "incremental_alter_configs/empty", key: key, steps: []goldenStep{step(func(t *talk) kmsg.Request { return kmsg.NewPtrIncrementalAlterConfigsRequest() })}},
		{name: "incremental_alter_configs/other_kinds", key: key, steps: []goldenStep{on(ofMetrics, "golden", set("interval.ms", "1000")), on(ofGroup, "golden", set("consumer.session.timeout.ms", "45000")), on(ofMetrics, "", set("interval.ms", "1000")),
			on(ofMetrics, "golden", del("interval.ms")), on(ofGroup, "golden", del("consumer.session.timeout.ms")),
		}},
	}
}
