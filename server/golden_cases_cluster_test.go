package server_test

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func clusterCases() []goldenCase {
	cluster := func(f func(req *kmsg.DescribeClusterRequest)) goldenStep {
		return step(func(*talk) kmsg.Request {
			req := kmsg.NewPtrDescribeClusterRequest()
			f(req)
			return req
		})
	}
	dirs := func(names ...string) goldenStep {
		return goldenStep{mine: true, req: func(t *talk) kmsg.Request {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			for _, n := range names {
				rt := kmsg.NewDescribeLogDirsRequestTopic()
				rt.Topic, rt.Partitions = t.n(n), []int32{0, 5}
				req.Topics = append(req.Topics, rt)
			}
			return req
		}}
	}
	cases := []goldenCase{
		{name: "describe_cluster/brokers", key: kmsg.DescribeCluster, steps: []goldenStep{
			cluster(func(*kmsg.DescribeClusterRequest) {}),
			cluster(func(req *kmsg.DescribeClusterRequest) { req.IncludeClusterAuthorizedOperations = true }),
			cluster(func(req *kmsg.DescribeClusterRequest) { req.IncludeFencedBrokers = true }),
		}},
		{name: "describe_cluster/endpoint_type", key: kmsg.DescribeCluster, from: 1, steps: []goldenStep{
			cluster(func(req *kmsg.DescribeClusterRequest) { req.EndpointType = 2 }),
			cluster(func(req *kmsg.DescribeClusterRequest) { req.EndpointType = 0 }),
			cluster(func(req *kmsg.DescribeClusterRequest) { req.EndpointType = 9 }),
		}},
		{name: "describe_log_dirs/all", key: kmsg.DescribeLogDirs, setup: written, steps: []goldenStep{dirs()}},
		{name: "describe_log_dirs/some", key: kmsg.DescribeLogDirs, setup: written, steps: []goldenStep{dirs("a"), dirs("none"), dirs("a", "e"),
			step(func(t *talk) kmsg.Request {
				req := kmsg.NewPtrDescribeLogDirsRequest()
				req.Topics = []kmsg.DescribeLogDirsRequestTopic{}
				return req
			})}},
	}
	return slices.Concat(cases, alterDirsCases(), topicPartitionsCases(), listResourcesCases())
}

// alterDirsCases are about a broker with one directory, from which nothing moves.
func alterDirsCases() []goldenCase {
	// to asks for a directory and a topic each, for partitions 0 and 5.
	to := func(pairs ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrAlterReplicaLogDirsRequest()
			for i := 0; i+1 < len(pairs); i += 2 {
				rd := kmsg.NewAlterReplicaLogDirsRequestDir()
				rd.Dir = strings.ReplaceAll(pairs[i], "here", t.logDir())
				rt := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
				rt.Topic, rt.Partitions = pairs[i+1], []int32{0, 5}
				if len(rt.Topic) == 1 {
					rt.Topic = t.n(rt.Topic)
				}
				rd.Topics = append(rd.Topics, rt)
				req.Dirs = append(req.Dirs, rd)
			}
			return req
		})
	}
	const key = kmsg.AlterReplicaLogDirs
	return []goldenCase{
		{name: "alter_replica_log_dirs/here", key: key, setup: written, steps: []goldenStep{to("here", "a"), to("here", "e"), to("here", "x"), to()}},
		{name: "alter_replica_log_dirs/elsewhere", key: key, setup: written, steps: []goldenStep{to("/no/such/dir", "a"), to("here/", "a"), to("", "a"), to("relative", "x"), to("here/..", "a")}},
		{name: "alter_replica_log_dirs/twice", key: key, setup: written, steps: []goldenStep{to("here", "a", "/no/such/dir", "a"), to("/no/such/dir", "a", "here", "a"), to("here", "a", "/no/such/dir", "e"), to("here", "a", "here", "e")}},
		{name: "alter_replica_log_dirs/names", key: key, setup: written, steps: []goldenStep{
			to("here", strings.Repeat("x", 213)), to("here", strings.Repeat("x", 214)), to("/no/such/dir", strings.Repeat("x", 214)), to("here", strings.Repeat("é", 213)), to("here", ""), to("here", "a b"),
		}},
	}
}

// logDir is the broker's first log directory.
func (t *talk) logDir() string {
	return t.do(kmsg.NewPtrDescribeLogDirsRequest()).(*kmsg.DescribeLogDirsResponse).Dirs[0].Dir
}

func topicPartitionsCases() []goldenCase {
	of := func(limit int32, cursor string, partition int32, names ...string) goldenStep {
		return goldenStep{mine: len(names) == 0, req: func(t *talk) kmsg.Request {
			name := func(n string) string {
				if strings.Contains(n, " ") || n == "" {
					return n
				}
				return t.n(n)
			}
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			for _, n := range names {
				rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
				rt.Topic = name(n)
				req.Topics = append(req.Topics, rt)
			}
			if cursor != "" {
				c := kmsg.NewDescribeTopicPartitionsRequestCursor()
				c.Topic, c.Partition = name(cursor), partition
				req.Cursor = &c
			}
			return req
		}}
	}
	setup := topics(topic("a", 3), topic("b", 2), topic("c", 1))
	const key = kmsg.DescribeTopicPartitions
	return []goldenCase{
		{name: "describe_topic_partitions/named", key: key, klamm: "4.4.0 stumbles over an empty name (UNKNOWN_SERVER_ERROR)", setup: setup, steps: []goldenStep{of(100, "", 0, "a", "b"), of(100, "", 0, "b", "a", "b"), of(100, "", 0, "none", "a"), of(100, "", 0, "bad name", ""), of(100, "", 0)}},
		{name: "describe_topic_partitions/limit", key: key, setup: setup, steps: []goldenStep{of(2, "", 0, "a", "b", "c"), of(3, "", 0, "a", "b", "c"), of(4, "", 0, "a", "b", "c"), of(6, "", 0, "a", "b", "c"), of(0, "", 0, "a", "b"), of(-5, "", 0, "a", "b"), of(3, "", 0, "a", "none", "zz"), of(3, "", 0, "a", "none", "o")}},
		{name: "describe_topic_partitions/cursor", key: key, setup: setup, steps: []goldenStep{of(10, "a", 1, "a", "b"), of(10, "b", 0, "a", "b", "c"), of(10, "a", 3, "a", "b"), of(10, "a", 99, "a"), of(1, "b", 1, "a", "b", "c"), of(10, "b", 1)}},
		{name: "describe_topic_partitions/refused", key: key, setup: setup, steps: []goldenStep{of(10, "x", 1, "a", "b"), of(10, "a", -1, "a", "b"), of(10, "none", 0, "none")}},
	}
}

func listResourcesCases() []goldenCase {
	of := func(types ...int8) goldenStep {
		return goldenStep{mine: true, req: func(*talk) kmsg.Request {
			req := kmsg.NewPtrListConfigResourcesRequest()
			req.ResourceTypes = types
			return req
		}}
	}
	return []goldenCase{
		{name: "list_config_resources/types", key: kmsg.ListConfigResources, steps: []goldenStep{of(4), of(8), of(4, 4), of(16), of(32)}},
		{name: "list_config_resources/topics", key: kmsg.ListConfigResources, from: 1, setup: topics(topic("a", 1), topic("b", 1)), steps: []goldenStep{of(2)}},
		{name: "list_config_resources/refused", key: kmsg.ListConfigResources, from: 1, steps: []goldenStep{of(3), of(0), of(2, 77)}},
	}
}
