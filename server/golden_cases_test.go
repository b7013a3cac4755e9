package server_test

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func goldenCases() []goldenCase {
	return slices.Concat(versionCases(), metadataCases(), createTopicsCases(), deleteTopicsCases(),
		createPartitionsCases(), oldCases(), recordsCases(), configCases(), clusterCases(),
		produceCases(), recompressCases(), fetchCases(), fetchSessionCases(), groupCases(), securityCases(), txnCases(), leaderCases(), peerCases())
}

func versionCases() []goldenCase {
	apiVersions := func(name, version string) goldenStep {
		return goldenStep{drop: []string{"ApiKeys", "SupportedFeatures", "FinalizedFeatures", "FinalizedFeaturesEpoch"}, req: func(*talk) kmsg.Request {
			req := kmsg.NewPtrApiVersionsRequest()
			req.ClientSoftwareName, req.ClientSoftwareVersion = name, version
			return req
		}}
	}
	// whom asks the broker that a client takes to be of a cluster, and to have a number.
	whom := func(cluster *string, node int32) goldenStep {
		valid := apiVersions("golden", "1.0")
		return goldenStep{drop: valid.drop, req: func(t *talk) kmsg.Request {
			req := valid.req(t).(*kmsg.ApiVersionsRequest)
			req.ClusterID, req.NodeID = cluster, node
			if cluster != nil && *cluster == "here" {
				req.ClusterID = t.do(metadata()).(*kmsg.MetadataResponse).ClusterID
			}
			return req
		}}
	}
	return []goldenCase{
		{name: "api_versions/valid", key: kmsg.ApiVersions, steps: []goldenStep{apiVersions("golden", "1.0"), apiVersions("a-b.c", "v1-SNAPSHOT")}},
		{name: "api_versions/invalid_client", key: kmsg.ApiVersions, steps: []goldenStep{
			apiVersions("", "1.0"), apiVersions("golden", ""), apiVersions("-golden", "1"), apiVersions("gol den", "1"), apiVersions("golden-", "1"), apiVersions("golden", "1_0"),
		}},
		{name: "api_versions/whom", key: kmsg.ApiVersions, from: 5, steps: []goldenStep{
			whom(nil, -1), whom(ptr("here"), -1), whom(nil, 0), whom(ptr("here"), 0), whom(ptr("elsewhere"), -1), whom(ptr("elsewhere"), 0), whom(nil, 7), whom(ptr("here"), 7),
			whom(ptr(""), -1), whom(ptr(""), 0), whom(nil, -2), whom(ptr("here"), -2), whom(ptr("elsewhere"), 7), whom(ptr("HERE"), 0),
			step(func(*talk) kmsg.Request {
				return &kmsg.ApiVersionsRequest{ClientSoftwareName: "-", ClusterID: ptr("elsewhere"), NodeID: 7}
			}),
		}},
	}
}

