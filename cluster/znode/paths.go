package znode

import (
	"strconv"

	"klamm/protocol"
)

// The fixed paths of the tree.
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

// PersistentPaths are the nodes that a broker makes at its start where they are missing, parents
// first. Their data is null.
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

// BrokerPath is a broker's registration.
func BrokerPath(id int32) string { return BrokerIDs + "/" + strconv.Itoa(int(id)) }

// TopicPath is a topic's assignment.
func TopicPath(topic string) string { return BrokerTopics + "/" + topic }

// PartitionsPath is the parent of a topic's partitions.
func PartitionsPath(topic string) string { return BrokerTopics + "/" + topic + "/partitions" }

// PartitionPath is the parent of a partition's state.
func PartitionPath(tp protocol.TopicPartition) string {
	return PartitionsPath(tp.Topic) + "/" + strconv.Itoa(int(tp.Partition))
}

// PartitionStatePath is a partition's leader and ISR.
func PartitionStatePath(tp protocol.TopicPartition) string { return PartitionPath(tp) + "/state" }

// ConfigPath is the configuration of an entity: a type (EntityTopics, ...) and a name (a topic, a broker's id, DefaultEntity, ...).
func ConfigPath(entityType, name string) string { return Config + "/" + entityType + "/" + name }

// DeleteTopicPath marks a topic for deletion. Its data is null.
func DeleteTopicPath(topic string) string { return DeleteTopics + "/" + topic }
