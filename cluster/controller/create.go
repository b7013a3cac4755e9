package controller

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// createTopics grants or refuses each topic; the checks come in the order of ZkAdminManager and AdminZkClient of 3.9.
func (s *State) createTopics(d *Decision, e *CreateTopics) {
	e.Results = make([]TopicResult, len(e.Topics))
	var granted []*topicCreation
	count := 0
	for i := range e.Topics {
		n, res := &e.Topics[i], &e.Results[i]
		res.Name = n.Name
		replicas, configs, err := s.checkNewTopic(n, count)
		if err != nil {
			res.Err = err
			continue
		}
		count += len(replicas)
		res.Partitions, res.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0].Replicas))
		if e.ValidateOnly {
			continue
		}
		if slices.ContainsFunc(granted, func(c *topicCreation) bool { return c.t.name == n.Name }) {
			res.Err = order.Refuse(order.ErrTopicExists, "Topic '%s' already exists.", n.Name)
			continue
		}
		if res.Err = s.rules.room(); res.Err != nil {
			continue
		}
		res.ID = s.rules.NewID()
		granted = append(granted, &topicCreation{
			t: &topic{name: n.Name, id: res.ID, creation: &creation{result: res}}, replicas: replicas, configs: configs,
		})
	}
	for _, c := range granted {
		c.prepare(s, d)
		d.change(c)
	}
}

// room says why there is no room for new partitions.
func (r *Rules) room() error {
	if r.Room == nil {
		return nil
	}
	return r.Room()
}

// creation is somebody who waits for partitions that were just created, those from a number on. Until the brokers have answered
// for them, and the client its answer, partitions that cannot be made are taken back.
type creation struct {
	result     *TopicResult
	from       int
	takingBack bool
}

// topicCreation makes a topic's nodes: first its configuration, as other brokers look for it, then the topic, and as many states of partitions
// as there is room for in one transaction. The plan makes the others.
type topicCreation struct {
	t         *topic
	replicas  []znode.Replicas
	configs   map[string]string
	hasConfig bool // a configuration is left over from a creation or deletion that was interrupted
	body      []byte
	list      []meta.Op
	first     []*stateChange
	again     bool // it is the second attempt
}

// prepare makes the topic and decides who leads at first.
func (c *topicCreation) prepare(s *State, d *Decision) {
	t := c.t
	t.partitions = nil
	body := znode.Topic{ID: t.id, Partitions: c.replicas}
	c.body = body.Encode()
	config := znode.ConfigPath(znode.EntityTopics, t.name)
	c.list = []meta.Op{meta.CreateOp(config, znode.EncodeConfig(c.configs), meta.Persistent)}
	if c.hasConfig {
		c.list[0] = meta.SetOp(config, znode.EncodeConfig(c.configs), meta.AnyVersion)
	}
	c.list = append(c.list, meta.CreateOp(znode.TopicPath(t.name), c.body, meta.Persistent),
		meta.CreateOp(znode.PartitionsPath(t.name), nil, meta.Persistent))
	for _, replicas := range c.replicas {
		s.addPartition(d, t, replicas)
	}
	c.list, c.first = s.firstStates(t.partitions, c.list)
}

// firstStates adds the states of new partitions to a transaction, as far as there is room.
func (s *State) firstStates(partitions []*partition, ops []meta.Op) ([]meta.Op, []*stateChange) {
	size := meta.TransactionBytes(ops)
	var first []*stateChange
	for _, p := range partitions {
		isr := kept(p.Replicas.Replicas, s.online(p))
		if len(isr) == 0 {
			continue
		}
		change := s.firstState(p, isr)
		more := change.ops()
		size += meta.TransactionBytes(more)
		if size > maxTxBytes {
			break
		}
		ops, first = append(ops, more...), append(first, change)
	}
	return ops, first
}

func (c *topicCreation) ops() []meta.Op { return c.list }
func (c *topicCreation) look() string   { return znode.TopicPath(c.t.name) }
func (c *topicCreation) packs() bool    { return false }

func (c *topicCreation) made(n meta.Node) bool {
	return n.Err == nil && n.Stat.Version == 0 && string(n.Data) == string(c.body)
}

func (c *topicCreation) done(s *State, d *Decision) {
	c.t.hasNode = true
	s.putTopic(c.t)
	s.watchTopics(d, []*topic{c.t})
	for _, first := range c.first {
		first.done(s, d)
	}
	for _, p := range c.t.partitions {
		s.queue(p)
	}
}

func (c *topicCreation) lost(s *State, d *Decision, now meta.Node, err error) {
	res := c.t.creation.result
	res.Err = err
	if errors.Is(err, meta.ErrNodeExists) && now.Err == nil {
		res.Err = order.Refuse(order.ErrTopicExists, "Topic '%s' already exists.", c.t.name)
	}
	switch {
	case isMissing(now) && passes(err) && !c.again:
		// The configuration is there already, or the connection was cut.
		c.again, res.Err = true, nil
		c.hasConfig = errors.Is(err, meta.ErrNodeExists)
		c.prepare(s, d)
		d.change(c)
	case !isMissing(now):
		s.lookAtTopics(d)
	}
}

