package scripts

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// describeTopics is kafka-topics --describe.
func (o *topicsOptions) describeTopics(ctx context.Context, c *call, a *admin) error {
	names, err := o.toDescribe(ctx, a)
	if err != nil {
		return err
	}
	limit := int64(2000)
	if o.Has(o.perResponse) {
		if limit, err = o.Number(o.perResponse); err != nil {
			return err
		}
	}
	described := javalib.NewHashMap[string, *topic](javalib.StringHash)
	if len(names) > 0 {
		if described, err = a.describedTopics(ctx, names, int32(limit)); err != nil {
			return err
		}
	}
	configs, err := a.resourceConfigs(ctx, kmsg.ConfigResourceTypeTopic, described.Keys(), false)
	if err != nil {
		return err
	}
	var parts []javalib.TopicPartition
	for name, t := range described.All() {
		slices.SortFunc(t.partitions, func(p, q partition) int { return cmp.Compare(p.number, q.number) })
		for _, p := range t.partitions {
			parts = append(parts, javalib.TopicPartition{Topic: name, Partition: p.number})
		}
	}
	moving := map[javalib.TopicPartition]reassignment{}
	if len(parts) > 0 {
		told, err := a.reassignments(ctx, parts)
		if e := javalib.OfError(err); err != nil && e.Code != 31 && e.Code != 35 { // not allowed, or not served
			return &javalib.Exception{Class: "java.lang.RuntimeException", Message: javalib.Execution(err).String()}
		} else if err == nil {
			moving = told
		}
	}
	for name, t := range described.All() {
		if err := configs[name].failed(); err != nil {
			return err
		}
		o.printTopic(c, t, configs[name].entries, moving)
		if err := o.printPartitions(c, t, configs[name].entries, moving); err != nil {
			return err
		}
	}
	return nil
}

// toDescribe gives the names of the topics to describe.
func (o *topicsOptions) toDescribe(ctx context.Context, a *admin) ([]string, error) {
	id, err := o.Value(o.topicID)
	if err != nil {
		return nil, err
	}
	if id != "" && id != javalib.UUID([16]byte{}) {
		return o.topicWithID(ctx, a, id)
	}
	names, err := o.names(ctx, a)
	if err != nil {
		return nil, err
	}
	return names, o.mustExist(len(names))
}

// allPartitions says whether --describe shows all partitions, and their topics.
func (o *topicsOptions) allPartitions() bool {
	return !o.Has(o.unavailable) && !o.Has(o.underReplicated) && !o.Has(o.underMinISR) && !o.Has(o.atMinISR)
}

// replicationFactor is how many replicas a partition has when its reassignment is over.
func replicationFactor(p partition, r reassignment) int {
	underWay := slices.ContainsFunc(p.replicas, func(id int32) bool { return slices.Contains(r.adding, id) || slices.Contains(r.removing, id) })
	if underWay {
		return len(r.replicas) - len(r.adding)
	}
	return len(p.replicas)
}

func (o *topicsOptions) printTopic(c *call, t *topic, config *javalib.HashMap[string, configEntry], moving map[javalib.TopicPartition]reassignment) {
	if !o.allPartitions() || len(t.partitions) == 0 {
		return
	}
	var own []string
	for name, e := range config.All() {
		if e.source != kmsg.ConfigSourceDefaultConfig {
			own = append(own, name+"="+orNull(e.value))
		}
	}
	if o.Has(o.overrides) && len(own) == 0 {
		return
	}
	c.printf("Topic: %s", t.name)
	if t.id != [16]byte{} {
		c.printf("\tTopicId: %s", javalib.UUID(t.id))
	}
	first := t.partitions[0]
	factor := replicationFactor(first, moving[javalib.TopicPartition{Topic: t.name, Partition: first.number}])
	c.printf("\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n", len(t.partitions), factor, strings.Join(own, ","))
}

func (o *topicsOptions) printPartitions(c *call, t *topic, config *javalib.HashMap[string, configEntry], moving map[javalib.TopicPartition]reassignment) error {
	if o.Has(o.overrides) {
		return nil
	}
	least := 0
	if o.Has(o.underMinISR) || o.Has(o.atMinISR) {
		var err error
		if least, err = strconv.Atoi(orNull(config.Get("min.insync.replicas").value)); err != nil {
			return numberFormat(orNull(config.Get("min.insync.replicas").value))
		}
	}
	for _, p := range t.partitions {
		r, moves := moving[javalib.TopicPartition{Topic: t.name, Partition: p.number}]
		shown := o.allPartitions() ||
			o.Has(o.underReplicated) && replicationFactor(p, r) > len(p.isr) ||
			o.Has(o.unavailable) && p.leader < 0 ||
			o.Has(o.underMinISR) && (p.leader < 0 || len(p.isr) < least) ||
			o.Has(o.atMinISR) && len(p.isr) == least
		if !shown {
			continue
		}
		leader := "none"
		if p.leader >= 0 {
			leader = javalib.Itoa(p.leader)
		}
		c.printf("\tTopic: %s\tPartition: %d\tLeader: %s\tReplicas: %s\tIsr: %s", t.name, p.number, leader, javalib.Join(p.replicas, ","), javalib.Join(p.isr, ","))
		if moves {
			c.printf("\tAdding Replicas: %s\tRemoving Replicas: %s", javalib.Join(r.adding, ","), javalib.Join(r.removing, ","))
		}
		elr, last := "N/A", "N/A"
		if p.hasELR {
			elr, last = javalib.Join(p.elr, ","), javalib.Join(p.lastELR, ",")
		}
		c.printf("\tElr: %s\tLastKnownElr: %s\n", elr, last)
	}
	return nil
}
