package znode

import "klamm/protocol"

type partitionJSON struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

func partitionsJSON(partitions []protocol.TopicPartition) []partitionJSON {
	list := make([]partitionJSON, len(partitions))
	for i, tp := range partitions {
		list[i] = partitionJSON(tp)
	}
	return list
}

type partitionList struct {
	Version    int             `json:"version"`
	Partitions []partitionJSON `json:"partitions"`
}

// EncodePartitionList writes the body of an ISR change notification and of
// /admin/preferred_replica_election (both version 1): a list of partitions.
func EncodePartitionList(partitions []protocol.TopicPartition) []byte {
	return encode(partitionList{1, partitionsJSON(partitions)})
}

// DecodePartitionList reads the body of an ISR change notification or of /admin/preferred_replica_election. The
// error is a *DecodeError.
func DecodePartitionList(path string, data []byte) ([]protocol.TopicPartition, error) {
	var body partitionList
	if err := decode(path, data, &body); err != nil {
		return nil, err
	}
	partitions := make([]protocol.TopicPartition, len(body.Partitions))
	for i, p := range body.Partitions {
		partitions[i] = protocol.TopicPartition(p)
	}
	return partitions, nil
}

// EncodeLogDirEvent writes the body of /log_dir_event_notification/log_dir_event_N (version 1), which says that a
// log directory of a broker failed.
func EncodeLogDirEvent(brokerID int32) []byte {
	return encode(struct {
		Version int   `json:"version"`
		Broker  int32 `json:"broker"`
		Event   int   `json:"event"`
	}{1, brokerID, 1})
}

// DecodeLogDirEvent reads the id of the broker whose log directory failed. The error is a *DecodeError.
func DecodeLogDirEvent(path string, data []byte) (brokerID int32, err error) {
	var body struct {
		Broker int32 `json:"broker"`
	}
	err = decode(path, data, &body)
	return body.Broker, err
}

// Reassignment is one partition's new replicas in /admin/reassign_partitions (version 1).
type Reassignment struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Replicas  []int32 `json:"replicas"`
}

// EncodeReassignments writes the body of /admin/reassign_partitions.
func EncodeReassignments(list []Reassignment) []byte {
	return encode(struct {
		Version    int            `json:"version"`
		Partitions []Reassignment `json:"partitions"`
	}{1, list})
}

// DecodeReassignments reads the body of /admin/reassign_partitions. The error is a *DecodeError.
func DecodeReassignments(data []byte) ([]Reassignment, error) {
	var body struct {
		Partitions []Reassignment `json:"partitions"`
	}
	err := decode(ReassignPartitions, data, &body)
	return body.Partitions, err
}