func metadataCases() []goldenCase {
	named := func(names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := metadata()
			for _, n := range names {
				req.Topics = append(req.Topics, metadata(ptr(t.n(n))).Topics...)
			}
			return req
		})
	}
	two := topics(topic("a", 2), topic("b", 1))
	return []goldenCase{
		{name: "metadata/all", key: kmsg.Metadata, setup: two, steps: []goldenStep{{mine: true, req: func(t *talk) kmsg.Request {
			req := metadata()
			if t.version > 0 {
				req.Topics = nil
			}
			return req
		}}}},
		{name: "metadata/none", key: kmsg.Metadata, from: 1, setup: two, steps: []goldenStep{step(func(*talk) kmsg.Request { return metadata() })}},
		{name: "metadata/named", key: kmsg.Metadata, setup: two, steps: []goldenStep{named("a"), named("a", "b"), named("b", "b")}},
		{name: "metadata/unknown", key: kmsg.Metadata, from: 4, setup: two, steps: []goldenStep{named("c"), named("a", "c")}},
		{name: "metadata/invalid_name", key: kmsg.Metadata, steps: []goldenStep{
			step(func(*talk) kmsg.Request { return metadata(ptr("bad name")) }),
			step(func(*talk) kmsg.Request { return metadata(ptr("..")) }),
			step(func(*talk) kmsg.Request { return metadata(ptr("")) }),
			step(func(*talk) kmsg.Request { return metadata(ptr(strings.Repeat("x", 250))) }),
			step(func(*talk) kmsg.Request {
				req := metadata(ptr("bad name"))
				req.AllowAutoTopicCreation = true
				return req
			}),
		}},
		{name: "metadata/auto_create", key: kmsg.Metadata, klamm: "version 13 is answered as the others are: 4.4.0 says UNKNOWN_TOPIC_OR_PARTITION first, 3.9.2 says LEADER_NOT_AVAILABLE", steps: []goldenStep{
			step(func(t *talk) kmsg.Request {
				req := metadata(ptr(t.n("new")))
				req.AllowAutoTopicCreation = true
				return req
			}),
			{until: func(r kmsg.Response) bool { return allLed(r, 1) }, req: func(t *talk) kmsg.Request { return metadata(ptr(t.n("new"))) }},
		}},
		{name: "metadata/null_name", key: kmsg.Metadata, from: 10, klamm: "from version 12 on the reference stumbles over a topic with neither name nor id (UNKNOWN_SERVER_ERROR)", steps: []goldenStep{
			step(func(*talk) kmsg.Request { return metadata(nil) }),
			step(func(t *talk) kmsg.Request {
				req := metadata(nil)
				req.AllowAutoTopicCreation = true
				return req
			}),
		}},
		{name: "metadata/by_id", key: kmsg.Metadata, from: 10, setup: two, steps: []goldenStep{
			step(func(t *talk) kmsg.Request { return metadataByID(t.id("a")) }),
			step(func(t *talk) kmsg.Request { return metadataByID(t.id("b"), [16]byte{1, 2, 3}) }),
			step(func(t *talk) kmsg.Request { return metadataByID(t.id("b"), [16]byte{}) }),
			step(func(t *talk) kmsg.Request {
				req := metadataByID(t.id("a"))
				req.Topics[0].Topic = ptr(t.n("b"))
				return req
			}),
			step(func(t *talk) kmsg.Request {
				req := metadataByID(t.id("a"))
				req.Topics = append(req.Topics, metadata(ptr(t.n("b"))).Topics...)
				return req
			}),
		}},
		{name: "metadata/authorized_operations", key: kmsg.Metadata, from: 8, setup: two, steps: []goldenStep{
			step(func(t *talk) kmsg.Request {
				req := metadata(ptr(t.n("a")), ptr(t.n("c")))
				req.IncludeTopicAuthorizedOperations, req.IncludeClusterAuthorizedOperations = true, true
				return req
			}),
		}},
	}
}

