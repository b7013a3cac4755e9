package znode

import (
	"strconv"

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
)

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
