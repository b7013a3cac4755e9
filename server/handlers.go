package server

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
	"klamm/server/admin"
	"klamm/server/data"
	"klamm/server/groups"
	"klamm/server/peer"
	"klamm/server/request"
	"klamm/server/txn"
)

//go:generate go run ./apidoc ..

// newHandlers returns the handlers by API key. It has one for each API of the table in
// package protocol and no other: a test compares the two.
func newHandlers(v apiVersions, d *data.Service, g *groups.Service, t *txn.Service, a *admin.Service, p *peer.Service) map[int16]request.Handler {
	return map[int16]request.Handler{
		protocol.KeyProduce:                      d.Produce,
		protocol.KeyFetch:                        d.Fetch,
		protocol.KeyListOffsets:                  request.Typed(kmsg.NewPtrListOffsetsRequest, d.ListOffsets),
		protocol.KeyMetadata:                     request.Typed(kmsg.NewPtrMetadataRequest, a.Metadata),
		protocol.KeyLeaderAndISR:                 request.Typed(kmsg.NewPtrLeaderAndISRRequest, p.LeaderAndISR),
		protocol.KeyStopReplica:                  request.Typed(protocol.NewStopReplicaRequest, p.StopReplica),
		protocol.KeyUpdateMetadata:               request.TypedOrClosed(kmsg.NewPtrUpdateMetadataRequest, p.UpdateMetadata),
		protocol.KeyControlledShutdown:           request.Typed(kmsg.NewPtrControlledShutdownRequest, p.ControlledShutdown),
		protocol.KeyOffsetCommit:                 request.TypedLater(kmsg.NewPtrOffsetCommitRequest, g.OffsetCommit),
		protocol.KeyOffsetFetch:                  request.Typed(kmsg.NewPtrOffsetFetchRequest, g.OffsetFetch),
		protocol.KeyFindCoordinator:              request.Typed(kmsg.NewPtrFindCoordinatorRequest, g.FindCoordinator),
		protocol.KeyJoinGroup:                    request.TypedLater(kmsg.NewPtrJoinGroupRequest, g.JoinGroup),
		protocol.KeyHeartbeat:                    request.Typed(kmsg.NewPtrHeartbeatRequest, g.Heartbeat),
		protocol.KeyLeaveGroup:                   request.Typed(kmsg.NewPtrLeaveGroupRequest, g.LeaveGroup),
		protocol.KeySyncGroup:                    request.TypedLater(kmsg.NewPtrSyncGroupRequest, g.SyncGroup),
		protocol.KeyDescribeGroups:               request.Typed(kmsg.NewPtrDescribeGroupsRequest, g.DescribeGroups),
		protocol.KeyListGroups:                   request.Typed(kmsg.NewPtrListGroupsRequest, g.ListGroups),
		protocol.KeySASLHandshake:                request.Typed(kmsg.NewPtrSASLHandshakeRequest, a.SASLHandshake),
		protocol.KeyAPIVersions:                  request.Typed(kmsg.NewPtrApiVersionsRequest, v.serve),
		protocol.KeyCreateTopics:                 request.Typed(kmsg.NewPtrCreateTopicsRequest, a.CreateTopics),
		protocol.KeyDeleteTopics:                 request.Typed(kmsg.NewPtrDeleteTopicsRequest, a.DeleteTopics),
		protocol.KeyDeleteRecords:                request.Typed(kmsg.NewPtrDeleteRecordsRequest, d.DeleteRecords),
		protocol.KeyInitProducerID:               request.Typed(kmsg.NewPtrInitProducerIDRequest, d.InitProducerID),
		protocol.KeyOffsetForLeaderEpoch:         request.Typed(kmsg.NewPtrOffsetForLeaderEpochRequest, d.OffsetForLeaderEpoch),
		protocol.KeyAddPartitionsToTxn:           request.Typed(kmsg.NewPtrAddPartitionsToTxnRequest, t.AddPartitionsToTxn),
		protocol.KeyAddOffsetsToTxn:              request.Typed(kmsg.NewPtrAddOffsetsToTxnRequest, t.AddOffsetsToTxn),
		protocol.KeyEndTxn:                       request.Typed(kmsg.NewPtrEndTxnRequest, t.EndTxn),
		protocol.KeyTxnOffsetCommit:              request.Typed(kmsg.NewPtrTxnOffsetCommitRequest, t.TxnOffsetCommit),
		protocol.KeyDescribeACLs:                 request.TypedOrClosed(kmsg.NewPtrDescribeACLsRequest, a.DescribeACLs),
		protocol.KeyCreateACLs:                   request.TypedOrClosed(kmsg.NewPtrCreateACLsRequest, a.CreateACLs),
		protocol.KeyDeleteACLs:                   request.TypedOrClosed(kmsg.NewPtrDeleteACLsRequest, a.DeleteACLs),
		protocol.KeyDescribeConfigs:              request.Typed(kmsg.NewPtrDescribeConfigsRequest, a.DescribeConfigs),
		protocol.KeyAlterConfigs:                 request.Typed(kmsg.NewPtrAlterConfigsRequest, a.AlterConfigs),
		protocol.KeyAlterReplicaLogDirs:          request.Typed(kmsg.NewPtrAlterReplicaLogDirsRequest, a.AlterReplicaLogDirs),
		protocol.KeyDescribeLogDirs:              request.Typed(kmsg.NewPtrDescribeLogDirsRequest, a.DescribeLogDirs),
		protocol.KeySASLAuthenticate:             request.Typed(kmsg.NewPtrSASLAuthenticateRequest, a.SASLAuthenticate),
		protocol.KeyCreatePartitions:             request.Typed(kmsg.NewPtrCreatePartitionsRequest, a.CreatePartitions),
		protocol.KeyCreateDelegationToken:        request.Typed(kmsg.NewPtrCreateDelegationTokenRequest, a.CreateDelegationToken),
		protocol.KeyRenewDelegationToken:         request.Typed(kmsg.NewPtrRenewDelegationTokenRequest, a.RenewDelegationToken),
		protocol.KeyExpireDelegationToken:        request.Typed(kmsg.NewPtrExpireDelegationTokenRequest, a.ExpireDelegationToken),
		protocol.KeyDescribeDelegationToken:      request.Typed(kmsg.NewPtrDescribeDelegationTokenRequest, a.DescribeDelegationToken),
		protocol.KeyDeleteGroups:                 request.Typed(kmsg.NewPtrDeleteGroupsRequest, g.DeleteGroups),
		protocol.KeyElectLeaders:                 request.Typed(kmsg.NewPtrElectLeadersRequest, a.ElectLeaders),
		protocol.KeyIncrementalAlterConfigs:      request.Typed(kmsg.NewPtrIncrementalAlterConfigsRequest, a.IncrementalAlterConfigs),
		protocol.KeyAlterPartitionReassignments:  request.Typed(kmsg.NewPtrAlterPartitionAssignmentsRequest, a.AlterPartitionReassignments),
		protocol.KeyListPartitionReassignments:   request.Typed(kmsg.NewPtrListPartitionReassignmentsRequest, a.ListPartitionReassignments),
		protocol.KeyOffsetDelete:                 request.Typed(kmsg.NewPtrOffsetDeleteRequest, g.OffsetDelete),
		protocol.KeyDescribeClientQuotas:         request.Typed(kmsg.NewPtrDescribeClientQuotasRequest, a.DescribeClientQuotas),
		protocol.KeyAlterClientQuotas:            request.Typed(kmsg.NewPtrAlterClientQuotasRequest, a.AlterClientQuotas),
		protocol.KeyDescribeUserSCRAMCredentials: request.Typed(kmsg.NewPtrDescribeUserSCRAMCredentialsRequest, a.DescribeUserSCRAMCredentials),
		protocol.KeyAlterUserSCRAMCredentials:    request.Typed(kmsg.NewPtrAlterUserSCRAMCredentialsRequest, a.AlterUserSCRAMCredentials),
		protocol.KeyAlterPartition:               request.Typed(kmsg.NewPtrAlterPartitionRequest, p.AlterPartition),
		protocol.KeyUpdateFeatures:               request.Typed(kmsg.NewPtrUpdateFeaturesRequest, a.UpdateFeatures),
		protocol.KeyDescribeCluster:              request.Typed(kmsg.NewPtrDescribeClusterRequest, a.DescribeCluster),
		protocol.KeyDescribeProducers:            request.Typed(kmsg.NewPtrDescribeProducersRequest, d.DescribeProducers),
		protocol.KeyDescribeTransactions:         request.Typed(kmsg.NewPtrDescribeTransactionsRequest, t.DescribeTransactions),
		protocol.KeyListTransactions:             request.Typed(kmsg.NewPtrListTransactionsRequest, t.ListTransactions),
		protocol.KeyAllocateProducerIDs:          request.Typed(kmsg.NewPtrAllocateProducerIDsRequest, p.AllocateProducerIDs),
		protocol.KeyConsumerGroupHeartbeat:       request.Typed(kmsg.NewPtrConsumerGroupHeartbeatRequest, g.ConsumerGroupHeartbeat),
		protocol.KeyConsumerGroupDescribe:        request.Typed(kmsg.NewPtrConsumerGroupDescribeRequest, g.ConsumerGroupDescribe),
		protocol.KeyListConfigResources:          request.Typed(kmsg.NewPtrListConfigResourcesRequest, a.ListConfigResources),
		protocol.KeyDescribeTopicPartitions:      request.Typed(kmsg.NewPtrDescribeTopicPartitionsRequest, a.DescribeTopicPartitions),
	}
}
