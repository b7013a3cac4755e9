package scripts

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// verifyPlan is kafka-reassign-partitions --verify.
func (r *reassignCall) verifyPlan(ctx context.Context, plan []target) error {
	underWay, err := r.verifyReplicas(ctx, plan)
	if err != nil {
		return err
	}
	moving, err := r.verifyDirs(ctx, dirsOf(plan))
	if err != nil {
		return err
	}
	if underWay || moving || r.Has(r.preserve) {
		return nil
	}
	return r.clearThrottles(ctx, plan)
}

// verifyReplicas tells where the partitions of a plan are, and gives whether any reassignment is under way.
func (r *reassignCall) verifyReplicas(ctx context.Context, plan []target) (bool, error) {
	underWay, err := r.admin.reassignments(ctx, nil)
	if err != nil {
		return false, javalib.Execution(err)
	}
	names := newStringSet()
	wanted := map[javalib.TopicPartition][]int32{}
	for _, t := range plan {
		wanted[t.at] = t.replicas
		if _, ok := underWay[t.at]; !ok {
			names.Put(t.at.Topic, struct{}{})
		}
	}
	topics, err := r.admin.topics(ctx, names.Keys(), 2000)
	if err != nil {
		return false, javalib.Execution(err)
	}
	lines := []string{"Status of partition reassignment:"}
	for _, p := range sortedPartitions(wanted) {
		if _, ok := underWay[p]; ok {
			lines = append(lines, "Reassignment of partition "+p.String()+" is still in progress.")
			continue
		}
		now, err := replicasIn(topics.Get(p.Topic), p)
		switch {
		case err != nil:
			return false, err
		case slices.Equal(now, wanted[p]):
			lines = append(lines, "Reassignment of partition "+p.String()+" is completed.")
		default:
			lines = append(lines, "There is no active reassignment of partition "+p.String()+", but replica set is "+javalib.Join(now, ",")+" rather than "+javalib.Join(wanted[p], ",")+".")
		}
	}
	r.println(strings.Join(lines, "\n"))
	return len(underWay) > 0, nil
}

func newStringSet() *javalib.HashMap[string, struct{}] {
	return javalib.NewHashMap[string, struct{}](javalib.StringHash)
}

// replicasIn gives the replicas of a partition, none where its topic is not there.
func replicasIn(t *topic, p javalib.TopicPartition) ([]int32, error) {
	const unknown = 3
	switch {
	case t.err != nil && t.err.Code == unknown:
		return nil, nil
	case t.err != nil:
		return nil, javalib.Execution(t.err)
	case len(t.partitions) < int(p.Partition):
		return nil, nil
	case int(p.Partition) >= len(t.partitions):
		return nil, &javalib.Exception{Class: "java.lang.IndexOutOfBoundsException", Message: "Index " + javalib.Itoa(p.Partition) + " out of bounds for length " + javalib.Itoa(len(t.partitions))}
	}
	return t.partitions[p.Partition].replicas, nil
}

// replicaDirs is where a replica is, and where it is moving to; "" for nowhere.
type replicaDirs struct {
	now, next string
	known     bool // whether the broker tells of it
}

// dirs asks brokers where replicas are.
func (a *admin) dirs(ctx context.Context, replicas []placed) (map[placed]replicaDirs, error) {
	brokers := map[int32][]javalib.TopicPartition{}
	for _, p := range replicas {
		brokers[p.broker] = append(brokers[p.broker], p.at)
	}
	all := map[placed]replicaDirs{}
	for id, parts := range brokers {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		for topic, numbers := range byTopic(parts) {
			t := kmsg.NewDescribeLogDirsRequestTopic()
			t.Topic, t.Partitions = topic, numbers
			req.Topics = append(req.Topics, t)
		}
		resp, err := req.RequestWith(ctx, a.client.Broker(int(id)))
		if err != nil {
			return nil, javalib.OfError(err)
		}
		for _, p := range parts {
			all[placed{p, id}] = replicaDirs{known: true}
		}
		for _, d := range resp.Dirs {
			for _, t := range d.Topics {
				for _, p := range t.Partitions {
					at := placed{javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}, id}
					was, ok := all[at]
					if !ok || d.ErrorCode != 0 {
						continue
					}
					if p.IsFuture {
						was.next = d.Dir
					} else {
						was.now = d.Dir
					}
					all[at] = was
				}
			}
		}
	}
	return all, nil
}

