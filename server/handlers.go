package server

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/protocol"
	"klamm/server/admin"
	"klamm/server/data"
	"klamm/server/groups"
	"klamm/server/request"
)

//go:generate go run ./apidoc ..

// newHandlers has a handler for each API of protocol's table, and no other: a
// test holds the two equal.
func newHandlers(b *cluster.Broker, d *data.Service, g *groups.Service, a *admin.Service) map[int16]request.Handler {
	return map[int16]request.Handler{
		protocol.KeyProduce:                 d.Produce,
		protocol.KeyFetch:                   d.Fetch,
		protocol.KeyListOffsets:             request.Typed(kmsg.NewPtrListOffsetsRequest, d.ListOffsets),
		protocol.KeyMetadata:                request.Typed(kmsg.NewPtrMetadataRequest, a.Metadata),
		protocol.KeyOffsetCommit:            request.TypedLater(kmsg.NewPtrOffsetCommitRequest, g.OffsetCommit),
		protocol.KeyOffsetFetch:             request.Typed(kmsg.NewPtrOffsetFetchRequest, g.OffsetFetch),
		protocol.KeyFindCoordinator:         request.Typed(kmsg.NewPtrFindCoordinatorRequest, g.FindCoordinator),
		protocol.KeyJoinGroup:               request.TypedLater(kmsg.NewPtrJoinGroupRequest, g.JoinGroup),
		protocol.KeyHeartbeat:               request.Typed(kmsg.NewPtrHeartbeatRequest, g.Heartbeat),
		protocol.KeyLeaveGroup:              request.Typed(kmsg.NewPtrLeaveGroupRequest, g.LeaveGroup),
		protocol.KeySyncGroup:               request.TypedLater(kmsg.NewPtrSyncGroupRequest, g.SyncGroup),
		protocol.KeyDescribeGroups:          request.Typed(kmsg.NewPtrDescribeGroupsRequest, g.DescribeGroups),
		protocol.KeyListGroups:              request.Typed(kmsg.NewPtrListGroupsRequest, g.ListGroups),
		protocol.KeyAPIVersions:             request.Typed(kmsg.NewPtrApiVersionsRequest, apiVersions{b}.serve),
		protocol.KeyCreateTopics:            request.Typed(kmsg.NewPtrCreateTopicsRequest, a.CreateTopics),
		protocol.KeyDeleteTopics:            request.Typed(kmsg.NewPtrDeleteTopicsRequest, a.DeleteTopics),
		protocol.KeyDeleteRecords:           request.Typed(kmsg.NewPtrDeleteRecordsRequest, d.DeleteRecords),
		protocol.KeyInitProducerID:          request.Typed(kmsg.NewPtrInitProducerIDRequest, d.InitProducerID),
		protocol.KeyOffsetForLeaderEpoch:    request.Typed(kmsg.NewPtrOffsetForLeaderEpochRequest, d.OffsetForLeaderEpoch),
		protocol.KeyDescribeConfigs:         request.Typed(kmsg.NewPtrDescribeConfigsRequest, a.DescribeConfigs),
		protocol.KeyAlterConfigs:            request.Typed(kmsg.NewPtrAlterConfigsRequest, a.AlterConfigs),
		protocol.KeyAlterReplicaLogDirs:     request.Typed(kmsg.NewPtrAlterReplicaLogDirsRequest, a.AlterReplicaLogDirs),
		protocol.KeyDescribeLogDirs:         request.Typed(kmsg.NewPtrDescribeLogDirsRequest, a.DescribeLogDirs),
		protocol.KeyCreatePartitions:        request.Typed(kmsg.NewPtrCreatePartitionsRequest, a.CreatePartitions),
		protocol.KeyDeleteGroups:            request.Typed(kmsg.NewPtrDeleteGroupsRequest, g.DeleteGroups),
		protocol.KeyIncrementalAlterConfigs: request.Typed(kmsg.NewPtrIncrementalAlterConfigsRequest, a.IncrementalAlterConfigs),
		protocol.KeyOffsetDelete:            request.Typed(kmsg.NewPtrOffsetDeleteRequest, g.OffsetDelete),
		protocol.KeyDescribeCluster:         request.Typed(kmsg.NewPtrDescribeClusterRequest, a.DescribeCluster),
		protocol.KeyDescribeProducers:       request.Typed(kmsg.NewPtrDescribeProducersRequest, d.DescribeProducers),
		protocol.KeyListConfigResources:     request.Typed(kmsg.NewPtrListConfigResourcesRequest, a.ListConfigResources),
		protocol.KeyDescribeTopicPartitions: request.Typed(kmsg.NewPtrDescribeTopicPartitionsRequest, a.DescribeTopicPartitions),
	}
}
