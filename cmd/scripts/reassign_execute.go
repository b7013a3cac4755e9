package scripts

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// The properties of throttles.
const (
	leaderRate       = "leader.replication.throttled.rate"
	followerRate     = "follower.replication.throttled.rate"
	dirRate          = "replica.alter.log.dirs.io.max.bytes.per.second"
	leaderReplicas   = "leader.replication.throttled.replicas"
	followerReplicas = "follower.replication.throttled.replicas"
)

// checkPlan finds what a plan may not have, and gives the replicas that it asks for.
func checkPlan(plan []target) (map[javalib.TopicPartition][]int32, error) {
	if len(plan) == 0 {
		return nil, commandFailed("Partition reassignment list cannot be empty")
	}
	wanted := map[javalib.TopicPartition][]int32{}
	var parts []javalib.TopicPartition
	var wrong []string
	for _, t := range plan {
		if len(t.replicas) == 0 {
			return nil, commandFailed("Partition replica list cannot be empty")
		}
		parts = append(parts, t.at)
		wanted[t.at] = t.replicas
		if twice := duplicates(javalib.IntHash, t.replicas); len(twice) > 0 {
			wrong = append(wrong, t.at.String()+" contains multiple entries for "+javalib.Join(twice, ","))
		}
	}
	if twice := duplicates(javalib.TopicPartition.Hash, parts); len(twice) > 0 {
		var names []string
		for _, p := range twice {
			names = append(names, p.String())
		}
		return nil, commandFailed("Partition reassignment contains duplicate topic partitions: %s", strings.Join(names, ","))
	}
	if len(wrong) > 0 {
		return nil, commandFailed("Partition replica lists may not contain duplicate entries: %s", strings.Join(wrong, ". "))
	}
	return wanted, nil
}

// executePlan is kafka-reassign-partitions --execute.
func (r *reassignCall) executePlan(ctx context.Context, plan []target) error {
	wanted, err := checkPlan(plan)
	if err != nil {
		return err
	}
	underWay, err := r.admin.reassignments(ctx, nil)
	if err != nil {
		return javalib.Execution(err)
	}
	if !r.Has(r.additional) && len(underWay) > 0 {
		return terse("Cannot execute because there is an existing partition assignment.  Use --additional to override this and create a new partition assignment in addition to the existing one. The --additional flag can also be used to change the throttle by resubmitting the current reassignment.")
	}
	if err := r.knownBrokers(ctx, plan); err != nil {
		return err
	}
	now, err := r.replicasNow(ctx, wanted)
	if err != nil {
		return err
	}
	r.printf("Current partition replica assignment\n\n%s\n\nSave this to use as the --reassignment-json-file option during rollback\n", format(now))
	if err := r.setThrottles(ctx, plan, underWay, wanted, now); err != nil {
		return err
	}
	failed, err := r.admin.alterReassignments(ctx, wanted)
	if err != nil {
		return javalib.Execution(err)
	}
	if len(failed) > 0 {
		return terse("Error reassigning partition(s):\n%s", failures(failed))
	}
	r.printf("Successfully started partition reassignment%s for %s\n", plural(len(wanted)), joined(sortedPartitions(wanted)))
	if dirs := dirsOf(plan); len(dirs) > 0 {
		return r.moveDirs(ctx, dirs)
	}
	return nil
}

// plural is the end of a word.
func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// joined names partitions.
func joined(parts []javalib.TopicPartition) string {
	var names []string
	for _, p := range parts {
		names = append(names, p.String())
	}
	return strings.Join(names, ",")
}

// failures tells what is wrong with partitions, one a line.
func failures(failed map[javalib.TopicPartition]error) string {
	var lines []string
	for _, p := range sortedPartitions(failed) {
		lines = append(lines, p.String()+": "+failed[p].Error())
	}
	return strings.Join(lines, "\n")
}

// knownBrokers ends the script where a broker of the plan is not alive.
func (r *reassignCall) knownBrokers(ctx context.Context, plan []target) error {
	nodes, err := r.admin.nodes(ctx)
	if err != nil {
		return javalib.Execution(err)
	}
	ids := javalib.NewHashMap[int32, struct{}](javalib.IntHash)
	for _, t := range plan {
		for _, id := range t.replicas {
			ids.Put(id, struct{}{})
		}
	}
	for id := range ids.All() {
		if !nodes.Has(id) {
			return commandFailed("Unknown broker id %d", id)
		}
	}
	return nil
}