func createTopicsCases() []goldenCase {
	meta := func(name string, partitions int) goldenStep {
		return goldenStep{until: func(r kmsg.Response) bool { return allLed(r, partitions) },
			req: func(t *talk) kmsg.Request { return metadata(ptr(t.n(name))) }}
	}
	// made gives a step that creates the topics that with describes.
	made := func(validate bool, with func(t *talk, req *kmsg.CreateTopicsRequest)) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrCreateTopicsRequest()
			req.TimeoutMillis, req.ValidateOnly = 20000, validate
			with(t, req)
			return req
		})
	}
	one := func(name string, partitions int32, replicas int16, configs ...string) goldenStep {
		return made(false, func(t *talk, req *kmsg.CreateTopicsRequest) {
			addTopic(req, t.n(name), partitions, replicas, configs...)
		})
	}
	exactly := func(name string) goldenStep {
		return made(true, func(t *talk, req *kmsg.CreateTopicsRequest) { addTopic(req, name, 1, 1) })
	}
	assigned := func(validate bool, partitions int32, replicas int16, assignments ...[]int32) goldenStep {
		return made(validate, func(t *talk, req *kmsg.CreateTopicsRequest) {
			rt := addTopic(req, t.n("assigned"), partitions, replicas)
			for _, a := range assignments {
				assign(rt, a[0], a[1:]...)
			}
		})
	}
	configValue := func(name string, value *string) goldenStep {
		return made(true, func(t *talk, req *kmsg.CreateTopicsRequest) {
			rt := addTopic(req, t.n("config"), 1, 1, name, "")
			rt.Configs[0].Value = value
		})
	}
	const key = kmsg.CreateTopics
	// Version 0 knows no validate_only.
	return []goldenCase{
		{name: "create_topics/created", key: key, steps: []goldenStep{one("a", 3, 1), meta("a", 3), one("b", -1, -1), one("c", 1, 1, "retention.ms", "1000", "cleanup.policy", "compact")}},
		{name: "create_topics/exists", key: key, setup: topics(topic("a", 1)), steps: []goldenStep{one("a", 1, 1), one("a", 0, 9), made(true, func(t *talk, req *kmsg.CreateTopicsRequest) { addTopic(req, t.n("a"), 1, 1) })}},
		{name: "create_topics/partly", key: key, setup: topics(topic("a", 1)), steps: []goldenStep{made(false, func(t *talk, req *kmsg.CreateTopicsRequest) {
			addTopic(req, t.n("a"), 1, 1)
			addTopic(req, t.n("b"), 0, 1)
			addTopic(req, t.n("c"), 1, 1)
		}), meta("c", 1)}},
		{name: "create_topics/duplicate", key: key, steps: []goldenStep{made(false, func(t *talk, req *kmsg.CreateTopicsRequest) {
			addTopic(req, t.n("a"), 1, 1)
			addTopic(req, t.n("a"), 1, 1)
			addTopic(req, t.n("b"), 1, 1)
		})}},
		{name: "create_topics/empty", key: key, steps: []goldenStep{made(false, func(*talk, *kmsg.CreateTopicsRequest) {})}},
		{name: "create_topics/invalid_name", key: key, from: 1, steps: []goldenStep{exactly(""), exactly("."), exactly(".."), exactly("a b"), exactly("a/b"), exactly("ä"), exactly(strings.Repeat("x", 249)), exactly(strings.Repeat("x", 250)), exactly("__cluster_metadata")}},
		{name: "create_topics/collision", key: key, setup: topics(topic("x.y_z", 1)), steps: []goldenStep{one("x_y.z", 1, 1), one("x.y_z", 1, 1)}},
		{name: "create_topics/numbers", key: key, steps: []goldenStep{one("a", 0, 1), one("a", -2, 1), one("a", 1, 0), one("a", 1, -2), one("a", 1, 3), one("a", 0, 3)}},
		{name: "create_topics/validate_only", key: key, from: 1, steps: []goldenStep{made(true, func(t *talk, req *kmsg.CreateTopicsRequest) { addTopic(req, t.n("a"), 2, 1, "retention.ms", "5") }),
			step(func(t *talk) kmsg.Request { return metadata(ptr(t.n("a"))) })}},
		{name: "create_topics/no_timeout", key: key, steps: []goldenStep{made(false, func(t *talk, req *kmsg.CreateTopicsRequest) {
			req.TimeoutMillis = 0
			addTopic(req, t.n("a"), 1, 1)
			addTopic(req, t.n("b"), 0, 1)
		}), meta("a", 1)}},
		{name: "create_topics/assigned", key: key, steps: []goldenStep{assigned(false, -1, -1, []int32{0, 0}, []int32{1, 0}), meta("assigned", 2)}},
		{name: "create_topics/bad_assignment", key: key, from: 1, klamm: "3.9.2 makes partitions without replicas and stumbles over partition -1; 4.4.0 refuses both", steps: []goldenStep{
			assigned(true, 1, -1, []int32{0, 0}), assigned(true, -1, 1, []int32{0, 0}), assigned(true, -1, -1, []int32{1, 0}),
			assigned(true, -1, -1, []int32{0, 0}, []int32{2, 0}), assigned(true, -1, -1, []int32{0, 0}, []int32{0, 0}),
			assigned(true, -1, -1, []int32{0, 0, 0}), assigned(true, -1, -1, []int32{0}), assigned(true, -1, -1, []int32{-1, 0}),
			assigned(true, -1, -1, []int32{0, 0}, []int32{1}),
		}},
		{name: "create_topics/unknown_broker", key: key, from: 1, steps: []goldenStep{assigned(true, -1, -1, []int32{0, 7}), assigned(true, -1, -1, []int32{0, 0}, []int32{1, 0, 7})}},
		{name: "create_topics/bad_config", key: key, from: 1, steps: []goldenStep{
			configValue("no.such.config", ptr("1")), configValue("retention.ms", ptr("soon")), configValue("retention.ms", ptr("-2")), configValue("retention.ms", nil),
			configValue("cleanup.policy", ptr("shred")), configValue("retention.ms", ptr("")), configValue("min.insync.replicas", ptr("0")), configValue("compression.type", ptr("brotli")),
			configValue("max.message.bytes", ptr("99999999999")), configValue("preallocate", ptr("yes")), configValue("log.retention.ms", ptr("1")),
			made(true, func(t *talk, req *kmsg.CreateTopicsRequest) {
				addTopic(req, t.n("a"), 1, 1, "max.compaction.lag.ms", "5", "min.compaction.lag.ms", "9")
				addTopic(req, t.n("b"), 1, 1, "local.retention.ms", "9", "retention.ms", "5")
				addTopic(req, t.n("twice"), 1, 1, "retention.ms", "1", "retention.ms", "2")
			}),
		}},
	}
}