func (s *State) checkNewTopic(n *NewTopic, granted int) ([]znode.Replicas, map[string]string, error) {
	there := s.topics[n.Name]
	if there != nil && there.deletion == nil || s.setAside[n.Name] {
		return nil, nil, order.Refuse(order.ErrTopicExists, "Topic '%s' already exists.", n.Name)
	}
	configs, err := configMap(n.Configs)
	if err != nil {
		return nil, nil, err
	}
	replicas, err := s.resolveAssignment(n, granted)
	if err != nil {
		return nil, nil, err
	}
	if err := ValidateTopicName(n.Name); err != nil {
		return nil, nil, err
	}
	if there != nil {
		return nil, nil, order.Refuse(order.ErrTopicExists, "Topic '%s' is marked for deletion.", n.Name)
	}
	if hasCollisionChars(n.Name) {
		if other, ok := s.collides[unified(n.Name)]; ok {
			return nil, nil, order.Refuse(order.ErrInvalidTopic, "Topic '%s' collides with existing topics: %s", n.Name, other)
		}
	}
	if err := checkAssignment(replicas); err != nil {
		return nil, nil, err
	}
	if s.rules.ValidateConfig != nil {
		if err := s.rules.ValidateConfig(configs); err != nil {
			return nil, nil, order.Refuse(order.ErrInvalidConfig, "%s", err)
		}
	}
	return replicas, configs, nil
}

func configMap(entries []ConfigEntry) (map[string]string, error) {
	configs := make(map[string]string, len(entries))
	var null []string
	for _, e := range entries {
		if e.Value == nil {
			null = append(null, e.Name)
			continue
		}
		configs[e.Name] = *e.Value
	}
	if null != nil {
		return nil, order.Refuse(order.ErrInvalidConfig, "Null value not supported for topic configs: %s", strings.Join(null, ","))
	}
	return configs, nil
}

// resolveAssignment takes the client's assignment or makes one. It does not check that the brokers in it exist, and
// neither does 3.9.
func (s *State) resolveAssignment(n *NewTopic, granted int) ([]znode.Replicas, error) {
	if len(n.Assignment) > 0 {
		if n.Partitions != -1 || n.ReplicationFactor != -1 {
			return nil, order.Refuse(order.ErrInvalidRequest, "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.")
		}
		if granted+len(n.Assignment) > MaxPartitionsPerRequest {
			return nil, errTooMany()
		}
		byPartition := map[int32][]int32{} // the last one said of a partition counts
		for _, a := range n.Assignment {
			byPartition[a.Partition] = a.Replicas
		}
		replicas := make([]znode.Replicas, 0, len(byPartition))
		for p, ids := range byPartition {
			replicas = append(replicas, znode.Replicas{Partition: p, Replicas: slices.Clone(ids)})
		}
		slices.SortFunc(replicas, func(a, b znode.Replicas) int { return cmp.Compare(a.Partition, b.Partition) })
		return replicas, nil
	}
	partitions, factor := n.Partitions, n.ReplicationFactor
	if partitions == -1 {
		partitions = s.rules.Partitions
	}
	if factor == -1 {
		factor = s.rules.ReplicationFactor
	}
	if partitions > 0 && granted+int(partitions) > MaxPartitionsPerRequest {
		return nil, errTooMany()
	}
	assignment, err := s.assign(int(partitions), int(factor), -1, -1)
	if err != nil {
		return nil, err
	}
	return number(assignment, 0), nil
}

func errTooMany() error {
	return order.Refuse(order.ErrPolicyViolation, "Excessively large number of partitions per request.")
}

// number makes assignments of successive partitions.
func number(assignment [][]int32, from int) []znode.Replicas {
	replicas := make([]znode.Replicas, len(assignment))
	for i, ids := range assignment {
		replicas[i] = znode.Replicas{Partition: int32(from + i), Replicas: ids}
	}
	return replicas
}

// checkAssignment checks that all partitions have the same number of replicas, no broker twice, and the numbers 0, 1, 2, ...
func checkAssignment(replicas []znode.Replicas) error {
	for i := range replicas {
		if len(replicas[i].Replicas) != len(replicas[0].Replicas) || len(replicas[i].Replicas) == 0 {
			return order.Refuse(order.ErrInvalidReplicaAssignment, "All partitions should have the same number of replicas")
		}
	}
	for i := range replicas {
		if hasTwice(replicas[i].Replicas) {
			var all []string
			for _, r := range replicas {
				all = append(all, fmt.Sprintf("%d -> ArrayBuffer(%s)", r.Partition, join(r.Replicas)))
			}
			return order.Refuse(order.ErrInvalidReplicaAssignment, "Duplicate replica assignment found: HashMap(%s)", strings.Join(all, ", "))
		}
	}
	for i := range replicas {
		if replicas[i].Partition != int32(i) {
			return order.Refuse(order.ErrInvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
	}
	return nil
}

func hasTwice(ids []int32) bool {
	sorted := slices.Sorted(slices.Values(ids))
	return len(slices.Compact(sorted)) != len(ids)
}
