package server

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

//go:generate go run ./apidoc ..

// handlers has a handler for each API of protocol's table, and no other: a
// test holds the two equal.
var handlers map[int16]handler

func init() {
	// In init, since a handler may look at the table itself (ApiVersions).
	handlers = map[int16]handler{
		protocol.KeyProduce:                 handleProduce,
		protocol.KeyFetch:                   handleFetch,
		protocol.KeyListOffsets:             typed(kmsg.NewPtrListOffsetsRequest, serveListOffsets),
		protocol.KeyMetadata:                typed(kmsg.NewPtrMetadataRequest, serveMetadata),
		protocol.KeyOffsetCommit:            typedLater(kmsg.NewPtrOffsetCommitRequest, serveOffsetCommit),
		protocol.KeyOffsetFetch:             typed(kmsg.NewPtrOffsetFetchRequest, serveOffsetFetch),
		protocol.KeyFindCoordinator:         typed(kmsg.NewPtrFindCoordinatorRequest, serveFindCoordinator),
		protocol.KeyJoinGroup:               typedLater(kmsg.NewPtrJoinGroupRequest, serveJoinGroup),
		protocol.KeyHeartbeat:               typed(kmsg.NewPtrHeartbeatRequest, serveHeartbeat),
		protocol.KeyLeaveGroup:              typed(kmsg.NewPtrLeaveGroupRequest, serveLeaveGroup),
		protocol.KeySyncGroup:               typedLater(kmsg.NewPtrSyncGroupRequest, serveSyncGroup),
		protocol.KeyDescribeGroups:          typed(kmsg.NewPtrDescribeGroupsRequest, serveDescribeGroups),
		protocol.KeyListGroups:              typed(kmsg.NewPtrListGroupsRequest, serveListGroups),
		protocol.KeyAPIVersions:             typed(kmsg.NewPtrApiVersionsRequest, serveApiVersions),
		protocol.KeyCreateTopics:            typed(kmsg.NewPtrCreateTopicsRequest, serveCreateTopics),
		protocol.KeyDeleteTopics:            typed(kmsg.NewPtrDeleteTopicsRequest, serveDeleteTopics),
		protocol.KeyDeleteRecords:           typed(kmsg.NewPtrDeleteRecordsRequest, serveDeleteRecords),
		protocol.KeyInitProducerID:          typed(kmsg.NewPtrInitProducerIDRequest, serveInitProducerID),
		protocol.KeyOffsetForLeaderEpoch:    typed(kmsg.NewPtrOffsetForLeaderEpochRequest, serveOffsetForLeaderEpoch),
		protocol.KeyDescribeConfigs:         typed(kmsg.NewPtrDescribeConfigsRequest, serveDescribeConfigs),
		protocol.KeyAlterConfigs:            typed(kmsg.NewPtrAlterConfigsRequest, serveAlterConfigs),
		protocol.KeyAlterReplicaLogDirs:     typed(kmsg.NewPtrAlterReplicaLogDirsRequest, serveAlterReplicaLogDirs),
		protocol.KeyDescribeLogDirs:         typed(kmsg.NewPtrDescribeLogDirsRequest, serveDescribeLogDirs),
		protocol.KeyCreatePartitions:        typed(kmsg.NewPtrCreatePartitionsRequest, serveCreatePartitions),
		protocol.KeyDeleteGroups:            typed(kmsg.NewPtrDeleteGroupsRequest, serveDeleteGroups),
		protocol.KeyIncrementalAlterConfigs: typed(kmsg.NewPtrIncrementalAlterConfigsRequest, serveIncrementalAlterConfigs),
		protocol.KeyOffsetDelete:            typed(kmsg.NewPtrOffsetDeleteRequest, serveOffsetDelete),
		protocol.KeyDescribeCluster:         typed(kmsg.NewPtrDescribeClusterRequest, serveDescribeCluster),
		protocol.KeyDescribeProducers:       typed(kmsg.NewPtrDescribeProducersRequest, serveDescribeProducers),
		protocol.KeyListConfigResources:     typed(kmsg.NewPtrListConfigResourcesRequest, serveListConfigResources),
		protocol.KeyDescribeTopicPartitions: typed(kmsg.NewPtrDescribeTopicPartitionsRequest, serveDescribeTopicPartitions),
	}
}
