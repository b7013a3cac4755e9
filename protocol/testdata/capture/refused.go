package main

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fillRefused fills the requests that a broker without security, transactions and peers refuses, or answers
// with nothing. Where a version keeps it, each has a list of two.
func (c *capture) fillRefused(r kmsg.Request) {
	two := []int32{0, 1}
	switch r := r.(type) {
	case *kmsg.SASLHandshakeRequest:
		r.Mechanism = "PLAIN"
	case *kmsg.SASLAuthenticateRequest:
		r.SASLAuthBytes = []byte("\x00user\x00password")
	case *kmsg.DescribeACLsRequest:
		r.ResourceType, r.ResourceName, r.ResourcePatternType, r.Operation, r.PermissionType = 2, kmsg.StringPtr(topic), 3, 1, 1
	case *kmsg.CreateACLsRequest:
		acl := kmsg.CreateACLsRequestCreation{ResourceType: 2, ResourceName: topic, ResourcePatternType: 3, Principal: "User:a", Host: "*", Operation: 3, PermissionType: 3}
		r.Creations = []kmsg.CreateACLsRequestCreation{acl, acl}
	case *kmsg.DeleteACLsRequest:
		f := kmsg.DeleteACLsRequestFilter{ResourceType: 2, ResourceName: kmsg.StringPtr(topic), ResourcePatternType: 3, Operation: 1, PermissionType: 1}
		r.Filters = []kmsg.DeleteACLsRequestFilter{f, f}
	case *kmsg.CreateDelegationTokenRequest:
		r.Renewers, r.MaxLifetimeMillis = []kmsg.CreateDelegationTokenRequestRenewer{{PrincipalType: "User", PrincipalName: "renewer"}}, -1
	case *kmsg.RenewDelegationTokenRequest:
		r.HMAC, r.RenewTimeMillis = []byte("mac"), 1000
	case *kmsg.ExpireDelegationTokenRequest:
		r.HMAC, r.ExpiryPeriodMillis = []byte("mac"), 1000
	case *kmsg.DescribeDelegationTokenRequest:
		r.Owners = []kmsg.DescribeDelegationTokenRequestOwner{{PrincipalType: "User", PrincipalName: "owner"}}
	case *kmsg.ElectLeadersRequest:
		r.TimeoutMillis, r.Topics = 5000, []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: []int32{0, 9}}}
	case *kmsg.AlterPartitionAssignmentsRequest:
		r.TimeoutMillis = 5000
		r.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{
			{Partition: 0, Replicas: []int32{0}}, {Partition: 1, Replicas: nil}}}}
	case *kmsg.ListPartitionReassignmentsRequest:
		r.TimeoutMillis, r.Topics = 5000, []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: topic, Partitions: two}}
	case *kmsg.DescribeClientQuotasRequest:
		r.Components = []kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", Match: kmsg.StringPtr("a")}, {EntityType: "client-id", MatchType: 1}}
	case *kmsg.AlterClientQuotasRequest:
		r.ValidateOnly = true
		r.Entries = []kmsg.AlterClientQuotasRequestEntry{{
			Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: kmsg.StringPtr("a")}},
			Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: "no.such", Value: 1.5}, {Key: "consumer_byte_rate", Remove: true}},
		}}
	case *kmsg.DescribeUserSCRAMCredentialsRequest:
		r.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "a"}, {Name: "b"}}
	case *kmsg.AlterUserSCRAMCredentialsRequest:
		r.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "a", Mechanism: 1}}
		r.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{{Name: "b", Mechanism: 2, Iterations: 1, Salt: []byte("salt"), SaltedPassword: []byte("password")}}
	case *kmsg.UpdateFeaturesRequest:
		r.TimeoutMillis = 5000
		r.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: "no.such", MaxVersionLevel: 1, UpgradeType: 1}}
	default:
		c.fillTransaction(r)
	}
}

func (c *capture) fillTransaction(r kmsg.Request) {
	const id = "golden"
	two := []int32{0, 1}
	switch r := r.(type) {
	case *kmsg.AddPartitionsToTxnRequest:
		if r.Version < 4 {
			r.TransactionalID, r.Topics = id, []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: two}}
			return
		}
		r.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{{TransactionalID: id,
			Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: topic, Partitions: two}}}}
	case *kmsg.AddOffsetsToTxnRequest:
		r.TransactionalID, r.Group = id, group
	case *kmsg.EndTxnRequest:
		r.TransactionalID, r.Commit = id, true
	case *kmsg.TxnOffsetCommitRequest:
		r.TransactionalID, r.Group = id, group
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		if t.Topic = topic; r.Version >= 6 {
			t.Topic, t.TopicID = "", c.id
		}
		for _, n := range []int32{0, 9} {
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition, p.Metadata = n, kmsg.StringPtr("golden metadata")
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	case *kmsg.DescribeTransactionsRequest:
		r.TransactionalIDs = []string{id, ""}
	case *kmsg.ListTransactionsRequest:
		r.StateFilters, r.ProducerIDFilters = []string{"Ongoing", "Sleeping"}, []int64{5}
	case *kmsg.ConsumerGroupHeartbeatRequest:
		r.Group, r.MemberID, r.RebalanceTimeoutMillis, r.SubscribedTopicNames = group, "AAAAAAAAAAAAAAAAAAAAAA", 5000, []string{topic}
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	case *kmsg.ConsumerGroupDescribeRequest:
		r.Groups = []string{"none"}
	default:
		c.fillPeers(r)
	}
}