// replicasNow gives the replicas that partitions have.
func (r *reassignCall) replicasNow(ctx context.Context, wanted map[javalib.TopicPartition][]int32) (map[javalib.TopicPartition][]int32, error) {
	var names []string
	for _, p := range sortedPartitions(wanted) {
		if !slices.Contains(names, p.Topic) {
			names = append(names, p.Topic)
		}
	}
	all, err := r.replicasOf(ctx, names)
	if err != nil {
		return nil, err
	}
	now := map[javalib.TopicPartition][]int32{}
	missing := newTPMap[struct{}]()
	for _, p := range sortedPartitions(wanted) {
		if replicas, ok := all[p]; ok {
			now[p] = replicas
		} else {
			missing.Put(p, struct{}{})
		}
	}
	if missing.Len() > 0 {
		return nil, javalib.Execution(javalib.Kafka("UnknownTopicOrPartitionException", "Unable to find partition: "+strings.ReplaceAll(joined(missing.Keys()), ",", ", ")))
	}
	return now, nil
}

// move is who has a partition and who gets it.
type move struct{ sources, destinations []int32 }

// moves gives all moves, those under way and those that are asked for.
func moves(underWay map[javalib.TopicPartition]reassignment, wanted, now map[javalib.TopicPartition][]int32) map[javalib.TopicPartition]move {
	all := map[javalib.TopicPartition]move{}
	for p, u := range underWay {
		all[p] = move{without(u.replicas, u.adding), u.adding}
	}
	for p, replicas := range wanted {
		sources := now[p]
		if m, ok := all[p]; ok {
			sources = m.sources
		}
		all[p] = move{sources, without(replicas, sources)}
	}
	return all
}

// without gives what is in a list and not in another.
func without(list, other []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(list), func(id int32) bool { return slices.Contains(other, id) })
}

// setThrottles sets the throttles that the command line asks for.
func (r *reassignCall) setThrottles(ctx context.Context, plan []target, underWay map[javalib.TopicPartition]reassignment, wanted, now map[javalib.TopicPartition][]int32) error {
	rate, err := r.Number(r.throttle)
	if err != nil {
		return err
	}
	dirs, err := r.Number(r.dirThrottle)
	if err != nil {
		return err
	}
	if rate < 0 && dirs < 0 {
		return nil
	}
	r.println("Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.")
	if rate >= 0 {
		if err := r.throttleBrokers(ctx, moves(underWay, wanted, now), rate); err != nil {
			return err
		}
		r.printf("The inter-broker throttle limit was set to %d B/s\n", rate)
	}
	if dirs >= 0 {
		brokers := map[int32]bool{}
		for p := range dirsOf(plan) {
			brokers[p.broker] = true
		}
		if err := r.setOnBrokers(ctx, slices.Sorted(maps.Keys(brokers)), property{dirRate, javalib.Itoa(dirs)}); err != nil {
			return err
		}
		r.printf("The replica-alter-dir throttle limit was set to %d B/s\n", dirs)
	}
	return nil
}

// throttleBrokers throttles the replicas that move, and the brokers that they move between.
func (r *reassignCall) throttleBrokers(ctx context.Context, all map[javalib.TopicPartition]move, rate int64) error {
	leaders, followers, brokers := map[string][]string{}, map[string][]string{}, map[int32]bool{}
	for p, m := range all {
		leaders[p.Topic], followers[p.Topic] = append(leaders[p.Topic], []string{}...), append(followers[p.Topic], []string{}...)
		for _, id := range m.sources {
			leaders[p.Topic] = append(leaders[p.Topic], javalib.Itoa(p.Partition)+":"+javalib.Itoa(id))
			brokers[id] = true
		}
		for _, id := range m.destinations {
			brokers[id] = true
			if !slices.Contains(m.sources, id) {
				followers[p.Topic] = append(followers[p.Topic], javalib.Itoa(p.Partition)+":"+javalib.Itoa(id))
			}
		}
	}
	var resources []kmsg.IncrementalAlterConfigsRequestResource
	for topic := range leaders {
		list := func(replicas []string) string {
			slices.Sort(replicas)
			return strings.Join(slices.Compact(replicas), ",")
		}
		resources = append(resources, setting(kmsg.ConfigResourceTypeTopic, topic,
			property{leaderReplicas, list(leaders[topic])}, property{followerReplicas, list(followers[topic])}))
	}
	if err := r.admin.alterResources(ctx, resources...); err != nil {
		return err
	}
	value := javalib.Itoa(rate)
	return r.setOnBrokers(ctx, slices.Sorted(maps.Keys(brokers)), property{leaderRate, value}, property{followerRate, value})
}

