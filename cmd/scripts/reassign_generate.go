package scripts

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"klamm/cmd/scripts/javalib"
)

// generatePlan is kafka-reassign-partitions --generate.
func (r *reassignCall) generatePlan(ctx context.Context) error {
	text, err := r.text(r.topics)
	if err != nil {
		return err
	}
	list, err := r.Value(r.brokers)
	if err != nil {
		return err
	}
	var brokers []int32
	for _, word := range javalib.Split(list, ",") {
		id, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return numberFormat(word)
		}
		brokers = append(brokers, int32(id))
	}
	if twice := duplicates(javalib.IntHash, brokers); len(twice) > 0 {
		return commandFailed("Broker list contains duplicate entries: [%s]", javalib.Join(twice, ", "))
	}
	names, err := topicsToMove(text)
	if err != nil {
		return err
	}
	if twice := duplicates(javalib.StringHash, names); len(twice) > 0 {
		return commandFailed("List of topics to reassign contains duplicate entries: %s", javalib.List(twice))
	}
	now, err := r.replicasOf(ctx, names)
	if err != nil {
		return err
	}
	racks, err := r.racks(ctx, brokers)
	if err != nil {
		return err
	}
	proposed, err := propose(now, racks, rand.IntN)
	if err != nil {
		return err
	}
	r.printf("Current partition replica assignment\n%s\n\nProposed partition reassignment configuration\n%s\n", format(now), format(proposed))
	return nil
}

// topicsToMove reads --topics-to-move-json-file.
func topicsToMove(text string) ([]string, error) {
	var file struct {
		Version *int `json:"version"`
		Topics  []struct {
			Topic *string `json:"topic"`
		} `json:"topics"`
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, operationFailed("The input string is not a valid JSON")
	}
	if file.Version != nil && *file.Version != 1 {
		return nil, operationFailed("Not supported version field value %d", *file.Version)
	}
	var names []string
	for _, t := range file.Topics {
		if t.Topic == nil {
			return nil, operationFailed("No such field exists: `topic`")
		}
		names = append(names, *t.Topic)
	}
	return names, nil
}

// replicasOf gives the replicas of all partitions of topics, which have to be there.
func (r *reassignCall) replicasOf(ctx context.Context, names []string) (map[javalib.TopicPartition][]int32, error) {
	all, err := r.admin.topics(ctx, javalib.SetOf(javalib.StringHash, names).Keys(), 2000)
	if err != nil {
		return nil, javalib.Execution(err)
	}
	replicas := map[javalib.TopicPartition][]int32{}
	for name, t := range all.All() {
		if t.err != nil && t.err.Code == 3 {
			t.err = javalib.Kafka("UnknownTopicOrPartitionException", "Topic "+name+" not found.")
		}
		if t.err != nil {
			return nil, javalib.Execution(t.err)
		}
		for _, p := range t.partitions {
			replicas[javalib.TopicPartition{Topic: name, Partition: p.number}] = p.replicas
		}
	}
	return replicas, nil
}

// racked is a broker and its rack, which is nil for none.
type racked struct {
	id   int32
	rack *string
}

// racks gives those of the brokers that are alive, with their racks.
func (r *reassignCall) racks(ctx context.Context, brokers []int32) ([]racked, error) {
	nodes, err := r.admin.nodes(ctx)
	if err != nil {
		return nil, javalib.Execution(err)
	}
	var all []racked
	without := 0
	for id, n := range nodes.All() {
		if !slices.Contains(brokers, id) {
			continue
		}
		if r.Has(r.noRacks) {
			n.rack = nil
		}
		if n.rack == nil {
			without++
		}
		all = append(all, racked{id, n.rack})
	}
	if !r.Has(r.noRacks) && without != 0 && without != len(all) {
		return nil, operationFailed("Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment without rack information.")
	}
	return all, nil
}

// propose spreads the partitions of each topic over brokers, with as many replicas as its first one has. random gives where it begins.
func propose(now map[javalib.TopicPartition][]int32, brokers []racked, random func(int) int) (map[javalib.TopicPartition][]int32, error) {
	proposed := map[javalib.TopicPartition][]int32{}
	count, factor := map[string]int{}, map[string]int{}
	for _, p := range sortedPartitions(now) {
		if count[p.Topic]++; p.Partition == 0 {
			factor[p.Topic] = len(now[p])
		}
	}
	for _, p := range sortedPartitions(now) {
		if p.Partition != 0 {
			continue
		}
		replicas := factor[p.Topic]
		if replicas > len(brokers) {
			return nil, javalib.Kafka("InvalidReplicationFactorException", "Replication factor: "+javalib.Itoa(replicas)+" larger than available brokers: "+javalib.Itoa(len(brokers))+".")
		}
		for i, ids := range spread(brokers, count[p.Topic], replicas, random(len(brokers)), random(len(brokers))) {
			proposed[javalib.TopicPartition{Topic: p.Topic, Partition: int32(i)}] = ids
		}
	}
	return proposed, nil
}

// spread is how Kafka spreads the replicas of new partitions: the first replicas by turns, the others shifted by one more on each round,
// and in other racks as long as there are any.
func spread(brokers []racked, partitions, replicas, start, shift int) [][]int32 {
	racks := map[string]bool{}
	for _, b := range brokers {
		if b.rack != nil {
			racks[*b.rack] = true
		}
	}
	step := 1
	if len(racks) > 0 {
		brokers, step = alternate(brokers), len(racks)
	}
	var all [][]int32
	for p := range partitions {
		if p > 0 && p%len(brokers) == 0 {
			shift++
		}
		first := (p + start) % len(brokers)
		ids, seen := []int32{brokers[first].id}, map[string]bool{}
		if len(racks) > 0 {
			seen[*brokers[first].rack] = true
		}
		for k := 0; len(ids) < replicas; k++ {
			b := brokers[(first+1+(shift*step+k)%(len(brokers)-1))%len(brokers)]
			if len(racks) > 0 {
				if seen[*b.rack] && len(seen) < len(racks) || slices.Contains(ids, b.id) && len(ids) < len(brokers) {
					continue
				}
				seen[*b.rack] = true
			}
			ids = append(ids, b.id)
		}
		all = append(all, ids)
	}
	return all
}

// alternate sorts brokers so that each is in another rack than the one before, as long as there are any.
func alternate(brokers []racked) (all []racked) {
	byRack := map[string][]racked{}
	var racks []string
	for _, b := range brokers {
		if byRack[*b.rack] == nil {
			racks = append(racks, *b.rack)
		}
		byRack[*b.rack] = append(byRack[*b.rack], b)
	}
	slices.SortFunc(racks, strings.Compare)
	for _, rack := range racks {
		slices.SortFunc(byRack[rack], func(a, b racked) int { return cmp.Compare(a.id, b.id) })
	}
	for i := 0; len(all) < len(brokers); i++ {
		rack := racks[i%len(racks)]
		if len(byRack[rack]) > 0 {
			all, byRack[rack] = append(all, byRack[rack][0]), byRack[rack][1:]
		}
	}
	return all
}
