package protocol

import "math"

// API is one row of the table of what is served: dispatch, ApiVersions, limits,
// metrics' labels and docs/apis.md are all made from it.
type API struct {
	Key  int16
	Name string // as Apache Kafka names it
	// Min and Max are the versions that are served, and that ApiVersions announces.
	Min, Max int16
	// Flexible is the first version with compact encodings, tagged fields and
	// header version 2 (KIP-482).
	Flexible int16
	// Sender is who sends such requests.
	Sender Sender
	// Lacks is what klamm does not have without which it can only refuse these requests, though it announces them as every broker of 3.9
	// does. It is "" for what is served.
	Lacks string
}

// Sender says who sends the requests of an API. Three things follow from it: how large a request may be on a listener for brokers, how large an
// answer may be that this broker gets, and whether a request is served before the broker knows the topics that there are.
type Sender int8

const (
	// Clients send requests of most APIs, and brokers none.
	Clients Sender = iota
	// Followers send requests of APIs that clients use too.
	Followers
	// Brokers alone send requests with what the controller tells brokers, and what they ask it. Clients are refused.
	Brokers
)

// Keys of APIs.
const (
	KeyProduce                      int16 = 0
	KeyFetch                        int16 = 1
	KeyListOffsets                  int16 = 2
	KeyMetadata                     int16 = 3
	KeyLeaderAndISR                 int16 = 4
	KeyStopReplica                  int16 = 5
	KeyUpdateMetadata               int16 = 6
	KeyControlledShutdown           int16 = 7
	KeyOffsetCommit                 int16 = 8
	KeyOffsetFetch                  int16 = 9
	KeyFindCoordinator              int16 = 10
	KeyJoinGroup                    int16 = 11
	KeyHeartbeat                    int16 = 12
	KeyLeaveGroup                   int16 = 13
	KeySyncGroup                    int16 = 14
	KeyDescribeGroups               int16 = 15
	KeyListGroups                   int16 = 16
	KeySASLHandshake                int16 = 17
	KeyAPIVersions                  int16 = 18
	KeyCreateTopics                 int16 = 19
	KeyDeleteTopics                 int16 = 20
	KeyDeleteRecords                int16 = 21
	KeyInitProducerID               int16 = 22
	KeyOffsetForLeaderEpoch         int16 = 23
	KeyAddPartitionsToTxn           int16 = 24
	KeyAddOffsetsToTxn              int16 = 25
	KeyEndTxn                       int16 = 26
	KeyTxnOffsetCommit              int16 = 28
	KeyDescribeACLs                 int16 = 29
	KeyCreateACLs                   int16 = 30
	KeyDeleteACLs                   int16 = 31
	KeyDescribeConfigs              int16 = 32
	KeyAlterConfigs                 int16 = 33
	KeyAlterReplicaLogDirs          int16 = 34
	KeyDescribeLogDirs              int16 = 35
	KeySASLAuthenticate             int16 = 36
	KeyCreatePartitions             int16 = 37
	KeyCreateDelegationToken        int16 = 38
	KeyRenewDelegationToken         int16 = 39
	KeyExpireDelegationToken        int16 = 40
	KeyDescribeDelegationToken      int16 = 41
	KeyDeleteGroups                 int16 = 42
	KeyElectLeaders                 int16 = 43
	KeyIncrementalAlterConfigs      int16 = 44
	KeyAlterPartitionReassignments  int16 = 45
	KeyListPartitionReassignments   int16 = 46
	KeyOffsetDelete                 int16 = 47
	KeyDescribeClientQuotas         int16 = 48
	KeyAlterClientQuotas            int16 = 49
	KeyDescribeUserSCRAMCredentials int16 = 50
	KeyAlterUserSCRAMCredentials    int16 = 51
	KeyAlterPartition               int16 = 56
	KeyUpdateFeatures               int16 = 57
	KeyDescribeCluster              int16 = 60
	KeyDescribeProducers            int16 = 61
	KeyDescribeTransactions         int16 = 65
	KeyListTransactions             int16 = 66
	KeyAllocateProducerIDs          int16 = 67
	KeyConsumerGroupHeartbeat       int16 = 68
	KeyConsumerGroupDescribe        int16 = 69
	KeyListConfigResources          int16 = 74
	KeyDescribeTopicPartitions      int16 = 75
)

// neverFlexible stands in the table where no version is flexible.
const neverFlexible = math.MaxInt16