func (r *reassignCall) setOnBrokers(ctx context.Context, brokers []int32, set ...property) error {
	var resources []kmsg.IncrementalAlterConfigsRequestResource
	for _, id := range brokers {
		resources = append(resources, setting(kmsg.ConfigResourceTypeBroker, javalib.Itoa(id), set...))
	}
	return r.admin.alterResources(ctx, resources...)
}

// setting sets properties of a resource; one with the value unset is removed.
func setting(kind kmsg.ConfigResourceType, name string, set ...property) kmsg.IncrementalAlterConfigsRequestResource {
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	for _, p := range set {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = p.name, kmsg.IncrementalAlterConfigOpSet, &p.value
		if p.value == unset {
			c.Op, c.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		resource.Configs = append(resource.Configs, c)
	}
	return resource
}

// unset is the value of a property that is to be removed. No property has it.
const unset = "\x00"

// moveDirs moves replicas to log directories, and waits until all moves have begun: a replica that is only on its way to its broker
// cannot move there yet.
func (r *reassignCall) moveDirs(ctx context.Context, dirs map[placed]string) error {
	wait, err := r.Number(r.timeout)
	if err != nil {
		return err
	}
	late := time.Now().Add(time.Duration(wait) * time.Millisecond)
	pending := maps.Clone(dirs)
	for {
		began, err := r.admin.alterDirs(ctx, pending)
		if err != nil {
			return err
		}
		slices.SortFunc(began, comparePlaced)
		for _, p := range began {
			r.printf("Successfully started moving log directory to %s for replica %s with broker %d \n", pending[p], p.at, p.broker)
			delete(pending, p)
		}
		if len(pending) == 0 {
			return nil
		}
		if !time.Now().Before(late) {
			var names []string
			for _, p := range slices.SortedFunc(maps.Keys(pending), comparePlaced) {
				names = append(names, p.String())
			}
			return terse("Timed out before log directory move%s could be started for: %s", plural(len(pending)), strings.Join(names, ","))
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// comparePlaced orders replicas by broker and partition.
func comparePlaced(p, q placed) int {
	return cmp.Or(cmp.Compare(p.broker, q.broker), p.at.Compare(q.at))
}

// alterDirs asks brokers to move replicas. It gives those whose move began; the others are not on their broker yet.
func (a *admin) alterDirs(ctx context.Context, dirs map[placed]string) (began []placed, err error) {
	brokers := map[int32]map[string][]javalib.TopicPartition{}
	for p, dir := range dirs {
		if brokers[p.broker] == nil {
			brokers[p.broker] = map[string][]javalib.TopicPartition{}
		}
		brokers[p.broker][dir] = append(brokers[p.broker][dir], p.at)
	}
	for id, byDir := range brokers {
		req := kmsg.NewPtrAlterReplicaLogDirsRequest()
		for dir, parts := range byDir {
			d := kmsg.NewAlterReplicaLogDirsRequestDir()
			d.Dir = dir
			for topic, numbers := range byTopic(parts) {
				t := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
				t.Topic, t.Partitions = topic, numbers
				d.Topics = append(d.Topics, t)
			}
			req.Dirs = append(req.Dirs, d)
		}
		resp, err := req.RequestWith(ctx, a.client.Broker(int(id)))
		if err != nil {
			return nil, javalib.OfError(err)
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				at := placed{javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}, id}
				const notAvailable = 9
				if e := javalib.FromCode(p.ErrorCode, nil); e == nil {
					began = append(began, at)
				} else if p.ErrorCode != notAvailable {
					return nil, commandFailed("Failed to alter dir for %s", at)
				}
			}
		}
	}
	return began, nil
}
