package znode

import (
	"strconv"
	"strings"

	"klamm/protocol"
)

// These are the fixed paths of the tree, the prefixes of its sequential nodes, and the types of entities that have
// a configuration (ConfigType in Apache Kafka).
const (
	Consumers              = "/consumers"
	Brokers                = "/brokers"
	BrokerIDs              = "/brokers/ids"
	BrokerTopics           = "/brokers/topics"
	BrokerSeqID            = "/brokers/seqid"
	Controller             = "/controller"
	ControllerEpoch        = "/controller_epoch"
	Cluster                = "/cluster"
	ClusterID              = "/cluster/id"
	Config                 = "/config"
	ConfigTopics           = "/config/topics"
	ConfigBrokers          = "/config/brokers"
	ConfigClients          = "/config/clients"
	ConfigUsers            = "/config/users"
	ConfigIPs              = "/config/ips"
	ConfigChanges          = "/config/changes"
	Admin                  = "/admin"
	DeleteTopics           = "/admin/delete_topics"
	ReassignPartitions     = "/admin/reassign_partitions"
	PreferredElection      = "/admin/preferred_replica_election"
	ISRChangeNotification  = "/isr_change_notification"
	LogDirNotification     = "/log_dir_event_notification"
	LatestProducerIDBlock  = "/latest_producer_id_block"
	Feature                = "/feature"
	DelegationTokens       = "/delegation_token/tokens"
	Migration              = "/migration"
	ConfigChangePrefix     = ConfigChanges + "/config_change_"
	ISRChangePrefix        = ISRChangeNotification + "/isr_change_"
	LogDirEventPrefix      = LogDirNotification + "/log_dir_event_"
	DefaultEntity          = "<default>"
	EntityTopics           = "topics"
	EntityBrokers          = "brokers"
	EntityClients          = "clients"
	EntityUsers            = "users"
	EntityIPs              = "ips"
	initialControllerEpoch = 0

	// Claim is the node that klamm makes first when it copies a tree to ZooKeeper, and deletes last. Apache Kafka has none of this name.
	Claim = "/klamm_claim"
)

// Roots lists the nodes at the top of a Kafka cluster's tree.
func Roots() []string {
	return []string{
		Consumers, Brokers, Cluster, Config, Admin, Controller, ControllerEpoch, ISRChangeNotification, LogDirNotification, LatestProducerIDBlock, Feature,
		Migration, "/kafka-acl", "/kafka-acl-extended", aclChanges, extendedACLChanges, "/delegation_token",
	}
}

const (
	aclChanges         = "/kafka-acl-changes"
	extendedACLChanges = "/kafka-acl-extended-changes"
	tokenChanges       = "/delegation_token/token_changes"
)

// HasNotifications says whether the children of a node tell brokers that run of a change.
func HasNotifications(path string) bool {
	switch path {
	case ConfigChanges, ISRChangeNotification, LogDirNotification, aclChanges, extendedACLChanges, tokenChanges:
		return true
	}
	return false
}

// PersistentPaths lists the nodes that a starting broker creates if they are missing, parents first
// (ZkData.PersistentZkPaths). Their data is null.
func PersistentPaths() []string {
	return []string{
		Consumers,
		Brokers, BrokerIDs, BrokerTopics,
		Config, ConfigChanges,
		Admin, DeleteTopics,
		BrokerSeqID, ISRChangeNotification, LatestProducerIDBlock, LogDirNotification,
		ConfigTopics, ConfigClients, ConfigUsers, ConfigBrokers, ConfigIPs,
	}
}

// BrokerPath is the path of a broker's registration.
func BrokerPath(id int32) string { return BrokerIDs + "/" + strconv.Itoa(int(id)) }

// TopicPath is the path of a topic's assignment.
func TopicPath(topic string) string { return BrokerTopics + "/" + topic }

// PartitionsPath is the path of the parent of a topic's partitions.
func PartitionsPath(topic string) string { return BrokerTopics + "/" + topic + "/partitions" }

// PartitionPath is the path of the parent of a partition's state.
func PartitionPath(tp protocol.TopicPartition) string {
	return PartitionsPath(tp.Topic) + "/" + strconv.Itoa(int(tp.Partition))
}

// PartitionStatePath is the path of a partition's leader and ISR.
func PartitionStatePath(tp protocol.TopicPartition) string { return PartitionPath(tp) + "/state" }

// ConfigPath is the path of an entity's configuration. entityType is one of EntityTopics, EntityBrokers and so
// on; name is a topic, a broker's id, DefaultEntity and so on.
func ConfigPath(entityType, name string) string { return Config + "/" + entityType + "/" + name }

// DeleteTopicPath is the path of the node that marks a topic for deletion. Its data is null.
func DeleteTopicPath(topic string) string { return DeleteTopics + "/" + topic }

// IsSensitive says whether a node holds passwords or other secrets, which only brokers may read
// (ZkData.sensitivePath).
func IsSensitive(path string) bool {
	for _, root := range []string{ConfigUsers, ConfigBrokers, DelegationTokens} {
		if strings.HasPrefix(path, root) {
			return true
		}
	}
	return false
}

// IsOpen says whether everybody may change a node whatever zookeeper.set.acl says: consumers before 0.9 keep their
// own nodes below this one (ZkData.defaultAcls).
func IsOpen(path string) bool { return path == Consumers }