// verifyDirs tells which replicas are in the directories of a plan, and gives whether any is moving.
func (r *reassignCall) verifyDirs(ctx context.Context, wanted map[placed]string) (bool, error) {
	replicas := slices.SortedFunc(maps.Keys(wanted), comparePlaced)
	are, err := r.admin.dirs(ctx, replicas)
	if err != nil {
		return false, javalib.Execution(err)
	}
	var lines []string
	moving := false
	for _, p := range replicas {
		name, broker, dir, is := p.at.String(), javalib.Itoa(p.broker), wanted[p], are[p]
		switch {
		case is.now == "":
			lines = append(lines, "Partition "+name+" is not found in any live log dir on broker "+broker+". There is likely an offline log directory on the broker.")
		case is.next == dir:
			lines, moving = append(lines, "Reassignment of replica "+p.String()+" is still in progress."), true
		case is.next != "":
			lines, moving = append(lines, "Partition "+name+" on broker "+broker+" is being moved to log dir "+is.next+" instead of "+dir+"."), true
		case is.now == dir:
			lines = append(lines, "Reassignment of replica "+p.String()+" completed successfully.")
		default:
			lines = append(lines, "Partition "+name+" on broker "+broker+" is not being moved from log dir "+is.now+" to "+dir+".")
		}
	}
	r.println(strings.Join(lines, "\n"))
	return moving, nil
}

// clearThrottles removes all throttles of the brokers, and of the topics of a plan.
func (r *reassignCall) clearThrottles(ctx context.Context, plan []target) error {
	nodes, err := r.admin.nodes(ctx)
	if err != nil {
		return javalib.Execution(err)
	}
	brokers, topics := javalib.CollectSet(javalib.IntHash, nodes.Keys()), newStringSet()
	for _, t := range plan {
		topics.Put(t.at.Topic, struct{}{})
		for _, id := range t.replicas {
			brokers.Put(id, struct{}{})
		}
	}
	r.printf("Clearing broker-level throttles on broker%s %s\n", plural(brokers.Len()), javalib.Join(brokers.Keys(), ","))
	if err := r.setOnBrokers(ctx, brokers.Keys(), property{leaderRate, unset}, property{followerRate, unset}, property{dirRate, unset}); err != nil {
		return err
	}
	r.printf("Clearing topic-level throttles on topic%s %s\n", plural(topics.Len()), strings.Join(topics.Keys(), ","))
	var resources []kmsg.IncrementalAlterConfigsRequestResource
	for name := range topics.All() {
		resources = append(resources, setting(kmsg.ConfigResourceTypeTopic, name, property{leaderReplicas, unset}, property{followerReplicas, unset}))
	}
	return r.admin.alterResources(ctx, resources...)
}

// cancelPlan is kafka-reassign-partitions --cancel.
func (r *reassignCall) cancelPlan(ctx context.Context, plan []target) error {
	var parts []javalib.TopicPartition
	for _, t := range plan {
		parts = append(parts, t.at)
	}
	underWay, err := r.admin.reassignments(ctx, append([]javalib.TopicPartition{}, parts...))
	if err != nil {
		return javalib.Execution(err)
	}
	cancel := map[javalib.TopicPartition][]int32{}
	for p, u := range underWay {
		if len(u.adding) == 0 || len(u.removing) > 0 { // as the script of 3.9 has it
			cancel[p] = nil
		}
	}
	if len(cancel) > 0 {
		failed, err := r.admin.alterReassignments(ctx, cancel)
		if err != nil {
			return javalib.Execution(err)
		}
		if len(failed) > 0 {
			return terse("Error cancelling partition reassignment%s for:\n%s", plural(len(failed)), failures(failed))
		}
		r.printf("Successfully cancelled partition reassignment%s for: %s\n", plural(len(cancel)), joined(sortedPartitions(cancel)))
	} else {
		r.println("None of the specified partition reassignments are active.")
	}
	wanted := dirsOf(plan)
	are, err := r.admin.dirs(ctx, slices.SortedFunc(maps.Keys(wanted), comparePlaced))
	if err != nil {
		return javalib.Execution(err)
	}
	back := map[placed]string{}
	for p, is := range are {
		if is.now != "" && is.next != "" {
			back[p] = is.now
		}
	}
	if len(back) == 0 {
		r.printf("None of the specified partition moves are active.")
	} else if err := r.moveDirs(ctx, back); err != nil {
		return err
	}
	if r.Has(r.preserve) {
		return nil
	}
	return r.clearThrottles(ctx, plan)
}
