package controller

import (
	"slices"

	"klamm/cluster/order"
)

// assign spreads partitions over brokers as Apache Kafka's AdminUtils does: the first replica goes round the list of
// brokers from a start drawn at random, the others follow with a shift that grows with each round. With racks the list
// alternates between them, and a partition's replicas go to different racks as far as there are.
//
// fixedStart and firstPartition are -1 for a new topic; for one that grows they continue where it was begun.
func (s *State) assign(partitions, factor, fixedStart, firstPartition int) ([][]int32, error) {
	if partitions <= 0 {
		return nil, order.Refuse(order.ErrInvalidPartitions, "Number of partitions must be larger than 0.")
	}
	if factor <= 0 {
		return nil, order.Refuse(order.ErrInvalidReplicationFactor, "Replication factor must be larger than 0.")
	}
	brokers := s.brokerIDs()
	if factor > len(brokers) {
		return nil, order.Refuse(order.ErrInvalidReplicationFactor, "Replication factor: %d larger than available brokers: %d.", factor, len(brokers))
	}
	racks := map[int32]string{}
	for _, id := range brokers {
		if rack := s.brokers[id].Rack; rack != nil {
			racks[id] = *rack
		}
	}
	if len(racks) > 0 && len(racks) < len(brokers) {
		return nil, order.Refuse(order.ErrAdminOperation, "Not all brokers have rack information for replica rack aware assignment.")
	}
	a := assigner{brokers: brokers, racks: racks, start: fixedStart, shift: fixedStart}
	if len(racks) > 0 {
		a.brokers, a.numRacks = alternate(brokers, racks)
	}
	if fixedStart < 0 {
		a.start, a.shift = s.rules.Intn(len(brokers)), s.rules.Intn(len(brokers))
	}
	assignment := make([][]int32, 0, partitions)
	for p := max(0, firstPartition); len(assignment) < partitions; p++ {
		if p > 0 && p%len(brokers) == 0 {
			a.shift++
		}
		assignment = append(assignment, a.replicas(p, factor))
	}
	return assignment, nil
}

type assigner struct {
	brokers      []int32
	racks        map[int32]string // empty: no racks
	numRacks     int
	start, shift int
}

func (a *assigner) replicas(partition, factor int) []int32 {
	n := len(a.brokers)
	first := (partition + a.start) % n
	replicas := make([]int32, 1, factor)
	replicas[0] = a.brokers[first]
	if a.numRacks == 0 {
		for j := range factor - 1 {
			replicas = append(replicas, a.brokers[replicaIndex(first, a.shift, j, n)])
		}
		return replicas
	}
	used := map[string]bool{a.racks[replicas[0]]: true}
	for k := 0; len(replicas) < factor; k++ {
		id := a.brokers[replicaIndex(first, a.shift*a.numRacks, k, n)]
		rack := a.racks[id]
		if (!used[rack] || len(used) == a.numRacks) && !slices.Contains(replicas, id) {
			replicas = append(replicas, id)
			used[rack] = true
		}
	}
	return replicas
}

func replicaIndex(first, shift, index, n int) int {
	return (first + 1 + (shift+index)%(n-1)) % n
}

// alternate orders brokers so that neighbours are of different racks, and counts the racks.
func alternate(brokers []int32, racks map[int32]string) ([]int32, int) {
	byRack := map[string][]int32{}
	var names []string
	for _, id := range brokers {
		rack := racks[id]
		if byRack[rack] == nil {
			names = append(names, rack)
		}
		byRack[rack] = append(byRack[rack], id)
	}
	slices.Sort(names)
	var list []int32
	for i := 0; len(list) < len(brokers); i++ {
		for _, rack := range names {
			if i < len(byRack[rack]) {
				list = append(list, byRack[rack][i])
			}
		}
	}
	return list, len(names)
}