func deleteTopicsCases() []goldenCase {
	const key = kmsg.DeleteTopics
	named := func(names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := deleteTopics()
			for _, n := range names {
				one := deleteTopics(t.n(n))
				req.TopicNames = append(req.TopicNames, one.TopicNames...)
				req.Topics = append(req.Topics, one.Topics...)
			}
			return req
		})
	}
	setup := topics(topic("a", 2), topic("b", 1))
	return []goldenCase{
		{name: "delete_topics/deleted", key: key, setup: setup, steps: []goldenStep{named("a"), step(func(t *talk) kmsg.Request { return metadata(ptr(t.n("a")), ptr(t.n("b"))) })}},
		{name: "delete_topics/unknown", key: key, setup: setup, steps: []goldenStep{named("c"), named("a", "c")}},
		{name: "delete_topics/empty", key: key, steps: []goldenStep{named()}},
		{name: "delete_topics/duplicate", key: key, setup: setup, steps: []goldenStep{named("a", "a", "b")}},
		{name: "delete_topics/no_timeout", key: key, setup: setup, steps: []goldenStep{step(func(t *talk) kmsg.Request {
			req := deleteTopics(t.n("a"), t.n("c"))
			req.TimeoutMillis = 0
			return req
		})}},
		{name: "delete_topics/by_id", key: key, from: 6, klamm: "a topic with neither name nor id is INVALID_REQUEST as with 4.4.0; 3.9.2 says TOPIC_AUTHORIZATION_FAILED", setup: setup, steps: []goldenStep{
			step(func(t *talk) kmsg.Request { return deleteByID(t.id("a")) }),
			step(func(t *talk) kmsg.Request { return deleteByID([16]byte{9, 9}) }),
			step(func(t *talk) kmsg.Request { return deleteByID([16]byte{}) }),
			step(func(t *talk) kmsg.Request {
				req := deleteByID(t.id("b"))
				req.Topics[0].Topic = ptr(t.n("b"))
				return req
			}),
		}},
		{name: "delete_topics/id_and_name", key: key, from: 6, setup: setup, steps: []goldenStep{step(func(t *talk) kmsg.Request {
			req := deleteByID(t.id("b"))
			req.Topics = append(req.Topics, deleteTopics(t.n("b")).Topics...)
			return req
		})}},
		{name: "delete_topics/same_id_twice", key: key, from: 6, setup: setup, steps: []goldenStep{step(func(t *talk) kmsg.Request { return deleteByID(t.id("b"), t.id("b")) })}},
	}
}

func createPartitionsCases() []goldenCase {
	const key = kmsg.CreatePartitions
	one := func(name string, count int32, assignments ...[]int32) goldenStep {
		return step(func(t *talk) kmsg.Request { return createPartitions(t.n(name), count, assignments...) })
	}
	check := func(name string, count int32, assignments ...[]int32) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := createPartitions(t.n(name), count, assignments...)
			req.ValidateOnly = true
			return req
		})
	}
	setup := topics(topic("a", 2), topic("b", 1))
	meta := func(name string, partitions int) goldenStep {
		return goldenStep{until: func(r kmsg.Response) bool { return allLed(r, partitions) },
			req: func(t *talk) kmsg.Request { return metadata(ptr(t.n(name))) }}
	}
	return []goldenCase{
		{name: "create_partitions/created", key: key, setup: setup, steps: []goldenStep{one("a", 5), meta("a", 5), one("b", 3, []int32{0}, []int32{0}), meta("b", 3)}},
		{name: "create_partitions/validate_only", key: key, setup: setup, steps: []goldenStep{check("a", 4), meta("a", 2), check("a", 2), check("c", 3)}},
		{name: "create_partitions/count", key: key, setup: setup, steps: []goldenStep{one("a", 2), one("a", 1), one("a", 0), one("a", -1), one("c", 2)}},
		{name: "create_partitions/duplicate", key: key, setup: setup, steps: []goldenStep{step(func(t *talk) kmsg.Request {
			req := createPartitions(t.n("a"), 3)
			addPartitions(req, t.n("a"), 4)
			addPartitions(req, t.n("b"), 2)
			return req
		})}},
		{name: "create_partitions/empty", key: key, steps: []goldenStep{step(func(t *talk) kmsg.Request { return kmsg.NewPtrCreatePartitionsRequest() })}},
		{name: "create_partitions/no_timeout", key: key, setup: setup, steps: []goldenStep{step(func(t *talk) kmsg.Request {
			req := createPartitions(t.n("a"), 3)
			req.TimeoutMillis = 0
			return req
		})}},
		{name: "create_partitions/bad_assignment", key: key, setup: setup, steps: []goldenStep{
			check("a", 4, []int32{0}), check("a", 3, []int32{7}), check("a", 3, []int32{0, 0}), check("a", 3, []int32{}), check("a", 3, []int32{-1}), check("a", 3, []int32{0, 7}),
			step(func(t *talk) kmsg.Request {
				req := createPartitions(t.n("a"), 3)
				req.ValidateOnly = true
				req.Topics[0].Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
				return req
			}),
		}},
	}
}