// apis is in the order of keys. The lowest versions are those that Apache Kafka
// 3.9.2 announces, the highest those of 4.4.0: testdata/3.9.2/18-ApiVersions-04.hex
// and the same of 4.4.0. 4.4.0 has given up the messages before magic 2 and with
// them what its clients used; clients from 0.8.2 on go on here. It has given up ZooKeeper too, and with it what
// brokers of 3.9 say to each other.
var apis = []API{
	{Key: KeyProduce, Name: "Produce", Min: 0, Max: 13, Flexible: 9},
	{Key: KeyFetch, Name: "Fetch", Min: 0, Max: 18, Flexible: 12, Sender: Followers},
	{Key: KeyListOffsets, Name: "ListOffsets", Min: 0, Max: 11, Flexible: 6, Sender: Followers},
	{Key: KeyMetadata, Name: "Metadata", Min: 0, Max: 13, Flexible: 9},
	{Key: KeyLeaderAndISR, Name: "LeaderAndIsr", Min: 0, Max: 7, Flexible: 4, Sender: Brokers},
	{Key: KeyStopReplica, Name: "StopReplica", Min: 0, Max: 4, Flexible: 2, Sender: Brokers},
	{Key: KeyUpdateMetadata, Name: "UpdateMetadata", Min: 0, Max: 8, Flexible: 6, Sender: Brokers},
	{Key: KeyControlledShutdown, Name: "ControlledShutdown", Min: 0, Max: 3, Flexible: 3, Sender: Brokers},
	{Key: KeyOffsetCommit, Name: "OffsetCommit", Min: 0, Max: 10, Flexible: 8},
	{Key: KeyOffsetFetch, Name: "OffsetFetch", Min: 0, Max: 10, Flexible: 6},
	{Key: KeyFindCoordinator, Name: "FindCoordinator", Min: 0, Max: 6, Flexible: 3},
	{Key: KeyJoinGroup, Name: "JoinGroup", Min: 0, Max: 9, Flexible: 6},
	{Key: KeyHeartbeat, Name: "Heartbeat", Min: 0, Max: 4, Flexible: 4},
	{Key: KeyLeaveGroup, Name: "LeaveGroup", Min: 0, Max: 5, Flexible: 4},
	{Key: KeySyncGroup, Name: "SyncGroup", Min: 0, Max: 5, Flexible: 4},
	{Key: KeyDescribeGroups, Name: "DescribeGroups", Min: 0, Max: 6, Flexible: 5},
	{Key: KeyListGroups, Name: "ListGroups", Min: 0, Max: 5, Flexible: 3},
	{Key: KeySASLHandshake, Name: "SaslHandshake", Min: 0, Max: 1, Flexible: neverFlexible, Lacks: "SASL"},
	{Key: KeyAPIVersions, Name: "ApiVersions", Min: 0, Max: 5, Flexible: 3},
	{Key: KeyCreateTopics, Name: "CreateTopics", Min: 0, Max: 7, Flexible: 5},
	{Key: KeyDeleteTopics, Name: "DeleteTopics", Min: 0, Max: 6, Flexible: 4},
	{Key: KeyDeleteRecords, Name: "DeleteRecords", Min: 0, Max: 2, Flexible: 2},
	{Key: KeyInitProducerID, Name: "InitProducerId", Min: 0, Max: 5, Flexible: 2},
	{Key: KeyOffsetForLeaderEpoch, Name: "OffsetForLeaderEpoch", Min: 0, Max: 4, Flexible: 4, Sender: Followers},
	{Key: KeyAddPartitionsToTxn, Name: "AddPartitionsToTxn", Min: 0, Max: 5, Flexible: 3, Lacks: "transactions"},
	{Key: KeyAddOffsetsToTxn, Name: "AddOffsetsToTxn", Min: 0, Max: 4, Flexible: 3, Lacks: "transactions"},
	{Key: KeyEndTxn, Name: "EndTxn", Min: 0, Max: 5, Flexible: 3, Lacks: "transactions"},
	{Key: KeyTxnOffsetCommit, Name: "TxnOffsetCommit", Min: 0, Max: 6, Flexible: 3, Lacks: "transactions"},
	{Key: KeyDescribeACLs, Name: "DescribeAcls", Min: 0, Max: 3, Flexible: 2},
	{Key: KeyCreateACLs, Name: "CreateAcls", Min: 0, Max: 3, Flexible: 2, Lacks: "ACLs"},
	{Key: KeyDeleteACLs, Name: "DeleteAcls", Min: 0, Max: 3, Flexible: 2, Lacks: "ACLs"},
	{Key: KeyDescribeConfigs, Name: "DescribeConfigs", Min: 0, Max: 4, Flexible: 4},
	{Key: KeyAlterConfigs, Name: "AlterConfigs", Min: 0, Max: 2, Flexible: 2},
	{Key: KeyAlterReplicaLogDirs, Name: "AlterReplicaLogDirs", Min: 0, Max: 2, Flexible: 2},
	{Key: KeyDescribeLogDirs, Name: "DescribeLogDirs", Min: 0, Max: 5, Flexible: 2},
	{Key: KeySASLAuthenticate, Name: "SaslAuthenticate", Min: 0, Max: 2, Flexible: 2, Lacks: "SASL"},
	{Key: KeyCreatePartitions, Name: "CreatePartitions", Min: 0, Max: 3, Flexible: 2},
	{Key: KeyCreateDelegationToken, Name: "CreateDelegationToken", Min: 0, Max: 3, Flexible: 2, Lacks: "delegation tokens"},
	{Key: KeyRenewDelegationToken, Name: "RenewDelegationToken", Min: 0, Max: 2, Flexible: 2, Lacks: "delegation tokens"},
	{Key: KeyExpireDelegationToken, Name: "ExpireDelegationToken", Min: 0, Max: 2, Flexible: 2, Lacks: "delegation tokens"},
	{Key: KeyDescribeDelegationToken, Name: "DescribeDelegationToken", Min: 0, Max: 3, Flexible: 2, Lacks: "delegation tokens"},
	{Key: KeyDeleteGroups, Name: "DeleteGroups", Min: 0, Max: 3, Flexible: 2},
	{Key: KeyElectLeaders, Name: "ElectLeaders", Min: 0, Max: 2, Flexible: 2},
	{Key: KeyIncrementalAlterConfigs, Name: "IncrementalAlterConfigs", Min: 0, Max: 1, Flexible: 1},
	{Key: KeyAlterPartitionReassignments, Name: "AlterPartitionReassignments", Min: 0, Max: 1, Flexible: 0},
	{Key: KeyListPartitionReassignments, Name: "ListPartitionReassignments", Min: 0, Max: 0, Flexible: 0},
	{Key: KeyOffsetDelete, Name: "OffsetDelete", Min: 0, Max: 0, Flexible: 1},
	{Key: KeyDescribeClientQuotas, Name: "DescribeClientQuotas", Min: 0, Max: 1, Flexible: 1},
	{Key: KeyAlterClientQuotas, Name: "AlterClientQuotas", Min: 0, Max: 1, Flexible: 1, Lacks: "quotas"},
	{Key: KeyDescribeUserSCRAMCredentials, Name: "DescribeUserScramCredentials", Min: 0, Max: 0, Flexible: 0},
	{Key: KeyAlterUserSCRAMCredentials, Name: "AlterUserScramCredentials", Min: 0, Max: 0, Flexible: 0, Lacks: "credentials"},
	{Key: KeyAlterPartition, Name: "AlterPartition", Min: 0, Max: 3, Flexible: 0, Sender: Brokers},
	{Key: KeyUpdateFeatures, Name: "UpdateFeatures", Min: 0, Max: 2, Flexible: 0},
	{Key: KeyDescribeCluster, Name: "DescribeCluster", Min: 0, Max: 2, Flexible: 0},
	{Key: KeyDescribeProducers, Name: "DescribeProducers", Min: 0, Max: 0, Flexible: 0},
	{Key: KeyDescribeTransactions, Name: "DescribeTransactions", Min: 0, Max: 0, Flexible: 0},
	{Key: KeyListTransactions, Name: "ListTransactions", Min: 0, Max: 2, Flexible: 0},
	{Key: KeyAllocateProducerIDs, Name: "AllocateProducerIds", Min: 0, Max: 0, Flexible: 0, Sender: Brokers},
	{Key: KeyConsumerGroupHeartbeat, Name: "ConsumerGroupHeartbeat", Min: 0, Max: 1, Flexible: 0, Lacks: "the consumer groups of KIP-848"},
	{Key: KeyConsumerGroupDescribe, Name: "ConsumerGroupDescribe", Min: 0, Max: 1, Flexible: 0, Lacks: "the consumer groups of KIP-848"},
	{Key: KeyListConfigResources, Name: "ListConfigResources", Min: 0, Max: 1, Flexible: 0},
	{Key: KeyDescribeTopicPartitions, Name: "DescribeTopicPartitions", Min: 0, Max: 0, Flexible: 0},
}

// APIs gives the table in the order of keys. It is a copy.
func APIs() []API { return append([]API(nil), apis...) }

// byKey finds a row by its key.
var byKey = func() (rows [128]*API) {
	for i := range apis {
		rows[apis[i].Key] = &apis[i]
	}
	return rows
}()

// Lookup finds the row of a key that came off the wire. The row is shared and
// must not be changed.
func Lookup(key int16) (*API, bool) {
	if key < 0 || int(key) >= len(byKey) || byKey[key] == nil {
		return nil, false
	}
	return byKey[key], true
}

// Serves reports whether requests of this version are answered.
func (a *API) Serves(version int16) bool { return version >= a.Min && version <= a.Max }

// IsFlexible reports whether this version has tagged fields, in its header too.
// It answers for versions above Max as well, since the header of a request that
// is refused is read all the same.
func (a *API) IsFlexible(version int16) bool { return version >= a.Flexible }

// TaggedResponseHeader reports whether answers of this version begin with
// response header version 1, that is, with tagged fields after the correlation
// id. ApiVersions never does: a client asks it before it knows what the broker
// speaks (KIP-511).
func (a *API) TaggedResponseHeader(version int16) bool {
	return a.Key != KeyAPIVersions && a.IsFlexible(version)
}
